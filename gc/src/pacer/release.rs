//! Giving memory back to the system: how much to keep, and how fast to give.
//!
//! Keep what the next cycle will need again, with a margin; under a memory limit also stay below 95 % of it. In the
//! background the pace is a share of all processors (1 % unless set), held by a PI controller, because what a call costs
//! varies by orders of magnitude with the system. The two goals and the controller are those published for Go's scavenger.

use super::assist::trunc;

/// Margin over what is expected to be needed, as a factor.
const MARGIN: f64 = 1.1;

/// What to keep, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseGoal {
    /// Heap pages not given back (in use and free) should not exceed this.
    pub heap: u64,
    /// All memory held should not exceed this.
    pub total: u64,
}

impl ReleaseGoal {
    /// `heap = inUse · goal/lastGoal · 1.1`, `total = 95 % of the limit`.
    ///
    /// `in_use` is the heap in pages in use at the end of the last cycle, in bytes; `goal` the heap goal and `last_goal` that
    /// of the cycle before. Before the first cycle (`last_goal` 0) growth says nothing.
    pub fn new(in_use: u64, goal: u64, last_goal: u64, limit: Option<u64>) -> ReleaseGoal {
        let heap = match last_goal {
            0 => u64::MAX,
            _ => trunc(in_use as f64 * (goal as f64 / last_goal as f64) * MARGIN),
        };
        ReleaseGoal { heap, total: limit.map_or(u64::MAX, |limit| limit - limit / 20) }
    }

    /// Bytes to give back when the heap retains `heap` bytes of pages and holds `total` bytes in all.
    pub fn excess(&self, heap: u64, total: u64) -> u64 {
        heap.saturating_sub(self.heap).max(total.saturating_sub(self.total))
    }
}

/// A controller whose output follows the error (`kp`) and its integral (`ti`), and whose integral does not wind up while
/// the output is at a bound (`tt`, back-calculation). The textbook form; times in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Pi {
    integral: f64,
}

impl Pi {
    /// Gain, and times of the integral and of its unwinding, in nanoseconds.
    const KP: f64 = 0.3375;
    const TI: f64 = 3.2e6;
    const TT: f64 = 1e9;
    const MIN: f64 = 0.001;
    const MAX: f64 = 1000.0;

    /// The output after `period` nanoseconds in which `input` was seen and `wanted` was wanted; `None` when the integral
    /// has overflowed, which also resets it.
    fn next(&mut self, input: f64, wanted: f64, period: f64) -> Option<f64> {
        let proportional = Self::KP * (wanted - input);
        let raw = proportional + self.integral;
        let output = raw.clamp(Self::MIN, Self::MAX);
        self.integral += proportional * period / Self::TI + (output - raw) * period / Self::TT;
        if self.integral.is_finite() {
            return Some(output);
        }
        self.integral = 0.0;
        None
    }
}

/// Time worked to time slept in the beginning, and for a while after the controller lost its way.
const START_RATIO: f64 = 0.001;
/// Nanoseconds of that while.
const COOL_DOWN: u64 = 5_000_000_000;
/// Nanoseconds of sleep at most: what is no longer than this gets noticed.
const MAX_SLEEP: u64 = 60_000_000_000;

/// Paces background giving back to a share of the processors.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReleasePacer {
    /// Processor time wanted in a unit of wall time: 1 is one processor.
    share: f64,
    /// Time worked for a nanosecond slept.
    ratio: f64,
    controller: Pi,
    /// Nanoseconds until the controller may steer again.
    cooling: u64,
}

impl ReleasePacer {
    /// A pacer for `percent` of this many processors, for at most all the time of the one thread that gives back; 0 is taken for
    /// the smallest share there is, so whoever wants none must not give back at all.
    pub fn new(percent: u32, processors: u32) -> ReleasePacer {
        let share = (f64::from(percent) / 100.0 * f64::from(processors)).min(1.0);
        ReleasePacer { share, ratio: START_RATIO, controller: Pi { integral: START_RATIO }, cooling: 0 }
    }

