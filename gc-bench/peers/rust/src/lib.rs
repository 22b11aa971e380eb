//! What the peers have in common: `Box` on mimalloc or an arena in the place of the heap, and gc-bench's own
//! parameters, checks and report. Every peer runs on one thread and prints the JSON object of gc-bench.
#![forbid(unsafe_code)]

use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::machine;
use greyset_bench::report::Report;
use serde_json::{Map, Value};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[global_allocator]
static MALLOC: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where the nodes of a tree come from.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// `Box` on mimalloc: malloc and free.
    Box,
    /// A bumpalo arena, freed whole.
    Bumpalo,
}

/// The clocks of a measured span.
pub struct Clock {
    at: Instant,
    cpu: Duration,
}

impl Clock {
    /// The span begins.
    pub fn start() -> Clock {
        Clock { at: Instant::now(), cpu: machine::cpu_time() }
    }

    /// Time on the clock and CPU time since it began.
    pub fn elapsed(&self) -> (Duration, Duration) {
        (self.at.elapsed(), machine::cpu_time() - self.cpu)
    }
}

/// Prints the report of a span that ends now; a failed check is one line and exit code 1.
pub fn report(
    workload: &str,
    params: Map<String, Value>,
    clock: &Clock,
    outcome: impl FnOnce() -> Result<Outcome, Failure>,
) -> ExitCode {
    let (wall, cpu) = clock.elapsed();
    match outcome() {
        Ok(outcome) => {
            let report =
                Report::without_heap(workload, params, wall.as_secs_f64(), cpu.as_secs_f64(), &outcome);
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
