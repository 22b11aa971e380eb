//! Sweeping, limits, giving back, teardown, and a system that fails.

use super::*;
use crate::os::{Call, FakeOs};
use crate::testing::*;
use crate::{Cache, DeadSlots, Obstacle, Reclaim, Role, SizeClass, SweepLeft, unit::PAGE_SIZE};
use greyset_sync::atomic::{AtomicUsize, Ordering::Relaxed};

const A: Colour = Colour::A;
const B: Colour = Colour::B;

/// Allocates `bytes` worth of `info`.
fn fill_heap(heap: &MHeap, info: &'static TypeInfo, bytes: usize) -> Vec<usize> {
    let cache = Cache::new(heap);
    let addrs = (0..bytes / info.size).map(|_| alloc(heap, &cache, info, A)).collect();
    cache.flush(heap);
    addrs
}

#[test]
fn a_fresh_heap_is_empty_and_sound() {
    let (heap, _) = heap();
    assert_eq!(heap.verify().expect("sound"), crate::VerifyReport::default());
    let stats = heap.stats();
    assert_eq!((stats.committed, stats.spans, stats.classes), (0, 0, 0));
    assert_eq!(stats.reserved, Config::MIN_RESERVE);
    assert_eq!(heap.sweep_some(Role::Background, 1, &Counting::default()).left, SweepLeft::Nothing);
}

#[test]
fn objects_are_found_from_any_byte_and_nothing_else_is() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let space = heap.space();
    let first = alloc(&heap, &cache, &NODE64, A);
    let second = alloc(&heap, &cache, &NODE64, A);
    cache.flush(&heap);
    for byte in 0..64 {
        assert_eq!(space.object_base(first + byte).map(|(base, _)| base), Some(first));
        assert_eq!(space.object_base(second + byte).map(|(base, _)| base), Some(second));
        let page = space.page(second);
        assert_eq!(space.base_of(page, second + byte), second);
    }
    for nothing in [second + 64, first + PAGE_SIZE, space.base() - 1, space.base() + space.len(), 0] {
        assert!(space.object_base(nothing).is_none(), "{nothing:#x}");
    }
}

#[test]
fn sweeping_counts_what_lives() {
    let (heap, _) = heap();
    let addrs = fill_heap(&heap, &NODE64, 64 * 1000);
    addrs.iter().skip(1).step_by(3).for_each(|&addr| mark(&heap, addr, B));
    sweep_all(&heap, A, &Counting::default());
    let census = heap.census();
    assert_eq!((census.len(), census[0].live, census[0].live_bytes), (1, 333, 333 * 64));
    assert!(std::ptr::eq(census[0].info, &NODE64));
    assert_eq!(heap.verify().expect("sound").coloured, [0, 333]);
    sweep_all(&heap, B, &Counting::default());
    assert_eq!((heap.census()[0].live, heap.stats().pages_used), (0, 0));
    heap.verify().expect("sound");
}

#[test]
fn the_dead_are_shown_where_there_is_drop_glue_or_a_wish() {
    let (heap, _) = heap();
    fill_heap(&heap, &DROP32, 32 * 100);
    fill_heap(&heap, &NODE64, 64 * 50);
    let only_glue = Counting::default();
    sweep_all(&heap, A, &only_glue);
    assert_eq!(only_glue.dead.load(Relaxed), 100);
    fill_heap(&heap, &DROP32, 32 * 100);
    fill_heap(&heap, &NODE64, 64 * 50);
    let all = Counting { wants_all: true, ..Counting::default() };
    sweep_all(&heap, A, &all);
    assert_eq!(all.dead.load(Relaxed), 150);
}

#[test]
fn flags_of_live_slots_survive_and_those_of_dead_ones_do_not() {
    let (heap, _) = heap();
    let addrs = fill_heap(&heap, &NODE64, 64 * 2);
    let byte = |addr: usize| heap.space().colour_at(heap.space().page(addr), addr);
    addrs.iter().for_each(|&addr| byte(addr).store(0b1010_1000 | A.byte(), Relaxed));
    mark(&heap, addrs[0], B);
    sweep_all(&heap, A, &Counting::default());
    assert_eq!(byte(addrs[0]).load(Relaxed), 0b1010_1000 | B.byte());
    assert_eq!(byte(addrs[1]).load(Relaxed), 0);
}