    /// How long to sleep now, in nanoseconds, after `worked` nanoseconds of processor time in giving back and, before that,
    /// `slept` nanoseconds of sleep (as it really was).
    pub fn sleep_after(&mut self, worked: u64, slept: u64) -> u64 {
        let period = worked.saturating_add(slept).max(1);
        if self.cooling > 0 {
            self.cooling = self.cooling.saturating_sub(period);
        } else {
            let share = worked as f64 / period as f64;
            match self.controller.next(share, self.share, period as f64) {
                Some(ratio) => self.ratio = ratio,
                None => {
                    self.ratio = START_RATIO;
                    self.cooling = COOL_DOWN;
                }
            }
        }
        trunc(worked as f64 / self.ratio).min(MAX_SLEEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_the_next_cycle_needs_and_a_tenth() {
        assert_eq!(ReleaseGoal::new(100 * MIB, 50, 100, None).heap, 55 * MIB);
        assert_eq!(ReleaseGoal::new(100, 200, 100, None), ReleaseGoal { heap: 220, total: u64::MAX });
        assert_eq!(ReleaseGoal::new(100, 200, 0, Some(1000)), ReleaseGoal { heap: u64::MAX, total: 950 });
        assert_eq!(ReleaseGoal::new(u64::MAX, u64::MAX, 1, None).heap, u64::MAX);
    }

    #[test]
    fn the_larger_excess_counts() {
        let goal = ReleaseGoal { heap: 100, total: 1000 };
        assert_eq!(goal.excess(100, 1000), 0);
        assert_eq!(goal.excess(150, 1020), 50);
        assert_eq!(goal.excess(150, 1070), 70);
        assert_eq!(goal.excess(0, 0), 0);
    }

    /// Gives back for a simulated hour; returns the share of a processor used in its second half.
    fn steady_share(
        percent: u32,
        mut cost: impl FnMut(u64) -> u64,
        mut oversleep: impl FnMut(u64) -> u64,
    ) -> f64 {
        let mut pacer = ReleasePacer::new(percent, 1);
        let (mut slept, mut clock, mut used, mut counted) = (0, 0u64, 0u64, 0u64);
        for round in 0.. {
            let worked = cost(round);
            let sleep = pacer.sleep_after(worked, slept);
            slept = sleep + oversleep(sleep);
            clock += worked + slept;
            if clock > 1_800_000_000_000 {
                used += worked;
                counted += worked + slept;
            }
            if clock > 3_600_000_000_000 {
                break;
            }
        }
        used as f64 / counted as f64
    }

    #[test]
    fn the_share_is_held() {
        let exact = |_| 0;
        let close = |share: f64, wanted: f64| assert!((share / wanted - 1.0).abs() < 0.1, "{share} {wanted}");
        close(steady_share(1, |_| 1_000_000, exact), 0.01);
        close(steady_share(5, |_| 1_000_000, exact), 0.05);
        // A system that sleeps twice as long as asked, and calls whose cost varies tenfold.
        close(steady_share(1, |_| 1_000_000, |sleep| sleep), 0.01);
        let varying = |round: u64| 200_000 + 200_000 * (round * 7 % 10);
        let share = steady_share(1, varying, exact);
        assert!((0.004..0.015).contains(&share), "{share}");
    }

    #[test]
    fn it_starts_gently() {
        assert_eq!(ReleasePacer::new(1, 1).sleep_after(1_000, 0), 1_000_000);
    }

    #[test]
    fn a_lost_controller_starts_again() {
        let mut pi = Pi { integral: f64::MAX };
        assert_eq!(pi.next(0.0, 1.0, f64::MAX), None);
        assert_eq!(pi, Pi { integral: 0.0 });
        let mut pacer = ReleasePacer {
            controller: Pi { integral: f64::INFINITY },
            ratio: 3.0,
            ..ReleasePacer::new(1, 1)
        };
        assert_eq!(pacer.sleep_after(1_000, 0), 1_000_000);
        assert_eq!(pacer.cooling, COOL_DOWN);
        assert_eq!(pacer.sleep_after(1_000, COOL_DOWN), 1_000_000);
        assert_eq!(pacer.cooling, 0);
    }

    proptest! {
        #[test]
        fn no_panic(percent: u32, processors: u32, steps: Vec<(u64, u64)>, a: u64, b: u64, c: u64, limit: Option<u64>) {
            let goal = ReleaseGoal::new(a, b, c, limit);
            prop_assert!(goal.excess(a, b) <= a.max(b));
            let mut pacer = ReleasePacer::new(percent, processors);
            for (worked, slept) in steps {
                prop_assert!(pacer.sleep_after(worked, slept) <= MAX_SLEEP);
                prop_assert!(pacer.ratio.is_finite() && pacer.ratio > 0.0);
            }
        }
    }
}
