//! The seat with clocks of the tests' own: what holds cycles and assists back.

use super::*;
use crate::{Driver, Heap, StepOutcome, Stepper};

const SECOND: u64 = 1_000_000_000;

/// The clocks say that so much processor time went to collection and to the program; they stand still then, because the
/// real ones are behind.
fn clocks(heap: &Heap, seconds: u64, collection: u64, process: u64) {
    let [wall, collection, process] = [seconds, collection, process].map(|s| s * SECOND);
    let mut collector = heap.owner().shared().collector.lock();
    collector.pacing().limiting.refresh(Reading { wall, collection, process });
}

fn run(stepper: &mut Stepper) {
    while stepper.step_any() != StepOutcome::Idle {}
}

#[test]
fn while_collection_holds_back_only_cycles_asked_for_begin() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, shared) = (heap.stepper(), heap.owner().shared());
    clocks(&heap, 1_000_000, 900_000, 900_000);
    shared.driver.trigger_reached(shared);
    run(&mut stepper);
    shared.driver.request_cycle(shared, Cause::Limit);
    run(&mut stepper);
    assert_eq!(shared.driver.completed(), 0);
    heap.request_cycle();
    run(&mut stepper);
    assert_eq!(shared.driver.completed(), 1);
    // The program has had its share: what was put off begins.
    shared.driver.trigger_reached(shared);
    run(&mut stepper);
    assert_eq!(shared.driver.completed(), 1);
    clocks(&heap, 2_000_000, 900_000, 1_900_000);
    run(&mut stepper);
    assert_eq!(shared.driver.completed(), 2);
}

#[test]
fn while_collection_holds_back_allocations_owe_nothing() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, shared) = (heap.stepper(), heap.owner().shared());
    let mut ratio_when_marking = || {
        heap.request_cycle();
        while !shared.published.tracing() {
            let _ = stepper.collector();
        }
        let ratio = shared.pace.ratio();
        run(&mut stepper);
        ratio
    };
    assert!(ratio_when_marking() > 0.0);
    clocks(&heap, 1_000_000, 900_000, 900_000);
    assert_eq!(ratio_when_marking(), 0.0);
}

/// A heap with 8 MiB of garbage whose sweep is open, and of which nothing is swept.
fn to_be_swept(heap: &Heap) -> Stepper {
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| (0..1 << 17).for_each(|i| _ = m.alloc([i; 8])));
    heap.request_cycle();
    loop {
        match stepper.collector() {
            StepOutcome::AwaitSweep => return stepper,
            StepOutcome::AwaitMarkers => _ = stepper.mark(usize::MAX),
            _ => {}
        }
    }
}

/// Until now only what threads swept was collection; allocations sweep most.
#[test]
fn what_allocations_sweep_is_processor_time_of_collection() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let _stepper = to_be_swept(&heap);
    let shared = heap.owner().shared();
    let (before, pages) = (heap.stats().cpu.sweep, shared.alloc.unswept_pages());
    heap.mutator().enter(|m| {
        for i in 0..1 << 17 {
            _ = m.alloc([i; 8]);
        }
    });
    let (swept, took) = (pages - shared.alloc.unswept_pages(), heap.stats().cpu.sweep - before);
    assert!(swept > 100, "{swept} of {pages}");
    assert!(
        !took.is_zero() && took <= Duration::from_micros(10 * swept as u64),
        "{took:?} for {swept} pages"
    );
}

/// Whatever is allocated at once, its share is swept: a piece with each of the next runs.
#[test]
fn a_large_allocation_sweeps_its_share_too() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let _stepper = to_be_swept(&heap);
    let shared = heap.owner().shared();
    let pages = shared.alloc.unswept_pages();
    // A page for every KiB.
    shared.pace.set_sweep_ratio(1.0 / 1024.0);
    heap.mutator().enter(|m| {
        _ = m.alloc_bytes(&[1; 256 << 10]);
        assert_eq!(shared.alloc.unswept_pages(), pages, "it is charged when it is there");
        for most in [64, 128, 192, 256] {
            _ = m.alloc_bytes(&[1; 40 << 10]);
            let swept = pages - shared.alloc.unswept_pages();
            assert!((most..most + 8).contains(&swept), "{swept}, not {most}");
        }
    });
}

#[test]
fn what_comes_on_the_account_while_marking_is_paid_by_the_next_run() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, shared) = (heap.stepper(), heap.owner().shared());
    heap.adjust_external(1 << 20);
    assert_eq!(shared.pace.take_unpaid(), 0, "no cycle runs");
    heap.request_cycle();
    while !shared.published.tracing() {
        let _ = stepper.collector();
    }
    heap.adjust_external(3 << 20);
    heap.adjust_external(-(1 << 20));
    assert_eq!(shared.pace.unpaid.load(Relaxed), 3 << 20, "what goes off again was there");
    shared.pace.set_ratio(0.5);
    shared.pace.credit.store(100 << 20, Relaxed);
    heap.mutator().enter(|m| _ = m.alloc([1u64; 8]));
    let paid = (100 << 20) - shared.pace.credit.load(Relaxed);
    assert!((3 << 19..(3 << 19) + (64 << 10)).contains(&paid), "{paid}");
    run(&mut stepper);
}

/// A handshake of many takes as long as there are mutators: the collector's thread asks it.
#[test]
fn a_safepoint_takes_no_step_that_asks_many() {
    for (mutators, takes) in [(2, true), (64, false)] {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let shared = heap.owner().shared();
        let _parked: Vec<_> = (0..mutators).map(|_| heap.mutator()).collect();
        heap.request_cycle();
        let mut collector = shared.lock_collector();
        let _ = collector.step(shared);
        assert_eq!(shared.published.phase(), crate::cycle::Phase::Prepare);
        let _ = collector.advance(shared);
        let is_further = shared.published.phase() == crate::cycle::Phase::Mark;
        assert_eq!(is_further, takes, "{mutators} mutators");
        drop(collector);
        run(&mut heap.stepper());
    }
}

#[test]
fn sweeping_waits_for_nobody_who_waits_and_under_no_limit() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let shared = heap.owner().shared();
    assert!(shared.sweep_can_wait());
    heap.set_memory_limit(Some(1 << 30)).expect("a limit");
    assert!(!shared.sweep_can_wait());
    heap.set_memory_limit(None).expect("no limit");
    assert!(shared.sweep_can_wait());
    shared.driver.request_full(shared);
    assert!(!shared.sweep_can_wait());
    run(&mut heap.stepper());
    assert!(shared.sweep_can_wait());
    let limited = Heap::builder().driver(Driver::Stepping).hard_limit(1 << 30).build().expect("a heap");
    assert!(!limited.owner().shared().sweep_can_wait());
}
