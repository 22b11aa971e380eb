//! `heaps`: what it costs to begin with a heap and to be rid of it: each operation makes one, attaches a mutator, allocates an object,
//! reads it and drops everything. Beside it stands the time to start a thread and to wait for its end. These heaps have the default
//! settings: options are those of the bench's own, which does nothing here.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::latency::{OpTimes, merge};
use crate::options::{build, count};
use crate::units;
use greyset::{Heap, Trace};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::thread;

/// Threads started for comparison.
const THREADS: u64 = 500;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Heaps to make and to drop, over all mutators.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = count(1, 100_000_000))]
    pub heaps: usize,
}

#[derive(Trace)]
struct Object {
    number: u64,
}

/// The text that programs compare.
pub fn check(ops: u64) -> String {
    format!("{ops} begun and ended")
}

/// Starts so many threads, one after the other, and waits for each; `lap` is called after each.
///
/// # Errors
/// If one cannot be started.
pub fn threads(n: u64, mut lap: impl FnMut()) -> Result<(), Failure> {
    for number in 0..n {
        let thread = thread::Builder::new().spawn(move || number);
        let thread = thread.map_err(|e| Failure::Run(format!("cannot start a thread: {e}")))?;
        let returned = thread.join().map_err(|_| Failure::Run("a thread panicked".to_owned()))?;
        expect_eq("what the thread returned", returned, number)?;
        lap();
    }
    Ok(())
}

impl Params {
    /// Makes and drops heaps, and checks that each kept its object.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let mutators = bench.mutators();
        bench.start();
        let budget = bench.budget(Some(self.heaps as u64), 0);
        // A thread is in one heap at a time.
        let done = bench.on_each(vec![(); mutators], |m, index, ()| {
            m.blocking(|| one_by_one(budget.share(index, mutators)))
        })?;
        bench.stop();
        let (done, times): (Vec<u64>, Vec<_>) = done.into_iter().unzip();
        let ops = done.iter().sum();
        let mut beside = OpTimes::start();
        threads(THREADS, || _ = beside.lap())?;
        let median = units::nanos(beside.into_histogram().value_at_quantile(0.5));
        let notes = vec![format!("a thread is started and waited for in {median} (median of {THREADS})")];
        Ok(Outcome { ops, check: check(ops), op_times: Some(merge(times)), notes })
    }
}

fn one_by_one(budget: Budget) -> Result<(u64, Histogram<u64>), Failure> {
    let mut times = OpTimes::start();
    let mut done = 0;
    while done < budget.count() {
        one(done)?;
        done += 1;
        if budget.is_over(times.lap()) {
            break;
        }
    }
    Ok((done, times.into_histogram()))
}

/// A heap's whole life.
fn one(number: u64) -> Result<(), Failure> {
    let heap = build(Heap::builder())?;
    let found = heap.mutator().enter(|m| m.alloc(Object { number }).number);
    expect_eq("the number in the heap", found, number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Common;

    #[test]
    fn every_heap_is_timed() {
        let mut bench = Bench::new(&Common { mutators: 2, ..Common::default() }).expect("a heap");
        let outcome = Params { heaps: 7 }.run(&mut bench).expect("no failure");
        assert_eq!((outcome.ops, outcome.check), (7, check(7)));
        assert_eq!(outcome.op_times.map(|times| times.len()), Some(7));
        assert!(outcome.notes[0].starts_with("a thread is started"), "{:?}", outcome.notes);
    }
}
