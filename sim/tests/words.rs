//! Words: the barrier of `WordSlot` is code of its own, and each of its rules is missed when it is broken.

use greyset_sim::program::{Op, Program};
use greyset_sim::record::{Record, on_a_thread};
use greyset_sim::rng::Rng;
use greyset_sim::scenario::{self, Scenario};
use greyset_sim::{campaign, run, story};
use greyset_sync::Fault;

/// A program that writes words and no slots.
fn program(seed: u64) -> Program {
    let program = scenario::generate(&mut Rng::new(seed), Scenario::Words, 0);
    let of_slots = |op: &Op| matches!(op, Op::Store { .. } | Op::Hide { .. } | Op::Cut { .. });
    assert!(!program.mutators.iter().chain([&program.setup]).flatten().any(of_slots));
    program
}

fn find(fault: Fault) -> Option<Record> {
    on_a_thread(|| {
        (0..20_000).find_map(|seed| {
            let program = program(seed);
            let strategy = campaign::strategy(None, seed, &program);
            let report = run::run(&program, strategy, Some(fault), false);
            report.failure.is_some().then(|| Record::new(seed, Some(fault), program, &report))
        })
    })
}

#[test]
fn every_rule_of_a_slot_write_is_a_rule_of_words() {
    for fault in [
        Fault::NoInsertionShade,
        Fault::NoOldShadeInBoth,
        Fault::NoDeletionShade,
        Fault::LoadThenStore,
        Fault::LoadThenStoreInBoth,
        Fault::ExchangeUnshaded,
    ] {
        let found = find(fault).unwrap_or_else(|| panic!("{} is not found", fault.name()));
        println!("{}: seed {}", fault.name(), found.seed);
        let healthy = Record { fault: None, ..found };
        assert_eq!(healthy.repeat(false).failure, None, "{}", fault.name());
    }
}

#[test]
fn stories_tell_what_is_written_to_words() {
    let found = find(Fault::NoDeletionShade).expect("a lost object");
    let text = story::tell(&found.replay(), false);
    for part in ["WordTake { c: 0, i: 0", "words", "old node", "new the number", "FAILURE"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