/// Panics at the `nth` span.
struct Panicking(AtomicUsize);
impl Reclaim for Panicking {
    fn reclaim(&self, _: &Span, _: DeadSlots<'_>) {
        if self.0.fetch_sub(1, Relaxed) == 1 {
            panic!("in drop glue");
        }
    }
    fn wants_dead(&self) -> bool {
        true
    }
}

#[test]
fn a_reclaim_that_unwinds_leaves_the_heap_sound() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let (heap, _) = heap();
    let addrs = fill_heap(&heap, &NODE64, 64 * 2000);
    addrs.iter().step_by(200).for_each(|&addr| mark(&heap, addr, B));
    heap.begin_sweep(A);
    heap.open_sweep();
    let panicking = Panicking(AtomicUsize::new(2));
    let result = catch_unwind(AssertUnwindSafe(|| heap.sweep_some(Role::Background, usize::MAX, &panicking)));
    assert!(result.is_err());
    // In a refill, too.
    let (cache, panicking) = (Cache::new(&heap), Panicking(AtomicUsize::new(1)));
    let refill = || {
        while cache.alloc(&NODE64).is_some() {}
        cache.refill(&heap, &panicking, &NODE64, 64, B).map(|refilled| refilled.objects)
    };
    let refills = (0..100).take_while(|_| catch_unwind(AssertUnwindSafe(refill)).is_ok()).count();
    assert!(refills < 100, "swept spans first, then one whose sweep unwinds");
    let last = alloc(&heap, &cache, &NODE64, B);
    cache.flush(&heap);
    while heap.sweep_some(Role::Background, 1, &Counting::default()).left != SweepLeft::Nothing {}
    let report = heap.verify().expect("sound");
    let kept = addrs.iter().step_by(200).chain([&last]);
    assert!(kept.into_iter().all(|&addr| colour(&heap, addr) == B));
    assert_eq!(report.coloured[0], 0);
}

#[test]
#[should_panic(expected = "the sweep before is not done")]
fn a_sweep_must_be_done_before_the_next() {
    let (heap, _) = heap();
    fill_heap(&heap, &NODE64, 64);
    heap.begin_sweep(A);
    heap.begin_sweep(B);
}

#[test]
fn teardown_drops_what_is_left_once() {
    let (heap, _) = heap();
    let addrs = fill_heap(&heap, &DROP32, 32 * 1000);
    fill_heap(&heap, &NODE64, 64 * 10);
    addrs.iter().step_by(2).for_each(|&addr| mark(&heap, addr, B));
    let mut dropped = Vec::new();
    heap.drop_all(|ptr, info| {
        assert!(std::ptr::eq(info, &DROP32));
        dropped.push(ptr.addr());
    });
    dropped.sort_unstable();
    let mut wanted = addrs;
    wanted.sort_unstable();
    assert_eq!(dropped, wanted, "both colours, each once");
    heap.drop_all(|_, _| panic!("nothing is left"));
}

#[test]
fn the_sweep_is_shared_between_roles() {
    let (heap, _) = heap();
    fill_heap(&heap, &DROP32, 32 * 3000);
    fill_heap(&heap, &NODE64, 64 * 3000);
    heap.begin_sweep(A);
    heap.open_sweep();
    let nobody = Counting::default();
    let mut swept = 0;
    let left = loop {
        let progress = heap.sweep_some(Role::Mutator, 1, &nobody);
        swept += progress.pages;
        if progress.left != SweepLeft::Some {
            break progress.left;
        }
    };
    assert_eq!(left, SweepLeft::Others);
    assert_eq!((nobody.dead.load(Relaxed), swept > 0), (0, true));
    while heap.sweep_some(Role::Background, 1, &nobody).left != SweepLeft::Nothing {}
    assert_eq!(nobody.dead.load(Relaxed), 3000);
    heap.verify().expect("sound");
}

