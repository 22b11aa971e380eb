//! What random seeds reach: every choice point there is, and with each strategy a broken rule.

use greyset_sim::campaign::{self, Campaign};
use greyset_sim::record::{Record, StrategyName, on_a_thread};
use greyset_sim::{generate, run};
use greyset_sync::Fault;
use std::collections::BTreeSet;

/// Names of all choice points: the enum's lines that are one word.
fn all_points() -> BTreeSet<&'static str> {
    let source = include_str!("../../alloc/sync/src/point.rs");
    let body = source.split_once("pub enum Point {").and_then(|(_, rest)| rest.split_once("\n}"));
    let lines = body.expect("the enum").0.lines().map(str::trim).filter(|line| !line.starts_with("///"));
    lines.filter(|line| !line.is_empty()).map(|line| line.strip_suffix(',').expect("a variant")).collect()
}

#[test]
fn random_seeds_reach_every_choice_point() {
    let all = all_points();
    assert!(all.len() >= 37 && all.contains("SlotLoad") && all.contains("Rest"), "{all:?}");
    let mut missing = all;
    on_a_thread(|| {
        for seed in 0..400 {
            let program = generate::generate(seed, 0, None);
            let report = run::run(&program, campaign::strategy(None, seed, &program), None, true);
            assert_eq!(report.failure, None, "seed {seed}");
            report.story.iter().for_each(|line| _ = missing.remove(&*line.text));
        }
    });
    assert!(missing.is_empty(), "not reached: {missing:?}");
}

fn find(strategy: StrategyName, from: u64, seeds: u64, fault: Fault) -> Option<Record> {
    let (strategy, fault) = (Some(strategy), Some(fault));
    let campaign = Campaign { from, seeds, mutators: 0, strategy, fault, jobs: 1 };
    let record = campaign::run(&campaign).found?.record;
    assert_eq!(Record { fault: None, ..record.clone() }.repeat(false).failure, None, "{strategy:?}");
    Some(record)
}

#[test]
fn each_strategy_of_seeds_finds_broken_rules() {
    for strategy in [StrategyName::Random, StrategyName::Pct, StrategyName::Hold] {
        for fault in [
            Fault::NoDeletionShade,
            Fault::NoInsertionShade,
            Fault::RunsNotRecoloured,
            Fault::UpgradeUnshaded,
        ] {
            assert!(find(strategy, 0, 3000, fault).is_some(), "{strategy:?}: {}", fault.name());
        }
    }
}

/// Of one tiny program each, all schedules with no switch and the first with one.
#[test]
fn going_through_schedules_finds_a_broken_rule() {
    let found = (0..40).find_map(|from| find(StrategyName::Exhaustive, from, 500, Fault::NoDeletionShade));
    assert!(found.expect("a lost object").switches.len() <= 3, "switches that nothing forces");
}
