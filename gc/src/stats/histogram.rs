//! A histogram of latencies that any thread may add to without waiting.
//!
//! Log-linear buckets, as in HdrHistogram: each power of two is cut into 32 equal buckets, so a bucket is at most 1/32 as
//! wide as its values are large, and values below 64 have a bucket of their own. The whole range of `u64` fits in 1920
//! counters (15 KiB). It never allocates after it is made, and a record is one relaxed addition and, rarely, a maximum.

use crate::stats::cpu::nanos;
use greyset_sync::atomic::{AtomicU64, Ordering};
use std::fmt;
use std::time::Duration;

/// Buckets a power of two is cut into, as a power of two.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
/// Values below `SUB`, then one row of `SUB` buckets for each higher bit.
const BUCKETS: usize = SUB * (64 - SUB_BITS as usize + 1);

/// The bucket of a value.
#[inline]
fn bucket(value: u64) -> usize {
    let row = (u64::BITS - (value | 1).leading_zeros()).saturating_sub(SUB_BITS + 1);
    row as usize * SUB + (value >> row) as usize
}

/// The largest value of a bucket.
fn upper(bucket: usize) -> u64 {
    if bucket < 2 * SUB {
        return bucket as u64;
    }
    let row = (bucket / SUB - 1) as u32;
    let mantissa = (bucket - row as usize * SUB) as u64;
    (mantissa << row) | ((1 << row) - 1)
}

