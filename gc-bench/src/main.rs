//! The benchmark program: `gc-bench run WORKLOAD`, `gc-bench list`, or alone for the tour.
use std::process::ExitCode;

fn main() -> ExitCode {
    greyset_bench::cli::main()
}
