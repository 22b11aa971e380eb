//! What is expected of a heap, from what cycles have found alive: the scan work of the next one, and how many of the objects
//! that were allocated black live.
//!
//! The reference expects what the last cycle had to do. That is right for a heap in its steady state, and late for one that
//! grows: each cycle finds twice the work it expected, assists begin when the surplus shows, and the heap passes its goal by
//! what was allocated until then. What stays steady while a heap grows is the *share* of it that survives.

use crate::config::ValueError;
use std::fmt;
use std::str::FromStr;

/// Which pacer: the published one or ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum PacerKind {
    /// Go's, to the last digit of the recorded data.
    Reference,
    /// With what greyset does differently: the work expected follows the size of the heap, what was allocated black adds to the
    /// goal only what can be expected to live, and a goal from the memory limit is never stretched.
    #[default]
    Greyset,
}

impl fmt::Display for PacerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PacerKind::Reference => "reference",
            PacerKind::Greyset => "greyset",
        })
    }
}

impl FromStr for PacerKind {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<PacerKind, ValueError> {
        [PacerKind::Reference, PacerKind::Greyset]
            .into_iter()
            .find(|kind| kind.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| ValueError::new(text, "greyset or reference"))
    }
}

/// Cycles before the last that still count.
const HISTORY: usize = 4;

/// The shares of the scannable heap that the last cycles found alive: 0 to 1, the newest first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Survival {
    shares: [f64; HISTORY + 1],
    /// How many of them have been measured.
    known: usize,
    /// Scannable bytes, heap and roots, when the running cycle was triggered.
    triggered: u64,
}

impl Default for Survival {
    /// Before the first cycle everything may be alive, and in a heap that is being filled it is.
    fn default() -> Survival {
        Survival { shares: [1.0; HISTORY + 1], known: 0, triggered: 0 }
    }
}

impl Survival {
    /// A cycle begins with so many scannable bytes, heap and roots.
    pub fn start(&mut self, scannable: u64) {
        self.triggered = scannable;
    }

    /// A cycle that did `work` bytes of scan work has ended.
    pub fn end(&mut self, work: u64) {
        if self.triggered > 0 {
            self.shares.rotate_right(1);
            self.known = (self.known + 1).min(self.shares.len());
            self.shares[0] = (work as f64 / self.triggered as f64).clamp(0.0, 1.0);
        }
    }

    /// The running cycle was given up: it teaches nothing.
    pub fn abandon(&mut self) {
        self.triggered = 0;
    }

    /// Scan work in bytes expected of the running cycle: `largest share · scannable at its trigger`.
    ///
    /// The largest of the last five, as with cons/mark: who expects too much makes allocations pay a little early, who expects
    /// too little passes the goal, and counts all that was allocated meanwhile as live.
    pub fn expected(&self) -> u64 {
        let largest = self.shares[..self.known.max(1)].iter().copied().fold(0.0, f64::max);
        (largest * self.triggered as f64) as u64
    }

    /// How many of `fresh` bytes, allocated while the last cycle ran and therefore black, can be expected to live: as large a
    /// part as of the heap that it looked at.
    pub fn of_fresh(&self, fresh: u64) -> u64 {
        // Numbers beyond 2^53 become floats that are larger.
        ((self.shares[0] * fresh as f64) as u64).min(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cycle_expects_everything_alive() {
        let mut survival = Survival::default();
        survival.start(4 << 20);
        assert_eq!(survival.expected(), 4 << 20);
    }

    #[test]
    fn a_heap_that_grows_is_expected_to_grow_in_work() {
        let mut survival = Survival::default();
        survival.start(8_000);
        survival.end(6_000);
        survival.start(16_000);
        assert_eq!(survival.expected(), 12_000);
        // More than there was: allocated since and scanned too.
        survival.end(20_000);
        survival.start(10_000);
        assert_eq!(survival.expected(), 10_000);
    }

    #[test]
    fn the_largest_share_of_five_cycles_counts() {
        let mut survival = Survival::default();
        let mut expected = Vec::new();
        for work in [300, 900, 100, 200, 300, 400, 500] {
            survival.start(1000);
            survival.end(work);
            survival.start(1000);
            expected.push(survival.expected());
        }
        assert_eq!(expected, [300, 900, 900, 900, 900, 900, 500]);
    }

    #[test]
    fn of_what_is_black_as_much_lives_as_of_the_rest() {
        let mut survival = Survival::default();
        assert_eq!(survival.of_fresh(100), 100);
        assert_eq!(survival.of_fresh((1 << 60) - 1), (1 << 60) - 1);
        survival.start(1000);
        survival.end(900);
        survival.start(1000);
        survival.end(250);
        assert_eq!(survival.of_fresh(100), 25);
    }

    #[test]
    fn a_cycle_without_anything_to_scan_teaches_nothing() {
        let mut survival = Survival::default();
        survival.start(0);
        survival.end(0);
        survival.start(100);
        assert_eq!(survival.expected(), 100);
    }
}
