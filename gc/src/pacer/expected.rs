//! The scan work that is expected of a cycle.
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
    /// With what greyset does differently: the work expected follows the size of the heap, and a goal from the memory limit is
    /// never stretched.
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

/// The share of the scannable heap that cycles find alive: 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Survival {
    share: f64,
    /// Scannable bytes, heap and roots, when the running cycle was triggered.
    triggered: u64,
}

impl Default for Survival {
    /// Before the first cycle everything may be alive, and in a heap that is being filled it is.
    fn default() -> Survival {
        Survival { share: 1.0, triggered: 0 }
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
            self.share = (work as f64 / self.triggered as f64).clamp(0.0, 1.0);
        }
    }

    /// The running cycle was given up: it teaches nothing.
    pub fn abandon(&mut self) {
        self.triggered = 0;
    }

    /// Scan work in bytes expected of the running cycle: `share · scannable at its trigger`.
    pub fn expected(&self) -> u64 {
        (self.share * self.triggered as f64) as u64
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
    fn a_cycle_without_anything_to_scan_teaches_nothing() {
        let mut survival = Survival::default();
        survival.start(0);
        survival.end(0);
        survival.start(100);
        assert_eq!(survival.expected(), 100);
    }
}
