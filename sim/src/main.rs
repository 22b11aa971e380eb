//! The command `gc-sim`.

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use greyset_sim::campaign::{self, Campaign, Found};
use greyset_sim::output::{complain, emit};
use greyset_sim::record::{Record, StrategyName};
use greyset_sim::{finder, shrink, story, trap};
use greyset_sync::Fault;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The largest seed, and the most of them: twice that is a number, too.
const MOST: u64 = 1 << 62;

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
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
        seeds: u64,
        /// The first seed.
        #[arg(long, value_name = "SEED", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MOST))]
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
        /// Writes the replay file of one run there, whether it passes or fails; with --seeds 1.
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        record: Option<PathBuf>,
    },
    /// Repeats a recorded run and tells its story; exits with 0 if it passes and with 1 if it fails.
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
        #[arg(long, value_name = "N", default_value_t = 100_000, requires = "find")]
        #[arg(value_parser = clap::value_parser!(u64).range(1..=MOST))]
        seeds: u64,
        /// Only those whose name contains this.
        #[arg(long, value_name = "PART", default_value = "")]
        only: String,
        /// Faults looked for side by side.
        #[arg(long, value_name = "N", default_value_t = 1, requires = "find", value_parser = clap::value_parser!(u8).range(1..=64))]
        jobs: u8,
    },
    /// One row of that table, for the command that makes it.
    #[command(hide = true)]
    FindFault {
        /// Its name.
        #[arg(value_parser = fault)]
        fault: Fault,
        /// Seeds tried at most.
        seeds: u64,
    },
}

fn fault(name: &str) -> Result<Fault, String> {
    let found = Fault::ALL.iter().find(|fault| fault.name() == name);
    found.copied().ok_or_else(|| "no such fault: `gc-sim faults` lists them".to_owned())
}

fn main() -> ExitCode {
    trap::install();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match command(cli.command) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::from(2)
        }
    }
}

/// Help and version go to standard output; anything else is the first paragraph of clap's error, on one line.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            emit(&text);
            return ExitCode::SUCCESS;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            complain("name a command: gc-sim --help lists them")
        }
        _ => {
            let paragraph = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
            let line = paragraph.collect::<Vec<_>>().join(" ");
            complain(line.strip_prefix("error: ").unwrap_or(&line));
        }
    }
    ExitCode::from(2)
}

fn command(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Run { seeds, from, mutators, strategy, fault, jobs, out, record: file } => {
            let mutators = usize::from(mutators.unwrap_or(0));
            if strategy == Some(StrategyName::Exhaustive) && jobs > 1 {
                return Err(
                    "exhaustive goes through its schedules on one thread: leave out --jobs".to_owned()
                );
            }
            let campaign = Campaign { from, seeds, mutators, strategy, fault, jobs: usize::from(jobs) };
            let Some(file) = file else { return run(&campaign, &out) };
            if seeds != 1 || strategy == Some(StrategyName::Exhaustive) {
                return Err(
                    "--record writes down the run of one seed: say --seeds 1, and a strategy for seeds"
                        .to_owned(),
                );
            }
            record(&campaign, &file)
        }
        Command::Replay { file, full } => replay(&file, full),
        Command::Shrink { file, out } => shrink_file(&file, out),
        Command::Faults { find: true, seeds, only, jobs } => {
            let all = finder::find_all(seeds, &only, usize::from(jobs))?;
            Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::FindFault { fault, seeds } => {
            finder::find(fault, seeds);
            Ok(ExitCode::SUCCESS)
        }
        Command::Faults { only, .. } => {
            let chosen = Fault::ALL.iter().filter(|fault| fault.name().contains(&only));
            let lines =
                chosen.map(|fault| format!("{}  {}\n", fault.name(), fault.what())).collect::<String>();
            if lines.is_empty() {
                return Err(format!("no fault's name contains {only:?}: `gc-sim faults` lists them"));
            }
            emit(&lines);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run(campaign: &Campaign, out: &Path) -> Result<ExitCode, String> {
    let result = campaign::run(campaign);
    complain(&result.rate());
    let Some(Found { record, failure, .. }) = result.found else {
        emit(&format!("{} schedules passed\n", result.schedules));
        return Ok(ExitCode::SUCCESS);
    };
    // First what was found: it must not be lost with a file that cannot be written.
    emit(&format!("seed {} fails: {failure}\n", record.seed));
    match record.save(out) {
        Ok(()) => {
            let file = out.display();
            emit(&format!("replay file: {file}; `gc-sim shrink {file}` makes it small\n"));
        }
        Err(error) => complain(&format!("no replay file: {error}")),
    }
    Ok(ExitCode::FAILURE)
}

/// Runs one seed and writes its replay file.
fn record(campaign: &Campaign, file: &Path) -> Result<ExitCode, String> {
    let record = campaign::record(campaign);
    let passes = record.failure.is_empty();
    let what = if passes { "passes".to_owned() } else { format!("fails: {}", record.failure) };
    emit(&format!("seed {} {what}\n", record.seed));
    record.save(file)?;
    emit(&format!("replay file: {}\n", file.display()));
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn replay(file: &Path, full: bool) -> Result<ExitCode, String> {
    let record = Record::load(file)?;
    let report = record.replay();
    emit(&story::tell(&report, full));
    match report.failure {
        Some(failure) => {
            let same = story::kind(&failure) == story::kind(&record.failure);
            emit(match same {
                true => "the run fails as recorded\n",
                false if record.failure.is_empty() => "the run fails, but it is recorded as passing\n",
                false => "the run fails, but not as recorded\n",
            });
            Ok(ExitCode::FAILURE)
        }
        None => {
            let same = record.failure.is_empty();
            emit(if same {
                "the run passes as recorded\n"
            } else {
                "the run passes, but it is recorded as failing\n"
            });
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
    emit(&format!(
        "{}\n{}\n{} operations, {} switches; written to {}\n",
        story::tell(&report, false),
        story::rust_test(&small),
        small.operations(),
        small.switches.len(),
        out.display()
    ));
    Ok(ExitCode::SUCCESS)
}
