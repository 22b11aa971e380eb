//! A `trace` that panics now and then: in a marker, which gives the cycle up, or in a mutator that captures a cell.

use greyset_sim::campaign::{self, Campaign};
use greyset_sim::record::{Record, on_a_thread};
use greyset_sim::rng::Rng;
use greyset_sim::scenario::{self, Scenario};
use greyset_sim::{run, story};
use greyset_sync::Fault;

fn stories(seeds: u64) -> Vec<String> {
    on_a_thread(|| {
        let one = |seed| {
            let program = scenario::generate(&mut Rng::new(seed), Scenario::Fused, 0);
            let report = run::run(&program, campaign::strategy(None, seed, &program), None, true);
            assert_eq!(report.failure, None, "seed {seed}");
            story::tell(&report, false)
        };
        (0..seeds).map(one).collect()
    })
}

/// Markers and mutators meet panics, and cycles are given up: all of it passes.
#[test]
fn a_cycle_that_is_given_up_frees_nothing() {
    let all = stories(400);
    let count = |part: &str| all.iter().filter(|story| story.contains(part)).count();
    assert!(count("the trace of cell") > 10, "outside of the lock: {}", count("the trace of cell"));
    let inside = "the trace of what is behind the lock";
    assert!(count(inside) > 10, "behind the lock: {}", count(inside));
    let ended = "the operation has ended with the panic of a trace";
    assert!(count(ended) > 10, "in a mutator: {}", count(ended));
    assert!(count("gives the cycle up") > 10, "given up: {}", count("gives the cycle up"));
}

fn find(fault: Fault) -> Record {
    let campaign =
        Campaign { from: 0, seeds: 5000, mutators: 0, strategy: None, fault: Some(fault), jobs: 1 };
    let record = campaign::run(&campaign).found.expect("a lost object").record;
    assert_eq!(Record { fault: None, ..record.clone() }.repeat(false).failure, None);
    record
}

/// A mutator has the lock when the marker comes by, and the trace panics with which it would capture what is behind it: only the
/// marker's second look finds that.
#[test]
fn what_was_put_off_is_lost_if_it_is_not_scanned_again() {
    let text = story::tell(&find(Fault::DeferredNotRetried).replay(), false);
    assert!(text.contains("the operation has ended with the panic of a trace"), "{text}");
    assert!(!text.contains("gives the cycle up"), "{text}");
}

#[test]
fn a_cycle_that_is_not_given_up_loses_what_could_not_be_traced() {
    let text = story::tell(&find(Fault::TracePanicIgnored).replay(), false);
    assert!(text.contains("the trace of"), "{text}");
}