#[test]
fn free_pages_are_given_back_and_used_again() {
    let (heap, os) = heap();
    let addrs = fill_heap(&heap, &NODE64, 4 << 20);
    sweep_all(&heap, A, &Counting::default());
    let before = heap.stats();
    assert_eq!((before.pages_used, before.pages_free), (0, (before.committed / 8192) as usize));
    let progress = heap.release(10);
    assert_eq!((progress.pages, progress.left), (10, before.pages_free - 10));
    let rest = heap.release(usize::MAX);
    assert_eq!((rest.pages, rest.left), (before.pages_free - 10, 0));
    let after = heap.stats();
    assert_eq!((after.committed, after.released), (0, before.committed));
    assert!(after.metadata < before.metadata, "colours went, too");
    heap.verify().expect("sound");
    let again = fill_heap(&heap, &NODE64, 4 << 20);
    let (range, again) = (addrs.iter().min(), again.iter().min());
    assert_eq!(range, again, "the lowest addresses first");
    assert!(os.calls(Call::GiveBack) > 1);
    heap.verify().expect("sound");
}

/// With no page wanted, or none there, it is colours.
#[test]
fn idle_colours_go_back_with_one_call() {
    let (heap, _) = heap();
    fill_heap(&heap, &NODE64, 4 << 20);
    sweep_all(&heap, A, &Counting::default());
    let (free, idle) = (heap.stats().pages_free, heap.stats().colours_idle);
    assert!(free > 0 && (1..=64 << 12).contains(&idle), "{free} pages, {idle} bytes of colours");
    let progress = heap.release_once(0);
    assert_eq!((progress.pages, progress.colours as u64, progress.left), (0, idle, free));
    assert_eq!(heap.stats().colours_idle, 0);
    assert!(heap.release_once(0).is_nothing());
    heap.verify().expect("sound");
}

