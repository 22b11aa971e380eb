//! Every schedule of a tiny program with at most a few switches that nothing forces.
//!
//! A schedule is its list of switches. Those with n + 1 are made from each with n by one more, later than all of them: at any
//! step, to any task that has not ended. All with none come first, then all with one, and so on.

use crate::campaign::{Campaign, Found};
use crate::generate;
use crate::record::Record;
use crate::run;
use crate::sched::{Kind, Switch};
use crate::strategy::{Strategy, Watch};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Switches that nothing forces, at most.
const MOST: usize = 3;

/// Runs up to as many schedules as there are seeds, of the program that the first seed gives.
pub fn run(campaign: &Campaign, schedules: &AtomicU64, steps: &AtomicU64) -> Option<Found> {
    let program = generate::generate_tiny(campaign.from, campaign.mutators);
    let mut list: VecDeque<Vec<Switch>> = VecDeque::from([Vec::new()]);
    while let Some(switches) = list.pop_front() {
        if schedules.load(Ordering::Relaxed) >= campaign.seeds {
            return None;
        }
        let points = Rc::new(RefCell::new(Vec::new()));
        let strategy = Strategy::watch(&switches, Rc::clone(&points));
        let report = run::run(&program, strategy, campaign.fault, false);
        schedules.fetch_add(1, Ordering::Relaxed);
        steps.fetch_add(report.steps, Ordering::Relaxed);
        if let Some(failure) = report.failure.clone() {
            let record = Record::new(campaign.from, campaign.fault, program, &report);
            return Some(Found { record, failure });
        }
        if switches.len() < MOST && list.len() as u64 <= campaign.seeds {
            list.extend(longer(&switches, &points.borrow()));
        }
    }
    None
}

/// One switch more, later than all there are.
fn longer(switches: &[Switch], points: &[Watch]) -> Vec<Vec<Switch>> {
    let taken = |watch: &Watch| switches.iter().any(|s| s.task == watch.task && s.at == watch.at);
    let after = points.iter().rposition(taken).map_or(0, |at| at + 1);
    let later = points[after..].iter().filter(|watch| watch.kind == Kind::Point);
    let each = later.flat_map(|watch| {
        let others = (1..=watch.tasks).filter(|&to| to != watch.task);
        others.map(|to| Switch { task: watch.task, at: watch.at, to })
    });
    each.map(|switch| switches.iter().copied().chain([switch]).collect()).collect()
}
