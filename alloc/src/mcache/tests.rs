//! Caches against the rules of the contract.

use super::*;
use crate::testing::*;
use crate::{Config, Role, SpanFlags, SweepLeft};

const A: Colour = Colour::A;
const B: Colour = Colour::B;

#[test]
fn values_follow_each_other_in_a_run() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let first = cache.refill(&heap, &Counting::default(), &NODE16, 16, A).expect("memory");
    assert_eq!((first.bytes, first.objects), (8192, 512));
    for at in 1..512 {
        let next = cache.bump(&NODE16, NODE16.bin(), 16).expect("within the run");
        assert_eq!(next.addr().get(), first.ptr.addr().get() + at * 16);
        assert_eq!(colour(&heap, next.addr().get()), A);
    }
    assert_eq!(cache.bump(&NODE16, NODE16.bin(), 16), None);
    assert_eq!(cache.flush(&heap), 0);
    heap.verify().expect("sound");
}

#[test]
fn a_refill_goes_on_with_a_run_that_has_room() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let refill = |info| cache.refill(&heap, &Counting::default(), info, 0, A).expect("memory");
    for info in [&NODE64, &TINY4, &RIVAL, &NODE16] {
        let (first, second) = (refill(info), refill(info));
        assert!(first.bytes > 0);
        assert_eq!((second.bytes, second.objects), (0, 0));
        let step = if info.is_tiny() { 4 } else { info.size };
        assert_eq!(second.ptr.addr().get(), first.ptr.addr().get() + step);
    }
    assert_eq!(cache.reserved_bytes() as u64, cache.flush(&heap) + 8, "two tiny values share a slot");
    assert_eq!(heap.verify().expect("sound").coloured, [7, 0]);
}

#[test]
fn flush_gives_the_rest_back() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let kept = alloc(&heap, &cache, &NODE64, A);
    assert_eq!(cache.reserved_bytes(), 8192 - 64);
    assert_eq!(cache.reserved_slots(&heap), (8192 - 64) / 64);
    assert_eq!(cache.flush(&heap), 8192 - 64);
    assert_eq!(cache.reserved_bytes(), 0);
    let report = heap.verify().expect("sound");
    assert_eq!((report.coloured, report.free_slots, report.cached), ([1, 0], 127, 0));
    let next = alloc(&heap, &cache, &NODE64, A);
    assert_eq!(next, kept + 64, "the same span again");
}

#[test]
fn recolour_leaves_objects_alone() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let old = alloc(&heap, &cache, &NODE16, A);
    cache.recolour(&heap, B);
    let new = alloc(&heap, &cache, &NODE16, B);
    assert_eq!((colour(&heap, old), colour(&heap, new)), (A, B));
    assert_eq!(new, old + 16);
}

#[test]
fn rivals_for_a_bin_keep_their_runs() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    assert_eq!(NODE16.bin(), RIVAL.bin());
    let (first, second) = (alloc(&heap, &cache, &NODE16, A), alloc(&heap, &cache, &RIVAL, A));
    for at in 1..100 {
        assert_eq!(alloc(&heap, &cache, &NODE16, A), first + at * 16);
        assert_eq!(alloc(&heap, &cache, &RIVAL, A), second + at * 48);
    }
    cache.recolour(&heap, B);
    assert_eq!(colour(&heap, alloc(&heap, &cache, &NODE16, B)), B);
    assert_eq!(colour(&heap, alloc(&heap, &cache, &RIVAL, B)), B);
    cache.flush(&heap);
    assert_eq!(heap.verify().expect("sound").coloured, [200, 2]);
}

#[test]
fn tiny_values_share_slots_and_never_straddle() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let addrs: Vec<(usize, usize)> = [&TINY1, &TINY8, &TINY4, &TINY1, &TINY8, &TINY1]
        .map(|info| (alloc(&heap, &cache, info, A), info.size))
        .to_vec();
    let base = addrs[0].0;
    assert_eq!(addrs.iter().map(|(addr, _)| addr - base).collect::<Vec<_>>(), [0, 8, 16, 20, 24, 32]);
    assert!(addrs.iter().all(|(addr, size)| addr / 16 == (addr + size - 1) / 16));
    let page = heap.space().page(base);
    assert_eq!(page.flags(), SpanFlags::TINY | SpanFlags::LEAF);
    cache.recolour(&heap, B);
    let after = alloc(&heap, &cache, &TINY1, B);
    assert_eq!((after - base, colour(&heap, base + 32), colour(&heap, after)), (48, A, B));
    assert_eq!(cache.flush(&heap), 8192 - 64);
    assert_eq!(heap.verify().expect("sound").coloured, [3, 1]);
}

