//! `soak`: threads work on one graph for as long as wanted, in a heap that works harder than it must, and check everything they
//! meet.
//!
//! Prints a line a minute and one at the end: cycles, objects verified, failures. What the verifier finds ends the process with
//! a report; a thread that finds something panics, is counted as a failure, and the exit status is 1.

use clap::Parser;
use greyset::{Heap, ZealReport};
use greyset_tests::graph::World;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// Works on a shared graph under zeal.
#[derive(Parser)]
struct Arguments {
    /// How long, in seconds.
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
    /// Threads, each with a mutator.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    mutators: u64,
    /// Modes, as in GREYSET_ZEAL, which goes before.
    #[arg(long, default_value = "continuous,verify")]
    zeal: String,
    /// The seed of the threads' random steps.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn line(heap: &Heap, zeal: &ZealReport, began: Instant, failures: usize) {
    let (stats, seconds) = (heap.stats(), began.elapsed().as_secs());
    println!(
        "{seconds:>6} s  {} cycles  {} verified  {} objects verified  {} objects allocated  {} KiB at most  {failures} failures",
        stats.cycles,
        zeal.verifications,
        zeal.objects_verified,
        stats.allocated_objects,
        stats.peak_bytes >> 10
    );
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Arguments { seconds, mutators, zeal, seed } = Arguments::parse();
    let builder = Heap::builder().min_heap(256 << 10).workers(2).set("zeal", &zeal)?;
    let heap = builder.build()?;
    let report = || heap.zeal().unwrap_or_default();
    println!("{} mutators, {seconds} s, {}", mutators, report().variable);
    let began = Instant::now();
    let ends = began + Duration::from_secs(seconds);
    let world = World::new(heap.clone());
    let failures = thread::scope(|scope| {
        let threads: Vec<_> = (0..mutators)
            .map(|number| {
                let world = &world;
                scope.spawn(move || world.work(seed + number, usize::MAX, || Instant::now() < ends))
            })
            .collect();
        loop {
            thread::sleep(Duration::from_secs(60).min(ends.saturating_duration_since(Instant::now())));
            // Nobody leaves before the time is up but by a panic.
            let left = threads.iter().filter(|thread| thread.is_finished()).count();
            if Instant::now() >= ends {
                break;
            }
            line(&heap, &report(), began, left);
        }
        threads.into_iter().map(|thread| thread.join()).filter(Result::is_err).count()
    });
    if failures != 0 {
        line(&heap, &report(), began, failures);
        return Ok(ExitCode::FAILURE);
    }
    let tally = world.wind_up(1);
    line(&heap, &report(), began, failures);
    println!("{} nodes made, all dropped\n{}", tally.made.load(Ordering::Relaxed), report());
    Ok(ExitCode::SUCCESS)
}
