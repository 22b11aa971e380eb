//! `heaps` with threads: the dearest thing to begin and to end that everybody knows.
use crate::Clock;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::latency::OpTimes;
use greyset_bench::workloads::heaps::{Params, check, threads};

pub fn run(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    let ops = params.heaps as u64;
    clock.start();
    let mut times = OpTimes::start();
    threads(ops, || _ = times.lap())?;
    clock.stop();
    Ok(Outcome { ops, check: check(ops), op_times: Some(times.into_histogram()), notes: vec![] })
}
