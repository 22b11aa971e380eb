//! Times of single operations: a histogram that never allocates while it is filled, and the summary of it.
use crate::failure::Failure;
use crate::options::Common;
use crate::output::Output;
use crate::workloads::Workload;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::time::Instant;

/// Longer times count as this one.
const LONGEST_NS: u64 = 60_000_000_000;

/// Times operations back to back: each ends where the next begins, so nothing between them goes unnoticed and an
/// operation costs one reading of the clock.
pub struct OpTimes {
    histogram: Histogram<u64>,
    last: Instant,
}

impl OpTimes {
    /// An empty recording with all its memory in place; the first operation begins now.
    pub fn start() -> OpTimes {
        let mut histogram = empty();
        // Touch every page now: the first long operation must not pay for a page fault of the measuring.
        for power in 0..36 {
            histogram.saturating_record(1 << power);
        }
        histogram.reset();
        OpTimes { histogram, last: Instant::now() }
    }

    /// One operation has ended and the next begins. Returns the time of it.
    #[inline]
    pub fn lap(&mut self) -> Instant {
        let now = Instant::now();
        let ns = now.duration_since(self.last).as_nanos() as u64;
        self.histogram.saturating_record(ns);
        self.last = now;
        now
    }

    /// The histogram, in nanoseconds.
    pub fn into_histogram(self) -> Histogram<u64> {
        self.histogram
    }
}

/// A histogram of nanoseconds with three significant digits.
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are constants that the crate accepts")
}

/// All recordings of several mutators in one.
pub fn merge(parts: impl IntoIterator<Item = Histogram<u64>>) -> Histogram<u64> {
    let mut all = empty();
    for part in parts {
        // Same bounds, so adding cannot fail.
        let _ = all.add(&part);
    }
    all
}

/// How many of these nanoseconds are more than a millisecond, to three digits.
pub fn over_1ms(histogram: &Histogram<u64>) -> u64 {
    histogram.len() - histogram.count_between(0, 1_000_000)
}

/// Percentiles in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Percentiles {
    /// How many were recorded.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// 99.99 %.
    pub p9999: u64,
    /// The longest.
    pub max: u64,
}

impl Percentiles {
    /// The summary of a histogram; `None` if nothing was recorded.
    pub fn of(histogram: &Histogram<u64>) -> Option<Percentiles> {
        let at = |quantile| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Percentiles {
            count: histogram.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: histogram.max(),
        })
    }
}

/// The file that `--latencies` names, if it is given.
///
/// # Errors
/// [`Failure::Usage`] when it cannot be written, or would stay empty.
pub fn file(workload: &Workload, common: &Common) -> Result<Option<Output>, Failure> {
    let Some(path) = &common.latencies else { return Ok(None) };
    if !workload.times_operations() {
        let name = workload.name();
        return Err(Failure::Usage(format!("{name} does not time single operations: leave out --latencies")));
    }
    Output::open(path, workload.input()).map(Some)
}

/// Writes every used bucket as `nanoseconds<TAB>count`, shortest first.
///
/// # Errors
/// [`Failure::Run`] if it cannot be written.
pub fn write_buckets(histogram: &Histogram<u64>, output: Output) -> Result<(), Failure> {
    let mut text = String::new();
    for step in histogram.iter_recorded() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\t{}", step.value_iterated_to(), step.count_at_value());
    }
    output.write(&text).map(drop)
}

/// Reads what [`write_buckets`], or a peer, has written.
pub fn read_buckets(path: &std::path::Path) -> Result<Histogram<u64>, Failure> {
    let unreadable = |what: &dyn std::fmt::Display| Failure::Run(format!("{}: {what}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(&e))?;
    let mut histogram = empty();
    for line in text.lines() {
        let bucket = line.split_once('\t').and_then(|(ns, n)| Some((ns.parse().ok()?, n.parse().ok()?)));
        let (ns, n): (u64, u64) =
            bucket.ok_or_else(|| unreadable(&format!("not nanoseconds, a tab and a count: {line:?}")))?;
        histogram.saturating_record_n(ns, n);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_are_counted_and_merged() {
        let mut times = OpTimes::start();
        for _ in 0..100 {
            times.lap();
        }
        let one = times.into_histogram();
        assert_eq!(one.len(), 100);
        let both = merge([one.clone(), one]);
        let summary = Percentiles::of(&both).expect("recorded");
        assert_eq!(summary.count, 200);
        assert!(summary.p50 <= summary.p99 && summary.p99 <= summary.max);
        assert_eq!(Percentiles::of(&empty()), None);
    }

    #[test]
    fn buckets_are_read_as_they_were_written() {
        let path = std::env::temp_dir().join(format!("gc-bench-buckets-{}.tsv", std::process::id()));
        let mut histogram = empty();
        histogram.saturating_record_n(70, 1000);
        histogram.saturating_record_n(5_000_000, 3);
        write_buckets(&histogram, Output::open(&path, None).expect("a file")).expect("written");
        assert_eq!(read_buckets(&path), Ok(histogram));
        std::fs::write(&path, "70 1000\n").expect("written");
        let failure = read_buckets(&path).expect_err("no tab").to_string();
        assert!(failure.contains("70 1000"), "{failure}");
        std::fs::remove_file(path).expect("removable");
    }

    #[test]
    fn what_is_over_a_millisecond_is_counted() {
        let mut histogram = empty();
        assert_eq!(over_1ms(&histogram), 0);
        histogram.saturating_record_n(900_000, 5);
        histogram.saturating_record_n(1_010_000, 2);
        histogram.saturating_record(30_000_000_000);
        assert_eq!(over_1ms(&histogram), 3);
    }

    #[test]
    fn percentiles_have_three_digits() {
        let mut histogram = empty();
        for ns in 1..=10_000u64 {
            histogram.saturating_record(ns * 100);
        }
        let p = Percentiles::of(&histogram).expect("recorded");
        assert!(p.p50.abs_diff(500_000) <= 500, "{}", p.p50);
        assert!(p.p999.abs_diff(999_000) <= 1000, "{}", p.p999);
    }
}