#[test]
fn the_limit_counts_pages_tables_and_external_bytes() {
    let limit = 8 << 20;
    let (heap, _) = heap_of(Config { reserve: Config::MIN_RESERVE, limit: Some(limit), ..Config::default() });
    let cache = Cache::new(&heap);
    let fill = || {
        let mut taken = 0u64;
        while try_alloc(&heap, &cache, &NODE64, 64, A).is_ok() {
            taken += 64;
        }
        cache.flush(&heap);
        let in_use = heap.in_use();
        sweep_all(&heap, A, &Counting::default());
        (taken, in_use)
    };
    let (all, in_use) = fill();
    assert!(
        in_use <= limit && in_use > limit - (128 << 10) && all > limit * 15 / 16,
        "{all}, {in_use} in use"
    );
    let external = heap.external().charge(0, 4 << 20);
    // The free pages the heap holds already may be used; a release makes room for what is external.
    let _ = heap.release(usize::MAX);
    let (half, in_use) = fill();
    assert!(in_use <= limit && half < all * 9 / 16, "{half} of {all}");
    // More than there can be is an error like any other, also together with what the client says of its tables.
    let absurd = heap.external().charge(external, u64::MAX);
    for tables in [0, u64::MAX] {
        heap.client_tables().store(tables, Relaxed);
        let (in_use, stats) = (heap.in_use(), heap.stats());
        assert!(in_use > External::MOST_CHARGE && in_use == stats.in_use, "{stats:?}");
        let _ = heap.release(usize::MAX);
        let error = try_alloc(&heap, &cache, &NODE64, 64, A).expect_err("no room");
        assert_eq!((error.obstacle, error.limit, error.in_use), (Obstacle::Limit, limit, heap.in_use()));
    }
    heap.client_tables().store(0, Relaxed);
    assert_eq!(heap.external().charge(absurd, 0), 0);
    heap.set_limit(None);
    assert_eq!(heap.limit(), None);
    let error = loop {
        if let Err(error) = try_alloc(&heap, &cache, &NODE64, 64, A) {
            break error;
        }
    };
    assert_eq!((error.obstacle, error.limit), (Obstacle::Reservation, heap.space().len() as u64));
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn at_the_limit_free_pages_make_way() {
    let limit = 8 << 20;
    let (heap, _) = heap_of(Config { reserve: Config::MIN_RESERVE, limit: Some(limit), ..Config::default() });
    let small = fill_heap(&heap, &NODE64, 6 << 20);
    // Every other page lives on, so the free pages are no use for something large, but their memory is.
    small.iter().filter(|addr| *addr >> 20 & 1 == 0).for_each(|&addr| mark(&heap, addr, B));
    sweep_all(&heap, A, &Counting::default());
    let free = heap.stats().pages_free;
    assert!(free > 200, "{free} pages");
    let cache = Cache::new(&heap);
    let large = alloc_large(&heap, &cache, 4 << 20, B).expect("room after giving back");
    assert_eq!(large.bytes, 4 << 20);
    assert!(heap.in_use() <= limit && heap.stats().pages_free < free);
    let error = alloc_large(&heap, &cache, 4 << 20, B).expect_err("too much");
    assert_eq!((error.obstacle, error.requested), (Obstacle::Limit, 4 << 20));
    heap.verify().expect("sound");
}

#[test]
fn above_the_soft_limit_free_pages_make_way_a_few_at_a_time() {
    let (heap, _) = heap_of(Config { reserve: Config::MIN_RESERVE, ..Config::default() });
    let small = fill_heap(&heap, &NODE64, 6 << 20);
    small.iter().filter(|addr| *addr >> 20 & 1 == 0).for_each(|&addr| mark(&heap, addr, B));
    sweep_all(&heap, A, &Counting::default());
    let free = heap.stats().pages_free;
    let cache = Cache::new(&heap);
    heap.set_soft_limit(Some(1 << 20));
    // Nothing fails, and what is given back is bounded.
    let large = alloc_large(&heap, &cache, 4 << 20, B).expect("a soft limit refuses nothing");
    assert_eq!((large.bytes, free - heap.stats().pages_free), (4 << 20, 64));
    heap.set_soft_limit(None);
    let _ = alloc_large(&heap, &cache, 2 << 20, B).expect("room");
    assert_eq!(free - heap.stats().pages_free, 64);
    heap.client_tables().store(1 << 20, Relaxed);
    let stats = heap.stats();
    assert_eq!(stats.in_use, stats.committed + stats.metadata + (1 << 20));
    assert_eq!(heap.in_use(), stats.in_use);
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn mixed_neighbours_serve_a_large_value_when_the_reservation_is_full() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let pages = heap.space().page_count() as usize;
    let size = pages / 4 * PAGE_SIZE;
    for _ in 0..4 {
        let _ = alloc_large(&heap, &cache, size, A).expect("a quarter");
    }
    sweep_all(&heap, A, &Counting::default());
    assert_eq!(heap.release(pages / 2).pages, pages / 2, "half released, half committed");
    let most = alloc_large(&heap, &cache, 3 * size, A).expect("joined");
    assert_eq!(most.bytes, 3 * size);
    let error = alloc_large(&heap, &cache, 2 * size, A).expect_err("too long");
    assert_eq!(error.obstacle, Obstacle::Reservation);
    assert!(alloc_large(&heap, &cache, usize::MAX, A).is_err());
    heap.verify().expect("sound");
}

#[test]
fn a_refused_reservation_is_halved_and_reported() {
    let os = Arc::new(FakeOs::new());
    os.refuse_above(1 << 30);
    let config = Config { reserve: 64 << 30, ..Config::default() };
    let heap = MHeap::new(&config, Box::new(Arc::clone(&os))).expect("half a GiB fits");
    let stats = heap.stats();
    assert_eq!((stats.reserve_asked, stats.reserved), (64 << 30, 512 << 20));
    os.fail_all(Call::Reserve);
    let error = MHeap::new(&config, Box::new(os)).expect_err("nothing can be had");
    assert!(matches!(error, crate::ReserveError::System { least: Config::MIN_RESERVE, .. }), "{error}");
}

#[test]
fn huge_pages_are_a_wish() {
    let config =
        Config { reserve: Config::MIN_RESERVE, huge_pages: crate::HugePages::Advise, ..Config::default() };
    let os = Arc::new(FakeOs::new());
    os.fail_all(Call::AdviseHuge);
    let heap = MHeap::new(&config, Box::new(Arc::clone(&os))).expect("no need of huge pages");
    assert!(!heap.stats().huge_pages && os.calls(Call::AdviseHuge) > 0);
}

/// A day in the life of a heap, in which every call of the system may fail.
fn a_day(heap: &MHeap) -> Result<(), crate::OutOfMemory> {
    let cache = Cache::new(heap);
    let work = || {
        for at in 0..200 {
            try_alloc(heap, &cache, &NODE64, 64, A)?;
            try_alloc(heap, &cache, &DROP32, 32, A)?;
            try_alloc(heap, &cache, &ARRAY, at * 100 + 1, A)?;
            if at % 50 == 0 {
                try_alloc(heap, &cache, &ARRAY, 70_000, A)?;
            }
        }
        Ok(())
    };
    let result = work();
    cache.flush(heap);
    heap.verify().expect("sound after allocating");
    sweep_all(heap, A, &Counting::default());
    heap.verify().expect("sound after sweeping");
    let progress = heap.release(100);
    assert!(progress.error.is_none() || progress.left > 0 || progress.pages > 0);
    heap.verify().expect("sound after releasing");
    result
}

#[test]
fn a_system_that_fails_at_any_call_leaves_a_usable_heap() {
    let config = Config { reserve: Config::MIN_RESERVE, ..Config::default() };
    let (heap, os) = heap_of(config.clone());
    a_day(&heap).expect("nothing fails");
    let most = Call::ALL.map(|kind| os.calls(kind)).into_iter().max().unwrap_or(0);
    assert!(most > 20);
    for kind in Call::ALL {
        for nth in 1..=most {
            let os = Arc::new(FakeOs::new());
            os.fail_nth(kind, nth);
            let Ok(heap) = MHeap::new(&config, Box::new(Arc::clone(&os))) else {
                assert_eq!(kind, Call::Reserve, "only that keeps a heap from being made");
                continue;
            };
            match a_day(&heap) {
                Ok(()) => {}
                Err(error) => assert_eq!((kind, error.obstacle), (Call::Commit, Obstacle::System)),
            }
            a_day(&heap).expect("the failure is over");
        }
        let (heap, os) = heap_of(config.clone());
        os.fail_all(kind);
        let first = a_day(&heap).is_err();
        assert_eq!(first, kind == Call::Commit);
        os.fail_none(kind);
        a_day(&heap).expect("usable again");
    }
}

#[test]
fn metadata_is_a_small_share() {
    for (size, most_per_mille) in [(16, 80), (24, 80), (64, 20), (72, 20), (120, 20), (128, 20), (2048, 20)] {
        let info: &'static TypeInfo = Box::leak(Box::new(fixed(size, 0)));
        let (heap, _) = heap_of(Config { reserve: 256 << 20, ..Config::default() });
        fill_heap(&heap, info, if cfg!(miri) { 1 << 20 } else { 40 << 20 });
        let stats = heap.stats();
        let share = stats.metadata * 1000 / stats.committed;
        assert!(share <= most_per_mille, "{size} bytes: {share} per mille of {} bytes", stats.committed);
    }
}

#[test]
fn few_objects_of_a_type_take_few_pages() {
    let (heap, _) = heap();
    let types: Vec<&'static TypeInfo> = (0..100).map(|hash| &*Box::leak(Box::new(fixed(48, hash)))).collect();
    let cache = Cache::new(&heap);
    for info in types {
        for _ in 0..100 {
            alloc(&heap, &cache, info, A);
        }
    }
    assert_eq!(heap.stats().pages_used, 100, "a page a type");
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn spans_grow_with_their_class() {
    let (heap, _) = heap();
    fill_heap(&heap, &NODE64, 2 << 20);
    let mut lengths: Vec<u32> = Vec::new();
    heap.for_each_span(|span| lengths.push(span.pages()));
    assert_eq!(lengths[..4], [1; 4]);
    assert_eq!(lengths[4..12], [4; 8]);
    assert!(lengths[12..].iter().all(|&pages| pages == 8));
    let class = SizeClass::of_size(64);
    assert_eq!([0, 1, 2].map(|stage| class.span_pages(stage)), [1, 4, 8]);
}
