//! Cons/mark: how fast mutators allocate ("cons") against how fast markers mark, processor for processor.
//!
//! Measured over a finished cycle, used for the next one. The largest of the last five measurements counts: an estimate that
//! is too high begins a little early, one that is too low makes mutators assist.

/// Measurements before the newest that still count.
const HISTORY: usize = 4;

/// What a finished cycle measured.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Measured {
    /// Bytes allocated while marking: the heap at the end less the heap at the trigger.
    pub allocated: u64,
    /// Bytes of scan work done: heap and roots.
    pub work: u64,
    /// Share of all processors that marked for it (background share and assists), 0 to 1.
    pub utilization: f64,
    /// Share of all processors that marked because they had nothing else to do, 0 to 1.
    pub idle: f64,
}

/// One measurement: bytes allocated by a full processor, per byte marked by a full processor.
///
/// `c = allocated·(u + i) / (work·(1 − u))`: mutators had `1 − u` of the processors, markers `u + i`. `None` when nothing was
/// allocated, or when the quotient means nothing (no work, no mutator time).
pub fn measure(cycle: &Measured) -> Option<f64> {
    if cycle.allocated == 0 {
        return None;
    }
    let (u, i) = (cycle.utilization, cycle.idle);
    let c = (cycle.allocated as f64 * (u + i)) / (cycle.work as f64 * (1.0 - u));
    (c.is_finite() && c >= 0.0).then_some(c)
}

/// The estimate and the measurements it rests on. Always finite and not negative.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct ConsMark {
    estimate: f64,
    /// Oldest first.
    last: [f64; HISTORY],
}

impl ConsMark {
    /// The estimate for the next cycle; 0 before the first measurement.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Takes in a finished cycle; one that measured nothing changes nothing.
    pub fn update(&mut self, cycle: &Measured) {
        if let Some(c) = measure(cycle) {
            self.estimate = self.last.iter().fold(c, |max, old| max.max(*old));
            self.last.rotate_left(1);
            self.last[HISTORY - 1] = c;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cycle(allocated: u64) -> Measured {
        Measured { allocated, work: 1000, utilization: 0.25, idle: 0.0 }
    }

    #[test]
    fn a_quarter_marks_while_three_quarters_allocate() {
        assert_eq!(measure(&cycle(3000)), Some(1.0));
        assert_eq!(measure(&Measured { utilization: 0.5, ..cycle(3000) }), Some(3.0));
    }

    #[test]
    fn idle_processors_count_as_markers_only() {
        assert_eq!(measure(&Measured { idle: 0.25, ..cycle(3000) }), Some(2.0));
    }

    #[test]
    fn the_largest_of_five_counts() {
        let mut cons_mark = ConsMark::default();
        let mut seen = Vec::new();
        for allocated in [3000, 6000, 300, 0, 300, 300, 300, 300, 300] {
            cons_mark.update(&cycle(allocated));
            seen.push(cons_mark.estimate());
        }
        assert_eq!(seen, [1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.1, 0.1]);
    }

    #[test]
    fn what_means_nothing_changes_nothing() {
        let mut cons_mark = ConsMark::default();
        cons_mark.update(&cycle(3000));
        let before = cons_mark;
        for nothing in [
            cycle(0),
            Measured { work: 0, ..cycle(5) },
            Measured { utilization: 1.0, ..cycle(5) },
            Measured { utilization: 1.5, ..cycle(5) },
            Measured { utilization: f64::NAN, ..cycle(5) },
            Measured { idle: f64::INFINITY, ..cycle(5) },
        ] {
            cons_mark.update(&nothing);
            assert_eq!(cons_mark, before, "{nothing:?}");
        }
    }

    proptest! {
        #[test]
        fn always_finite(cycles: Vec<(u64, u64, f64, f64)>) {
            let mut cons_mark = ConsMark::default();
            for (allocated, work, utilization, idle) in cycles {
                cons_mark.update(&Measured { allocated, work, utilization, idle });
                prop_assert!(cons_mark.estimate().is_finite() && cons_mark.estimate() >= 0.0);
            }
        }
    }
}
