//! The command `gc-sim`.

use clap::{Parser, Subcommand};
use greyset_sim::campaign::{self, Campaign, Found};
use greyset_sim::record::{Record, StrategyName, on_a_thread};
use greyset_sim::{shrink, story};
use greyset_sync::Fault;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Deterministic simulation of the greyset collector.
#[derive(Parser)]
#[command(name = "gc-sim", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs programs and schedules made from seeds; stops at the first failure, writes its replay file and exits with 1.
    Run {
        /// How many seeds (for `exhaustive`: how many schedules at most).
        #[arg(long, value_name = "N")]
        seeds: u64,
        /// The first seed.
        #[arg(long, value_name = "SEED", default_value_t = 0)]
        from: u64,
        /// Mutators, 1 to 4; without it, it varies.
        #[arg(long, value_name = "1..4", value_parser = clap::value_parser!(u8).range(1..=4))]
        mutators: Option<u8>,
        /// How schedules are chosen: random, pct, hold, exhaustive; without it, the first three in turn.
        #[arg(long, value_name = "STRATEGY")]
        strategy: Option<StrategyName>,
        /// A rule to break; see `gc-sim faults`.
        #[arg(long, value_name = "NAME", value_parser = fault)]
        fault: Option<Fault>,
        /// Threads that run schedules side by side.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
        jobs: u8,
        /// Where the replay file goes.
        #[arg(long, value_name = "FILE", default_value = "gc-sim-failure.json")]
        out: PathBuf,
    },
    /// Repeats a recorded run and tells its story; exits with 1 if it fails as recorded.
    Replay {
        /// A file written by `run` or `shrink`.
        file: PathBuf,
        /// Every choice point, not only what changes something.
        #[arg(long)]
        full: bool,
    },
    /// Shrinks a recorded failure to a small program and schedule, and prints its story and a Rust test.
    Shrink {
        /// A file written by `run`.
        file: PathBuf,
        /// Where the smaller file goes; without it, beside the first with `.small` before the ending.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Lists the faults: name, then what it breaks.
    Faults {
        /// Breaks each rule in turn and prints a table: seeds until found, length of the shrunk story. Exits with 1 if one is
        /// not found.
        #[arg(long)]
        find: bool,
        /// Seeds tried for each at most.
        #[arg(long, value_name = "N", default_value_t = 100_000)]
        seeds: u64,
        /// Only those whose name contains this.
        #[arg(long, value_name = "PART", default_value = "")]
        only: String,
        /// Faults looked for side by side.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
        jobs: u8,
    },
}

/// Seeds tried for a fault that does no harm.
const HARMLESS: u64 = 2000;

fn fault(name: &str) -> Result<Fault, String> {
    let found = Fault::ALL.iter().find(|fault| fault.name() == name);
    found.copied().ok_or_else(|| "no such fault: `gc-sim faults` lists them".to_owned())
}

fn main() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gc-sim: {error}");
            ExitCode::from(2)
        }
    }
}

fn command(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Run { seeds, from, mutators, strategy, fault, jobs, out } => {
            let mutators = usize::from(mutators.unwrap_or(0));
            let campaign = Campaign { from, seeds, mutators, strategy, fault, jobs: usize::from(jobs) };
            run(&campaign, &out)
        }
        Command::Replay { file, full } => replay(&file, full),
        Command::Shrink { file, out } => shrink_file(&file, out),
        Command::Faults { find: true, seeds, only, jobs } => find_all(seeds, &only, usize::from(jobs)),
        Command::Faults { only, .. } => {
            for fault in Fault::ALL.iter().filter(|fault| fault.name().contains(&only)) {
                println!("{}  {}", fault.name(), fault.what());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run(campaign: &Campaign, out: &Path) -> Result<ExitCode, String> {
    let result = campaign::run(campaign);
    eprintln!("{}", result.rate());
    let Some(Found { record, failure, .. }) = result.found else {
        println!("{} schedules passed", result.schedules);
        return Ok(ExitCode::SUCCESS);
    };
    record.save(out)?;
    println!("seed {} fails: {failure}", record.seed);
    println!("replay file: {}; `gc-sim shrink {}` makes it small", out.display(), out.display());
    Ok(ExitCode::FAILURE)
}

fn replay(file: &Path, full: bool) -> Result<ExitCode, String> {
    let record = Record::load(file)?;
    let report = record.replay();
    print!("{}", story::tell(&report, full));
    match report.failure {
        Some(failure) => {
            let same = story::kind(&failure) == story::kind(&record.failure);
            println!(
                "{}",
                if same { "the run fails as recorded" } else { "the run fails, but not as recorded" }
            );
            Ok(ExitCode::FAILURE)
        }
        None => {
            println!("the run passes");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn shrink_file(file: &Path, out: Option<PathBuf>) -> Result<ExitCode, String> {
    let record = Record::load(file)?;
    let Some(small) = shrink::shrink(&record) else {
        return Err(format!("{}: this run does not fail", file.display()));
    };
    let out = out.unwrap_or_else(|| file.with_extension("small.json"));
    small.save(&out)?;
    let report = small.replay();
    print!("{}", story::tell(&report, false));
    println!("\n{}", story::rust_test(&small));
    println!(
        "{} operations, {} switches; written to {}",
        small.operations(),
        small.switches.len(),
        out.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn find_all(seeds: u64, only: &str, jobs: usize) -> Result<ExitCode, String> {
    let faults: Vec<Fault> = Fault::ALL.iter().copied().filter(|fault| fault.name().contains(only)).collect();
    let (next, missed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    println!("| fault | seeds until found | story | found as |\n| --- | --: | --: | --- |");
    let work = || {
        while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (row, is_missed) = find(fault, seeds);
            missed.fetch_add(usize::from(is_missed), Ordering::Relaxed);
            println!("| {} | {row} |", fault.name());
        }
    };
    std::thread::scope(|scope| (0..jobs).for_each(|_| drop(scope.spawn(work))));
    Ok(if missed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rest of a fault's row, and whether it should have been found and was not.
fn find(fault: Fault, seeds: u64) -> (String, bool) {
    let seeds = if fault.harmless().is_some() { seeds.min(HARMLESS) } else { seeds };
    let campaign = Campaign { from: 0, seeds, mutators: 0, strategy: None, fault: Some(fault), jobs: 1 };
    let result = on_a_thread(|| campaign::run(&campaign));
    match (&result.found, fault.harmless()) {
        (Some(found), _) => {
            let kind = story::kind(&found.failure);
            let healthy = Record { fault: None, ..found.record.clone() };
            if healthy.repeat(false).failure.is_some() {
                return (
                    format!("{} | | **fails without the fault, too**: {kind}", found.record.seed + 1),
                    true,
                );
            }
            // What ends in a panic of the heap has broken the heap's own tables: its neighbours may take the process along.
            let small = if kind.starts_with("panic") { None } else { shrink::shrink(&found.record) };
            let lines = small.map_or("–".to_owned(), |small| story::length(&small.replay()).to_string());
            (format!("{} | {lines} | {kind}", found.record.seed + 1), false)
        }
        (None, Some(why)) => (format!("none in {seeds} |  | harmless: {why}"), false),
        (None, None) => (format!("**none in {seeds}** |  | not found"), true),
    }
}
