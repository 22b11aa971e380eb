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
