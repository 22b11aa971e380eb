//! Zeal: every mode does what it is for, counted by the heap, and seen from outside where that is possible.
//!
//! These heaps take no notice of `GREYSET_ZEAL`: each test is about its own mode.

mod allocation;
mod collector;
mod handles;
mod memory;

use greyset::{Driver, Heap, StepOutcome, Stepper, Zeal, ZealReport};
use greyset_tests::common::make_list;

/// A heap with these modes.
pub fn heap(driver: Driver, modes: &[Zeal]) -> Heap {
    let builder = Heap::builder().ignore_environment().driver(driver).gogc_off();
    builder.zeal(modes.iter().copied()).build().expect("a heap")
}

/// What its modes have done.
pub fn report(heap: &Heap) -> ZealReport {
    heap.zeal().expect("zeal")
}

/// Steps into a phase; every mutator is parked.
pub fn step_to(stepper: &mut Stepper, phase: &str) {
    stepper.request();
    while stepper.phase() != phase {
        assert_ne!(stepper.step_any(), StepOutcome::Idle, "on the way to {phase}");
    }
}

/// Steps until tracing is open and nothing has been marked yet; every mutator is parked.
pub fn step_to_tracing(stepper: &mut Stepper) {
    stepper.request();
    while stepper.collector() != StepOutcome::AwaitMarkers {}
    assert_eq!(stepper.phase(), "mark");
}

#[test]
fn a_heap_without_zeal_has_no_report() {
    let heap = heap(Driver::Inline, &[]);
    heap.mutator().enter(|m| m.collect());
    assert_eq!(heap.zeal(), None);
}

#[test]
fn the_report_says_how_to_do_it_again() {
    let heap = heap(Driver::Inline, &[Zeal::AllocRandom(7), Zeal::Seed(5), Zeal::Poison]);
    heap.mutator().enter(|m| _ = make_list(m, 10));
    let report = report(&heap);
    assert_eq!((report.variable.as_str(), report.seed), ("GREYSET_ZEAL=alloc:r7,poison,seed:5", 5));
    let text = report.to_string();
    assert!(
        text.starts_with("GREYSET_ZEAL=alloc:r7,poison,seed:5\n            10 allocations seen\n"),
        "{text}"
    );
    assert!(!text.contains("jitters"), "what was not asked for is not listed: {text}");
}

#[test]
fn what_cannot_be_read_is_an_error_that_says_what_can() {
    for (text, wanted) in [
        (
            "poison,allocc:3",
            "zeal cannot be \"allocc:3\": write modes separated by commas: alloc:N, alloc:rN, every-safepoint",
        ),
        ("alloc:0", "zeal cannot be \"alloc:0\": write alloc:N or alloc:rN with N from 1 to 4294967295"),
        (
            "no-assist,assist-all",
            "zeal cannot be \"no-assist,assist-all\": write only one of no-assist and assist-all",
        ),
    ] {
        let built = Heap::builder().ignore_environment().set("zeal", text).map(|builder| builder.build());
        let error = match built {
            Err(error) => error.to_string(),
            Ok(built) => built.expect_err("it cannot be").to_string(),
        };
        assert!(error.starts_with(wanted), "{error}");
    }
    let error = Heap::builder().ignore_environment().zeal([Zeal::Slices(0)]).build().expect_err("no slice");
    assert!(error.to_string().starts_with("zeal cannot be \"slices:0\": write modes"), "{error}");
}
