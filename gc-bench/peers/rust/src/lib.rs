//! The peers written in Rust: other memory managers in the place of the heap, and gc-bench's own parameters, checks and
//! report. Every peer runs on one thread and prints the JSON object of gc-bench. There is one program for each global
//! allocator, under `bin/`; what allocates is said by `--memory`.
#![forbid(unsafe_code)]

mod alloc;
mod binary_trees;
mod churn;
mod gcbench;
mod heaps;
mod queue;
mod swaps;

use clap::Parser;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::output::Output;
use greyset_bench::report::Report;
use greyset_bench::workloads::Workload;
use greyset_bench::{latency, machine};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A workload of gc-bench with another memory manager.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    workload: Workload,
    /// Where the objects come from.
    #[arg(long, global = true, value_enum, default_value_t = Memory::Box)]
    memory: Memory,
    /// Also write the distribution of operation times to FILE: nanoseconds, tab, count.
    #[arg(long, global = true, value_name = "FILE")]
    latencies: Option<PathBuf>,
}

/// Where the objects of a workload come from.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// `Box`: malloc and free.
    Box,
    /// `Rc`: malloc, free and a count in every object.
    Rc,
    /// A bumpalo arena, freed whole: what allocation costs where nothing is ever looked for.
    Bumpalo,
    /// gc-arena: incremental marking and sweeping, on one thread.
    GcArena,
    /// boa_gc: marking and sweeping with everything stopped, on one thread.
    BoaGc,
    /// dumpster: reference counts, and a search for cycles.
    Dumpster,
    /// Plain atomic words in the place of references.
    Atomic,
    /// Threads in the place of heaps.
    Thread,
}

/// The clocks of the measured span.
struct Clock {
    began: Option<(Instant, Duration)>,
    took: (Duration, Duration),
}

impl Clock {
    /// The span begins.
    fn start(&mut self) {
        self.began = Some((Instant::now(), machine::cpu_time()));
    }

    /// The span ends.
    fn stop(&mut self) {
        if let Some((at, cpu)) = self.began {
            self.took = (at.elapsed(), machine::cpu_time() - cpu);
        }
    }
}

/// Runs one workload and prints its report; a failure is one line and gc-bench's exit code for it.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match report(&cli) {
        Ok(report) => {
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn report(cli: &Cli) -> Result<Report, Failure> {
    let mut clock = Clock { began: None, took: Default::default() };
    let latencies = cli.latencies.as_deref().map(|path| Output::open(path, None)).transpose()?;
    let outcome = cli.run(&mut clock)?;
    if let (Some(output), Some(times)) = (latencies, &outcome.op_times) {
        latency::write_buckets(times, output)?;
    }
    let (wall, cpu) = clock.took;
    let (name, parameters) = (cli.workload.name(), cli.workload.parameters());
    Ok(Report::without_heap(name, parameters, wall.as_secs_f64(), cpu.as_secs_f64(), &outcome))
}

impl Cli {
    fn run(&self, clock: &mut Clock) -> Result<Outcome, Failure> {
        match (&self.workload, self.memory) {
            (Workload::BinaryTrees(params), memory) => binary_trees::run(params, memory, clock),
            (Workload::Gcbench(_), memory) => gcbench::run(memory, clock),
            (Workload::Alloc(params), memory) => alloc::run(params, memory, clock),
            (Workload::Churn(params), Memory::Box) => churn::run(params, clock),
            (Workload::Queue(params), Memory::Box) => queue::run(params, clock),
            (Workload::Swaps(params), Memory::Atomic) => swaps::run(params, clock),
            (Workload::Heaps(params), Memory::Thread) => heaps::run(params, clock),
            (workload, memory) => Err(unknown(workload.name(), memory)),
        }
    }
}

fn unknown(workload: &str, memory: Memory) -> Failure {
    Failure::Usage(format!("there is no {workload} with --memory {memory:?}"))
}