#[test]
fn variable_lengths_have_bins_of_their_own() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    for round in 0..10 {
        for size in [17, 100, 1000, 30_000] {
            let addr = try_alloc(&heap, &cache, &ARRAY, size, A).expect("memory");
            let (base, span) = heap.space().object_base(addr + size - 1).expect("an object");
            assert_eq!((base, span.slot()), (addr, crate::slot_size(size, 8)), "round {round}");
        }
    }
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn large_values_have_spans_of_their_own() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let value = alloc_large(&heap, &cache, 100_000, B).expect("memory");
    assert_eq!((value.bytes, value.objects), (13 * 8192, 1));
    let addr = value.ptr.addr().get();
    let (base, span) = heap.space().object_base(addr + 99_999).expect("an object");
    assert_eq!((base, span.slots(), span.bytes()), (addr, 1, 13 * 8192));
    assert!(span.flags().contains(SpanFlags::LARGE) && colour(&heap, addr + 50_000) == B);
    heap.verify().expect("sound");
    sweep_all(&heap, B, &Counting::default());
    assert_eq!(heap.stats().spans, 0);
    heap.verify().expect("sound");
}

#[test]
fn aligned_values_are_aligned() {
    static PAGE: crate::TypeInfo =
        crate::TypeInfo { name: || "page", size: 4096, align: 4096, drop: None, leaf: true, hash: 5 };
    static WIDE: crate::TypeInfo =
        crate::TypeInfo { name: || "wide", size: 40, align: 32, drop: None, leaf: true, hash: 6 };
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    for _ in 0..100 {
        assert_eq!(alloc(&heap, &cache, &PAGE, A) % 4096, 0);
        assert_eq!(alloc(&heap, &cache, &WIDE, A) % 32, 0);
    }
    cache.flush(&heap);
}

#[test]
fn a_refill_sweeps_its_own_class() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let addrs: Vec<usize> = (0..5000).map(|_| alloc(&heap, &cache, &NODE16, A)).collect();
    cache.flush(&heap);
    addrs.iter().step_by(2).for_each(|&addr| mark(&heap, addr, B));
    heap.begin_sweep(A);
    heap.open_sweep();
    let spans = heap.stats().spans;
    let unswept = heap.unswept_pages();
    let again = alloc(&heap, &cache, &NODE16, B);
    assert!(addrs.contains(&again) && colour(&heap, again) == B);
    assert!(heap.unswept_pages() < unswept);
    assert_eq!(heap.stats().spans, spans, "no fresh span while unswept ones have room");
    let swept = unswept - heap.unswept_pages();
    assert_eq!((cache.take_swept() as usize, cache.take_swept()), (swept, 0));
    cache.flush(&heap);
    while heap.sweep_some(Role::Mutator, 1, &Counting::default()).left != SweepLeft::Nothing {}
    let report = heap.verify().expect("sound");
    assert_eq!(report.coloured, [0, 2501]);
}

