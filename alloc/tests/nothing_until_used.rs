//! A heap of 1 TiB costs nothing until it is used. A process of its own, so that nobody else touches memory meanwhile.

use greyset_alloc::{Cache, Colour, Config, DeadSlots, MHeap, RealOs, Reclaim, Span, TypeInfo};

struct Nobody;
impl Reclaim for Nobody {
    fn reclaim(&self, _: &Span, _: DeadSlots<'_>) {}
}

static NODE: TypeInfo = TypeInfo { name: || "node", size: 16, align: 8, drop: None, leaf: true, hash: 0 };

/// Resident bytes of this process, where the system says.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[test]
fn a_tebibyte_reserved_costs_nothing() {
    let config = Config { reserve: 1 << 40, ..Config::default() };
    let before = resident();
    let heap = MHeap::new(&config, Box::new(RealOs)).expect("addresses cost nothing");
    let stats = heap.stats();
    assert!(stats.reserved <= 1 << 40, "less where the system gives less");
    assert_eq!((stats.committed, stats.pages_used), (0, 0));
    let cache = Cache::new(&heap);
    let objects = 10_000;
    for _ in 0..objects {
        if cache.alloc(&NODE).is_none() {
            cache.refill(&heap, &Nobody, &NODE, NODE.size, Colour::A).expect("memory");
        }
    }
    cache.flush(&heap);
    heap.verify().expect("sound");
    let stats = heap.stats();
    assert!(stats.in_use < 512 << 10, "{} bytes for {objects} objects of 16", stats.in_use);
    if let (Some(before), Some(after)) = (before, resident()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 2 << 20, "{grown} bytes became resident");
    }
}
