//! Many runs: seeds, or all schedules of a tiny program.

use crate::exhaustive;
use crate::generate;
use crate::program::Program;
use crate::record::{Record, StrategyName, on_a_thread};
use crate::run;
use crate::strategy::Strategy;
use greyset_sync::Fault;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Mutators; 0: as the seed says.
    pub mutators: usize,
    /// How schedules are chosen; `None`: random walk, PCT and holding in turn.
    pub strategy: Option<StrategyName>,
    /// A rule to break.
    pub fault: Option<Fault>,
    /// Threads.
    pub jobs: usize,
}

/// A failure.
#[derive(Debug)]
pub struct Found {
    /// How to repeat it.
    pub record: Record,
    /// What went wrong.
    pub failure: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Schedules run.
    pub schedules: u64,
    /// Choice points passed.
    pub steps: u64,
    /// How long it took.
    pub time: Duration,
    /// The first failure.
    pub found: Option<Found>,
}

impl Outcome {
    /// A line about speed.
    pub fn rate(&self) -> String {
        let seconds = self.time.as_secs_f64().max(1e-9);
        let (schedules, each) = (self.schedules, self.steps / self.schedules.max(1));
        format!(
            "{schedules} schedules in {seconds:.1} s, {:.0} a second, {each} steps each",
            schedules as f64 / seconds
        )
    }
}

/// The strategy for a seed and its program.
pub fn strategy(name: Option<StrategyName>, seed: u64, program: &Program) -> Strategy {
    match name {
        Some(StrategyName::Pct) => Strategy::pct(seed),
        Some(StrategyName::Hold) => Strategy::hold(seed, program),
        None if !program.holds.is_empty() && !seed.is_multiple_of(4) => Strategy::hold(seed, program),
        None => match seed % 3 {
            0 => Strategy::random(seed),
            1 => Strategy::pct(seed),
            _ => Strategy::hold(seed, program),
        },
        Some(StrategyName::Random | StrategyName::Exhaustive) => Strategy::random(seed),
    }
}

/// Runs it.
pub fn run(campaign: &Campaign) -> Outcome {
    let began = Instant::now();
    let (schedules, steps) = (AtomicU64::new(0), AtomicU64::new(0));
    let found = if campaign.strategy == Some(StrategyName::Exhaustive) {
        on_a_thread(|| exhaustive::run(campaign, &schedules, &steps))
    } else {
        seeds(campaign, &schedules, &steps)
    };
    let time = began.elapsed();
    Outcome { schedules: schedules.into_inner(), steps: steps.into_inner(), time, found }
}

/// Seeds, dealt out to threads one by one; the failure with the lowest seed.
fn seeds(campaign: &Campaign, schedules: &AtomicU64, steps: &AtomicU64) -> Option<Found> {
    let (next, stop) = (AtomicU64::new(campaign.from), AtomicBool::new(false));
    let end = campaign.from.saturating_add(campaign.seeds);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return None;
            }
            let program = generate::generate(seed, campaign.mutators, campaign.fault);
            let strategy = strategy(campaign.strategy, seed, &program);
            let result = one(seed, program, strategy, campaign.fault, schedules, steps);
            if result.is_some() {
                stop.store(true, Ordering::Relaxed);
                return result;
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..campaign.jobs).map(|_| scope.spawn(work)).collect();
        // A thread that panicked outside of a run has passed none of the seeds that it would have had.
        let results =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        results.flatten().min_by_key(|found| found.record.seed)
    })
}

/// The run of one seed, whatever comes of it.
pub fn record(campaign: &Campaign) -> Record {
    let (seed, fault) = (campaign.from, campaign.fault);
    on_a_thread(|| {
        let program = generate::generate(seed, campaign.mutators, fault);
        let report = run::run(&program, strategy(campaign.strategy, seed, &program), fault, false);
        Record::new(seed, fault, program, &report)
    })
}

/// One run. After a failure the thread must not be used for another.
pub fn one(
    seed: u64,
    program: Program,
    strategy: Strategy,
    fault: Option<Fault>,
    schedules: &AtomicU64,
    steps: &AtomicU64,
) -> Option<Found> {
    let report = run::run(&program, strategy, fault, false);
    schedules.fetch_add(1, Ordering::Relaxed);
    steps.fetch_add(report.steps, Ordering::Relaxed);
    let failure = report.failure.clone()?;
    Some(Found { record: Record::new(seed, fault, program, &report), failure })
}