#[test]
fn at_the_limit_a_refill_sweeps_other_classes() {
    let (heap, _) =
        heap_of(Config { reserve: Config::MIN_RESERVE, limit: Some(4 << 20), ..Config::default() });
    let cache = Cache::new(&heap);
    while try_alloc(&heap, &cache, &NODE64, 64, A).is_ok() {}
    cache.flush(&heap);
    heap.begin_sweep(A);
    assert!(try_alloc(&heap, &cache, &NODE16, 16, B).is_err(), "the sweep is not open");
    heap.open_sweep();
    alloc(&heap, &cache, &NODE16, B);
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn at_the_limit_a_refill_takes_what_it_has_swept_of_its_own_class() {
    let (heap, _) =
        heap_of(Config { reserve: Config::MIN_RESERVE, limit: Some(4 << 20), ..Config::default() });
    let cache = Cache::new(&heap);
    let mut addrs = Vec::new();
    while let Ok(addr) = try_alloc(&heap, &cache, &NODE64, 64, A) {
        addrs.push(addr);
    }
    cache.flush(&heap);
    // No span becomes pages. The later half is swept first, and none of it is dead: more spans than a refill tries.
    let lives = |at: usize| at >= addrs.len() / 2 || at.is_multiple_of(2);
    addrs.iter().enumerate().filter(|&(at, _)| lives(at)).for_each(|(_, &addr)| mark(&heap, addr, B));
    heap.begin_sweep(A);
    heap.open_sweep();
    let unswept = heap.unswept_pages();
    let again = alloc(&heap, &cache, &NODE64, B);
    assert!(addrs.contains(&again));
    assert_eq!(cache.take_swept() as usize, unswept - heap.unswept_pages(), "all of it is paid");
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn where_there_are_no_pages_a_large_value_sweeps_for_a_row_of_them() {
    for limit in [Some(8 << 20), None] {
        let (heap, _) = heap_of(Config { reserve: Config::MIN_RESERVE, limit, ..Config::default() });
        let cache = Cache::new(&heap);
        let values = std::iter::from_fn(|| alloc_large(&heap, &cache, 1 << 20, A).ok()).count();
        assert!(values > 6);
        heap.begin_sweep(A);
        assert!(alloc_large(&heap, &cache, 1 << 20, B).is_err(), "the sweep is not open");
        heap.open_sweep();
        let unswept = heap.unswept_pages();
        assert!(alloc_large(&heap, &cache, 64 << 20 | 1, B).is_err(), "longer than the heap");
        assert_eq!((heap.unswept_pages(), cache.take_swept()), (unswept, 0), "nothing is swept in vain");
        let longer = alloc_large(&heap, &cache, 5 << 20, B).expect("all but this is dead");
        assert_eq!((longer.bytes, longer.objects), (5 << 20, 1));
        assert_eq!(cache.take_swept() as usize, unswept - heap.unswept_pages());
        assert!(alloc_large(&heap, &cache, values << 20, B).is_err(), "what lives is in the way");
        assert_eq!(heap.unswept_pages(), 0);
        heap.verify().expect("sound");
    }
}

#[test]
fn a_refill_never_sweeps_what_has_drop_glue() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    for _ in 0..1000 {
        alloc(&heap, &cache, &DROP32, A);
    }
    cache.flush(&heap);
    heap.begin_sweep(A);
    heap.open_sweep();
    let unswept = heap.unswept_pages();
    alloc(&heap, &cache, &DROP32, B);
    let all = heap.sweep_some(Role::Mutator, usize::MAX, &Counting::default());
    assert_eq!((all.pages, all.left), (0, SweepLeft::Others));
    assert_eq!(heap.unswept_pages(), unswept);
    let counting = Counting::default();
    let all = heap.sweep_some(Role::Background, usize::MAX, &counting);
    assert_eq!((all.pages, all.left), (unswept, SweepLeft::Nothing));
    assert_eq!(counting.dead.into_inner(), 1000);
    cache.flush(&heap);
    heap.verify().expect("sound");
}

#[test]
fn nothing_is_swept_before_the_sweep_opens() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let old = alloc(&heap, &cache, &NODE64, A);
    cache.flush(&heap);
    heap.begin_sweep(A);
    let new = alloc(&heap, &cache, &NODE64, B);
    assert_ne!(heap.space().page_no(old), heap.space().page_no(new), "a fresh span");
    assert_eq!(heap.sweep_some(Role::Background, 9, &Counting::default()).left, SweepLeft::Others);
    cache.flush(&heap);
    heap.open_sweep();
    assert_eq!(heap.sweep_some(Role::Background, 9, &Counting::default()).left, SweepLeft::Nothing);
    assert_eq!(heap.verify().expect("sound").coloured, [0, 1]);
}

#[test]
#[should_panic(expected = "another heap")]
fn a_cache_of_another_heap_is_refused() {
    let ((one, _), (other, _)) = (heap(), heap());
    let cache = Cache::new(&one);
    cache.flush(&other);
}

#[test]
fn out_of_memory_leaves_the_cache_usable() {
    let (heap, _) =
        heap_of(Config { reserve: Config::MIN_RESERVE, limit: Some(4 << 20), ..Config::default() });
    let cache = Cache::new(&heap);
    let mut taken = 0usize;
    let error = loop {
        match try_alloc(&heap, &cache, &NODE64, 64, A) {
            Ok(_) => taken += 64,
            Err(error) => break error,
        }
    };
    assert_eq!((error.limit, error.obstacle), (4 << 20, Obstacle::Limit));
    assert!(taken > 3 << 20 && error.in_use <= 4 << 20, "{error}, {taken}");
    cache.flush(&heap);
    heap.verify().expect("sound");
    sweep_all(&heap, A, &Counting::default());
    alloc(&heap, &cache, &NODE64, B);
    cache.flush(&heap);
    heap.verify().expect("sound");
}
