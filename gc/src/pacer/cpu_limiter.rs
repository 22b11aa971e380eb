//! The CPU limiter: how much of the processors collection may take for long.
//!
//! Near a memory limit, collections could follow one another without end. A leaky bucket stops that: processor time of
//! collection fills it, processor time of the program drains it. While it is full, allocations are charged no assists and
//! memory is not given back synchronously; the heap may pass the soft limit. The idea is Go's (design 48409), where the share
//! is fixed at a half.

/// Nanoseconds of processor time that the bucket holds for each processor: how long a burst may last.
const CAPACITY: u64 = 1_000_000_000;
/// Nanoseconds of wall time between two refreshes at least.
const PERIOD: u64 = 10_000_000;
/// The share of Go's limiter, in percent.
pub const DEFAULT_SHARE: u32 = 50;

/// A piece of wall time and what was done in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Window {
    /// Wall time in nanoseconds.
    pub wall: u64,
    /// Processor time of assists in it, in nanoseconds.
    pub assist: u64,
    /// Processor time in it that nobody wanted (idle, or marking on idle processors), in nanoseconds.
    pub idle: u64,
    /// Whether a cycle was running: background workers then count with their whole share.
    pub marking: bool,
}

/// What a refresh changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "the embedder is told when limiting starts"]
pub enum Change {
    /// Nothing: it limits, or does not, as before.
    None,
    /// From now on it limits. This is when a program thrashes.
    Started,
    /// It limits no longer.
    Stopped,
}

/// The bucket.
///
/// # Invariants
/// `fill ≤ capacity`; it limits exactly while `fill == capacity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CpuLimiter {
    processors: u64,
    /// Background share of marking, in percent.
    background: u64,
    /// Most that collection may take for long, in percent.
    share: u64,
    /// Nanoseconds of processor time.
    fill: u64,
    capacity: u64,
}

impl CpuLimiter {
    /// An empty bucket for that many processors (0 counts as 1), a background share of marking and the share that collection
    /// may take for long, both in percent; the latter is clamped to 1..=99.
    pub fn new(processors: u32, background: u32, share: u32) -> CpuLimiter {
        let processors = u64::from(processors.max(1));
        CpuLimiter {
            processors,
            background: u64::from(background.min(100)),
            share: u64::from(share.clamp(1, 99)),
            fill: 0,
            capacity: CAPACITY * processors,
        }
    }

    /// Whether collection has used up what it may.
    pub fn limiting(&self) -> bool {
        self.fill == self.capacity
    }

    /// How full the bucket is, 0 to 1.
    pub fn level(&self) -> f64 {
        self.fill as f64 / self.capacity as f64
    }

    /// Whether a refresh is due `since_last` nanoseconds after the last: every 10 ms. Phase changes and assist flushes that
    /// must be exact refresh without asking.
    pub fn due(&self, since_last: u64) -> bool {
        since_last >= PERIOD
    }

    /// Takes in what was done since the last refresh.
    ///
    /// ```text
    /// total   = wall·P − idle
    /// gc      = min(assist + U·total while a cycle runs, total)
    /// fill   += (gc·(100 − share) − (total − gc)·share)/50,    within 0 and 1 s·P
    /// ```
    /// At a share of 50 that is `gc − mutator`. It limits while the bucket is full, that is until it first drains.
    pub fn advance(&mut self, window: &Window) -> Change {
        let before = self.limiting();
        let total = u128::from(window.wall) * u128::from(self.processors);
        let total = total.saturating_sub(window.idle.into());
        let background = if window.marking { total * u128::from(self.background) / 100 } else { 0 };
        let gc = (background + u128::from(window.assist)).min(total);
        let filled = gc * u128::from(100 - self.share) / 50;
        let drained = (total - gc) * u128::from(self.share) / 50;
        let fill = (u128::from(self.fill) + filled).saturating_sub(drained).min(self.capacity.into());
        self.fill = u64::try_from(fill).unwrap_or(self.capacity); // INVARIANT: fill ≤ capacity, by the `min`.
        match (before, self.limiting()) {
            (false, true) => Change::Started,
            (true, false) => Change::Stopped,
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    /// One second of four processors, with that many seconds of assists.
    fn second(assists: f64, marking: bool) -> Window {
        Window { wall: SECOND, assist: (assists * SECOND as f64) as u64, idle: 0, marking }
    }

    #[test]
    fn half_of_the_processors_for_long() {
        let mut limiter = CpuLimiter::new(4, 25, DEFAULT_SHARE);
        // Background marking alone (one of four) and assists up to one more never fill it.
        for _ in 0..100 {
            assert_eq!(limiter.advance(&second(1.0, true)), Change::None);
            assert_eq!(limiter.level(), 0.0);
        }
        // One and a half more: three and a half against half, so 1.5·2 − 0.5·… fills 1 s a second of four.
        assert_eq!(limiter.advance(&second(1.5, true)), Change::None);
        assert_eq!(limiter.level(), 0.25);
        assert_eq!(limiter.advance(&second(2.5, true)), Change::Started);
        assert_eq!(limiter.advance(&second(3.0, true)), Change::None);
        assert!(limiter.limiting());
        // It stops as soon as the program gets more than half.
        assert_eq!(limiter.advance(&second(0.9, true)), Change::Stopped);
        assert_eq!(limiter.level(), 1.0 - 0.2 / 4.0);
        assert_eq!(limiter.advance(&second(0.0, false)), Change::None);
        assert_eq!(limiter.level(), 0.0);
    }

    #[test]
    fn a_window_without_time_changes_nothing() {
        let mut limiter = CpuLimiter::new(1, 25, 50);
        assert_eq!(limiter.advance(&second(1.0, false)), Change::Started);
        let full = limiter;
        assert_eq!(limiter.advance(&Window::default()), Change::None);
        assert_eq!(limiter, full);
        // Nor does one in which nobody wanted the processors.
        assert_eq!(
            limiter.advance(&Window { wall: SECOND, idle: SECOND, ..Window::default() }),
            Change::None
        );
        assert_eq!(limiter, full);
    }

    #[test]
    fn other_shares() {
        // A fifth: collection at 25 % fills slowly, at 20 % never.
        let mut limiter = CpuLimiter::new(4, 25, 20);
        let mut seconds = 0;
        while limiter.advance(&second(0.0, true)) != Change::Started {
            seconds += 1;
        }
        assert_eq!(seconds, 9); // (1·0.8 − 3·0.2)·2 = 0.4 s a second, 4 s in all
        let mut limiter = CpuLimiter::new(4, 20, 20);
        assert_eq!(limiter.advance(&second(0.0, true)), Change::None);
        assert_eq!(limiter.level(), 0.0);
    }

    #[test]
    fn refreshed_every_ten_milliseconds() {
        let limiter = CpuLimiter::new(1, 25, 50);
        assert_eq!([limiter.due(9_999_999), limiter.due(10_000_000)], [false, true]);
    }

    proptest! {
        #[test]
        fn never_over_full(
            processors: u32, background: u32, share: u32, windows: Vec<(u64, u64, u64, bool)>, shift in 0u32..64
        ) {
            let mut limiter = CpuLimiter::new(processors, background, share);
            for (wall, assist, idle, marking) in windows {
                let before = limiter.limiting();
                let change = limiter.advance(&Window { wall: wall >> shift, assist, idle, marking });
                prop_assert!((0.0..=1.0).contains(&limiter.level()));
                prop_assert_eq!(change != Change::None, before != limiter.limiting());
            }
        }
    }
}
