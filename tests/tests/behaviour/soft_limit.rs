//! The soft limit: where it puts the goal, changed while running, and what happens when it cannot be kept.

use greyset::{Driver, Event, EventSink, Heap, HeapBuilder, LimitKind, Stepper, Thrash};
use greyset_tests::common::{list_length, make_list};
use std::sync::{Arc, Mutex};

const MIB: u64 = 1 << 20;

/// Keeps the events about limits.
#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl EventSink for Told {
    fn event(&self, _: &str, event: &Event) {
        if matches!(event, Event::LimitReached { .. } | Event::Thrash(_)) {
            self.0.lock().expect("no panic").push(event.clone());
        }
    }
}

impl Told {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

fn stepping() -> HeapBuilder {
    Heap::builder().driver(Driver::Stepping)
}

/// A whole cycle, after one that may be running: above the limit each is followed by the next at once.
fn cycle(heap: &Heap, stepper: &mut Stepper) {
    let before = heap.stats().cycles;
    while heap.stats().cycles < before + 2 {
        stepper.request();
        let _ = stepper.step_any();
    }
}

#[test]
fn it_decides_the_goal_when_it_is_the_smaller_and_can_be_changed() {
    let told = Arc::new(Told::default());
    let heap = stepping().gogc(1000).sink(told.clone()).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let kept = handle.enter(|m| make_list(m, 100_000).root(m));
    cycle(&heap, &mut stepper);
    let free = heap.stats();
    assert!(free.goal_bytes > 10 * free.live_bytes && free.memory_limit.is_none(), "{free}");
    assert!(told.take().is_empty());

    heap.set_memory_limit(Some(free.live_bytes + 8 * MIB)).expect("a limit");
    let limited = heap.stats();
    assert_eq!(limited.memory_limit, Some(free.live_bytes + 8 * MIB));
    assert!(limited.goal_bytes < free.live_bytes + 8 * MIB, "{limited}");
    assert!(limited.trigger_bytes <= limited.goal_bytes && limited.goal_bytes > free.live_bytes, "{limited}");
    let events = told.take();
    assert!(
        matches!(events[..], [Event::LimitReached { kind: LimitKind::Soft, limit, in_use }]
            if limit == free.live_bytes + 8 * MIB && in_use == limited.mapped_bytes),
        "{events:?}"
    );
    // It holds over the next cycle, too; then it is off again.
    cycle(&heap, &mut stepper);
    assert!(heap.stats().goal_bytes < free.live_bytes + 8 * MIB);
    heap.set_memory_limit(None).expect("off");
    assert!(heap.stats().goal_bytes > 10 * free.live_bytes);
    assert!(told.take().is_empty());
    handle.enter(|m| assert_eq!(list_length(m, kept.get(m)), 100_000));
}

#[test]
fn limits_are_checked_against_each_other_as_they_are_now() {
    let heap = Heap::builder().memory_limit(64 * MIB).hard_limit(128 * MIB).build().expect("a heap");
    let error = heap.set_hard_limit(Some(32 * MIB)).expect_err("below the soft limit").to_string();
    assert!(error.starts_with("memory_limit (64MiB"), "{error}");
    heap.set_memory_limit(Some(16 * MIB)).expect("lower");
    heap.set_hard_limit(Some(32 * MIB)).expect("now it is above");
    let error = heap.set_memory_limit(Some(64 * MIB)).expect_err("above the hard limit").to_string();
    assert!(error.contains("is above hard_limit (32MiB"), "{error}");
    assert!(heap.set_memory_limit(Some(5)).is_err(), "out of range");
    assert_eq!((heap.stats().memory_limit, heap.stats().hard_limit), (Some(16 * MIB), Some(32 * MIB)));
}

/// With the builder as later, and back.
#[test]
fn a_soft_limit_that_nobody_has_set_follows_the_hard_one() {
    let limits = |heap: &Heap| (heap.stats().memory_limit, heap.stats().hard_limit);
    let built = Heap::builder().ignore_environment().hard_limit(400 * MIB).build().expect("a heap");
    let plain = Heap::builder().ignore_environment().build().expect("a heap");
    plain.set_hard_limit(Some(400 * MIB)).expect("a limit");
    for heap in [&built, &plain] {
        assert_eq!(limits(heap), (Some(380 * MIB), Some(400 * MIB)));
        heap.set_hard_limit(Some(200 * MIB)).expect("lower");
        assert_eq!(limits(heap), (Some(190 * MIB), Some(200 * MIB)));
        heap.set_hard_limit(Some(800 * MIB)).expect("higher");
        assert_eq!(limits(heap), (Some(760 * MIB), Some(800 * MIB)));
        // Set, if only to none, it stays.
        heap.set_memory_limit(None).expect("off");
        heap.set_hard_limit(Some(100 * MIB)).expect("lower");
        assert_eq!(limits(heap), (None, Some(100 * MIB)));
        heap.set_memory_limit(Some(50 * MIB)).expect("a limit");
        heap.set_hard_limit(None).expect("none");
        assert_eq!(limits(heap), (Some(50 * MIB), None));
    }
}

#[test]
fn tables_count() {
    let heap = stepping().build().expect("a heap");
    let before = heap.stats();
    let roots: Vec<_> = heap.mutator().enter(|m| {
        let object = m.alloc(1u64);
        (0..100_000).map(|_| object.root(m)).collect()
    });
    let after = heap.stats();
    let table = (roots.len() * size_of::<usize>()) as u64;
    assert!(after.metadata_bytes >= before.metadata_bytes + table, "{after}");
    assert!(after.mapped_bytes >= before.mapped_bytes + table, "{after}");
}

#[test]
fn live_data_above_the_limit_is_told_once_and_the_hard_limit_ends_it() {
    let (told, seen) = (Arc::new(Told::default()), Arc::new(Mutex::new(Vec::<Thrash>::new())));
    let calls = seen.clone();
    let builder = stepping().memory_limit(2 * MIB).hard_limit(16 * MIB).sink(told.clone());
    let builder = builder.on_thrash(move |thrash| calls.lock().expect("no panic").push(*thrash));
    let heap = builder.build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let kept = handle.enter(|m| make_list(m, 200_000).root(m));
    for _ in 0..3 {
        cycle(&heap, &mut stepper);
    }
    let stats = heap.stats();
    assert!(stats.live_bytes > 2 * MIB && stats.thrashes == 1, "{stats}");
    let seen = || std::mem::take(&mut *seen.lock().expect("no panic"));
    let thrash = seen();
    assert_eq!(thrash.len(), 1);
    assert_eq!((thrash[0].memory_limit, thrash[0].live), (Some(2 * MIB), stats.live_bytes));
    assert!(thrash[0].in_use > 2 * MIB);
    assert!(told.take().contains(&Event::Thrash(thrash[0])));

    // The hard limit is an error the program survives.
    let more = handle.enter(|m| {
        let mut more = Vec::new();
        while let Ok(object) = m.try_alloc([0u64; 1000]) {
            more.push(object.root(m));
            m.safepoint();
        }
        more
    });
    assert!(more.len() > 500 && heap.stats().limit_failures == 1, "{}", heap.stats());
    // It lets go: the heap is below its limit again, and the next time is told again.
    drop((more, kept));
    cycle(&heap, &mut stepper);
    heap.release_free_memory();
    let stats = heap.stats();
    assert!(stats.mapped_bytes < 2 * MIB && stats.thrashes == 1, "{stats}");
    let _kept = handle.enter(|m| make_list(m, 200_000).root(m));
    cycle(&heap, &mut stepper);
    assert_eq!((heap.stats().thrashes, seen().len()), (2, 1));
}