/// The smallest value that at least the share `q` of all values does not exceed, within its bucket.
fn quantile(counts: impl Iterator<Item = u64> + Clone, max: u64, q: f64) -> u64 {
    let count = counts.clone().fold(0, u64::saturating_add);
    // `max` turns a NaN into 0; the cast saturates.
    let rank = ((q.max(0.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
    let mut seen = 0u64;
    for (bucket, n) in counts.enumerate() {
        seen = seen.saturating_add(n);
        if seen >= rank {
            return upper(bucket).min(max);
        }
    }
    max
}

/// A concurrent histogram of nanoseconds.
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Histogram {
    /// An empty histogram; allocates its 15 KiB at once.
    pub fn new() -> Histogram {
        Histogram { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }

    /// Counts one value. Wait-free.
    #[inline]
    pub fn record(&self, nanos: u64) {
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// Counts one duration; above 584 years it counts as that.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.record(nanos(duration));
    }

    /// Counts everything that `other` holds: how a mutator's own histogram joins the heap's. A counter stops at `u64::MAX`.
    pub fn absorb(&self, other: &HistogramSnapshot) {
        for (mine, count) in self.buckets.iter().zip(&other.buckets) {
            if *count > 0 {
                let add = |mine: u64| Some(mine.saturating_add(*count));
                let _ = mine.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
            }
        }
        self.max.fetch_max(other.max, Ordering::Relaxed);
    }

    /// The largest value so far, in nanoseconds.
    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// The counters of the buckets up to that of `max`; no other has counted anything.
    fn used(&self, max: u64) -> impl Iterator<Item = u64> + Clone {
        self.buckets[..=bucket(max)].iter().map(|count| count.load(Ordering::Relaxed))
    }

    /// [`HistogramSnapshot::quantile`] of what it holds now, without a copy.
    pub(crate) fn quantile(&self, q: f64) -> u64 {
        let max = self.max();
        quantile(self.used(max), max, q)
    }

    /// What it holds now. Values recorded meanwhile may or may not be in it; none is counted twice or lost for later.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let max = self.max();
        let buckets = self.used(max).collect();
        HistogramSnapshot { buckets, max }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A histogram at one moment. Quantiles are at most 1/32 above the true value and never below it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HistogramSnapshot {
    /// Empty, or one counter a bucket up to that of `max`.
    buckets: Vec<u64>,
    max: u64,
}

impl HistogramSnapshot {
    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The largest value in nanoseconds, exactly; 0 when empty.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The smallest recorded value in nanoseconds (rounded up within its bucket) that at least the share `q` of all values
    /// does not exceed; 0 when empty. `q` is clamped to 0..=1.
    pub fn quantile(&self, q: f64) -> u64 {
        quantile(self.buckets.iter().copied(), self.max, q)
    }

    /// The median in nanoseconds.
    pub fn p50(&self) -> u64 {
        self.quantile(0.5)
    }

    /// The 99th percentile in nanoseconds.
    pub fn p99(&self) -> u64 {
        self.quantile(0.99)
    }

    /// The 99.9th percentile in nanoseconds.
    pub fn p999(&self) -> u64 {
        self.quantile(0.999)
    }

    /// The 99.99th percentile in nanoseconds.
    pub fn p9999(&self) -> u64 {
        self.quantile(0.9999)
    }

    /// The mean in nanoseconds, within 1/32; 0 when empty.
    pub fn mean(&self) -> u64 {
        let count: f64 = self.buckets.iter().map(|count| *count as f64).sum();
        // In floating point, which has room for every sum that counters can make and is exact below 2^53.
        let sum: f64 = self.buckets().map(|(upper, count)| upper as f64 * count as f64).sum();
        ((sum / count.max(1.0)) as u64).min(self.max)
    }

    /// The buckets that hold something: largest value of the bucket in nanoseconds, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (upper(i).min(self.max), *n))
    }

    /// Adds everything that `other` holds. A counter stops at `u64::MAX`.
    pub fn merge(&mut self, other: &HistogramSnapshot) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*count);
        }
        self.max = self.max.max(other.max);
    }
}

impl fmt::Debug for HistogramSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramSnapshot")
            .field("count", &self.count())
            .field("p50", &self.p50())
            .field("p99", &self.p99())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// `n 1200 p50 1.2us p99 8.1us p99.9 9us p99.99 9us max 9.2us`
impl fmt::Display for HistogramSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |nanos: u64| nanos as f64 / 1e3;
        write!(
            f,
            "n {} p50 {:.1}us p99 {:.1}us p99.9 {:.1}us p99.99 {:.1}us max {:.1}us",
            self.count(),
            us(self.p50()),
            us(self.p99()),
            us(self.p999()),
            us(self.p9999()),
            us(self.max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> HistogramSnapshot {
        let histogram = Histogram::new();
        values.iter().for_each(|v| histogram.record(*v));
        histogram.snapshot()
    }

    #[test]
    fn buckets_are_in_order_and_leave_no_gap() {
        assert_eq!((bucket(0), bucket(63), bucket(64), bucket(u64::MAX)), (0, 63, 64, BUCKETS - 1));
        assert_eq!(upper(BUCKETS - 1), u64::MAX);
        for b in 0..BUCKETS - 1 {
            assert_eq!(bucket(upper(b)), b);
            assert_eq!(bucket(upper(b) + 1), b + 1);
        }
    }

    #[test]
    fn empty_is_all_zero() {
        for empty in [HistogramSnapshot::default(), of(&[])] {
            assert_eq!(
                (empty.count(), empty.max(), empty.p50(), empty.p9999(), empty.mean()),
                (0, 0, 0, 0, 0)
            );
        }
    }

    #[test]
    fn quantiles_of_small_values_are_exact() {
        let hundred = of(&(1..=50).chain(1..=50).collect::<Vec<_>>());
        assert_eq!((hundred.p50(), hundred.p99(), hundred.max(), hundred.count()), (25, 50, 50, 100));
        assert_eq!((hundred.quantile(0.0), hundred.quantile(1.0), hundred.mean()), (1, 50, 25));
        assert_eq!((hundred.quantile(f64::NAN), hundred.quantile(-1.0), hundred.quantile(9.0)), (1, 1, 50));
        assert_eq!(
            of(&[1_000_000]).to_string(),
            "n 1 p50 1000.0us p99 1000.0us p99.9 1000.0us p99.99 1000.0us max 1000.0us"
        );
    }

    #[test]
    fn counters_that_are_full_stay_full() {
        let mut doubled = of(&[0, 1, 40, u64::MAX, u64::MAX, 1 << 63]);
        let before = doubled.mean();
        for _ in 0..70 {
            let same = doubled.clone();
            doubled.merge(&same);
        }
        let absorbed = Histogram::new();
        absorbed.absorb(&doubled);
        absorbed.absorb(&doubled);
        assert_eq!(absorbed.snapshot(), doubled);
        assert_eq!((doubled.count(), doubled.max()), (u64::MAX, u64::MAX));
        // Each of the five buckets that hold something is as full as any.
        let mean = ((0.0 + 1.0 + 40.0 + 2f64.powi(63) * (1.0 + 1.0 / 32.0) + 2f64.powi(64)) / 5.0) as u64;
        assert_eq!(doubled.mean(), mean);
        assert!(before > mean, "{before}");
        assert_eq!(of(&[u64::MAX; 3]).mean(), u64::MAX);
    }

    #[test]
    fn many_threads_lose_nothing() {
        let histogram = Histogram::new();
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let histogram = &histogram;
                scope.spawn(move || (0..10_000).for_each(|i| histogram.record(i * 4 + thread)));
            }
        });
        let all = histogram.snapshot();
        assert_eq!((all.count(), all.max()), (40_000, 39_999));
        assert!((20_000..=20_625).contains(&all.p50()), "{all:?}");
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_32nd(mut values in prop::collection::vec(any::<u64>(), 1..200), shift in 0u32..63, q in 0.0f64..=1.0) {
            values.iter_mut().for_each(|v| *v >>= shift);
            let histogram = Histogram::new();
            values.iter().for_each(|v| histogram.record(*v));
            let snapshot = histogram.snapshot();
            prop_assert_eq!((histogram.quantile(q), histogram.max()), (snapshot.quantile(q), snapshot.max()));
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let (truth, told) = (values[rank - 1], snapshot.quantile(q));
            prop_assert!(told >= truth && told - truth <= truth / 32, "{truth} {told}");
            prop_assert_eq!(snapshot.max(), values[values.len() - 1]);
            prop_assert_eq!(snapshot.count(), values.len() as u64);
        }

        #[test]
        fn merging_is_recording_together(a: Vec<u64>, b: Vec<u64>) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let absorbed = Histogram::new();
            absorbed.absorb(&of(&a));
            absorbed.absorb(&of(&b));
            let mut from_nothing = HistogramSnapshot::default();
            from_nothing.merge(&merged);
            let together = of(&[a, b].concat());
            prop_assert_eq!(&merged, &together);
            prop_assert_eq!(&absorbed.snapshot(), &together);
            prop_assert_eq!(&from_nothing, &together);
        }
    }
}
