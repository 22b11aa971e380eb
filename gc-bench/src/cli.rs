//! The command line: a command (`run`, `compare`, `scale`, `list` and those of the laboratory), or nothing for the tour. Every error is one line and an exit code.
use crate::bench::{Bench, quiet_panics};
use crate::compare::Compare;
use crate::failure::Failure;
use crate::lab::budget::SharedBudget;
use crate::lab::limits::Limits;
use crate::lab::pacers::Pacers;
use crate::lab::record::Record;
use crate::lab::replay::Replay;
use crate::lab::shrink::Shrink;
use crate::lab::simulate::Simulate;
use crate::lab::tune::Tune;
use crate::latency;
use crate::machine;
use crate::options::Common;
use crate::output::emit;
use crate::scale::Scale;
use crate::tour::{self, TourOptions};
use crate::workloads::Workload;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use comfy_table::{Table, presets};
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Measures greyset: without a command a tour of all workloads, about a minute long, that ends in a report page.
#[derive(Parser)]
#[command(name = "gc-bench", version, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true, disable_help_flag = true)]
struct Cli {
    /// Print help.
    #[arg(short, long, global = true, action = ArgAction::HelpShort)]
    help: Option<bool>,
    #[command(flatten)]
    tour: TourOptions,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs one workload and reports on it.
    Run(Run),
    /// Runs the workloads beside the same programs on other memory managers: tables, and a page with plots.
    Compare(Compare),
    /// Lists the workloads and their parameters.
    List,
    /// Runs a described program through the pacer: what every cycle would do.
    Simulate(Simulate),
    /// Runs described programs, or workloads, with both pacers and compares them.
    Pacers(Pacers),
    /// Runs several heaps under one budget, and under equal parts of it.
    Budget(SharedBudget),
    /// Lets live data grow past the soft limit, then to the hard one, and get small again.
    Limits(Limits),
    /// Builds what is large (mutators, roots, live data, a list, an array), collects it, and checks that it is whole.
    Scale(Scale),
    /// Lets a heap get small after a peak, and watches how it gives memory back.
    Shrink(Shrink),
    /// Runs one workload and records what the pacer sees of it, for `replay` and `tune`.
    Record(Record),
    /// Predicts what a recorded program would cost with other settings.
    Replay(Replay),
    /// Searches for settings that meet an objective, for a recording or a workload.
    Tune(Box<Tune>),
}

#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
struct Run {
    #[command(subcommand)]
    workload: Workload,
    #[command(flatten)]
    common: Common,
}

/// Runs the program: exit code 0 if all went well, 1 if a check failed or a run could not be finished, 2 for arguments
/// or input that cannot be used.
pub fn main() -> ExitCode {
    let cli = match parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    quiet_panics();
    let done = match cli.command {
        None => tour::run(&cli.tour),
        Some(Command::List) => emit(&list()),
        Some(Command::Run(run)) => run.carry_out(),
        Some(Command::Compare(compare)) => compare.carry_out(),
        Some(Command::Simulate(simulate)) => simulate.carry_out(),
        Some(Command::Pacers(pacers)) => pacers.carry_out(),
        Some(Command::Budget(budget)) => budget.carry_out(),
        Some(Command::Limits(limits)) => limits.carry_out(),
        Some(Command::Scale(scale)) => scale.carry_out(),
        Some(Command::Shrink(shrink)) => shrink.carry_out(),
        Some(Command::Record(record)) => record.carry_out(),
        Some(Command::Replay(replay)) => replay.carry_out(),
        Some(Command::Tune(tune)) => tune.carry_out(),
    };
    exit_code(done)
}

/// The exit code of what was done; a failure is told.
fn exit_code(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Run {
    fn carry_out(&self) -> Result<(), Failure> {
        let latencies = latency::file(&self.workload, &self.common)?;
        let mut bench = Bench::new(&self.common)?;
        machine::reset_peak_rss();
        let (report, outcome) = self.workload.report_on(&mut bench, &self.common)?;
        if let (Some(output), Some(times)) = (latencies, &outcome.op_times) {
            latency::write_buckets(times, output)?;
        }
        emit(&if self.common.json { report.json() + "\n" } else { report.text(&outcome.notes) })
    }
}

fn parse(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&with_negatives(Cli::command()).try_get_matches_from(args)?)
}

/// `--gogc -1` is a wrong value of `--gogc`, and no option that nobody knows.
fn with_negatives(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| match arg.get_action().takes_values() {
            true => arg.allow_negative_numbers(true),
            false => arg,
        })
        .mut_subcommands(with_negatives)
}

/// Help and version go to standard output; anything else is the first paragraph of clap's error, on one line.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit_code(emit(&error.render().to_string())),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            complain("name a workload: gc-bench list shows them");
            ExitCode::from(2)
        }
        _ => {
            complain(&one_line(&error.render().to_string()));
            ExitCode::from(2)
        }
    }
}

/// Fails unless these words may follow `gc-bench run`.
pub fn check_run<'w>(words: impl Iterator<Item = &'w str>) -> Result<(), Failure> {
    let error = match parse(["gc-bench", "run"].into_iter().chain(words)) {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    Err(Failure::Usage(match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "name a workload: gc-bench list shows them".to_owned()
        }
        _ => one_line(&error.render().to_string()),
    }))
}

fn one_line(message: &str) -> String {
    let paragraph = message.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    let line = paragraph.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// One line on standard error.
pub fn complain(line: &str) {
    // If even standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "gc-bench: {line}");
}

/// The workloads with their parameters, from the same declarations that parse them.
fn list() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["workload", "parameters", "what"]);
    let run = cli.find_subcommand("run");
    for workload in run.into_iter().flat_map(clap::Command::get_subcommands) {
        let own = workload.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help");
        let parameters = own.map(|arg| arg.to_string()).collect::<Vec<_>>().join(" ");
        let about = workload.get_about().map(ToString::to_string).unwrap_or_default();
        table.add_row([workload.get_name(), &parameters, &about]);
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declarations_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_is_one_line() {
        let text =
            "error: invalid value 'x' for '--order <ORDER>'\n  [possible values: tree, random]\n\nUsage: …\n";
        assert_eq!(one_line(text), "invalid value 'x' for '--order <ORDER>' [possible values: tree, random]");
    }
}
