//! Giving memory back to the system: how much to keep, and how fast to give.
//!
//! Keep what the next cycle will need again, with a margin; under a memory limit also stay below 95 % of it: the two goals
//! published for Go's scavenger. In the background the pace is a share of all processors (1 % unless set), over any long time.

use super::PacerKind;
use super::assist::trunc;

/// Margin over what is expected to be needed, as a factor. What is in use when a cycle ends is the most there was of it, and a little more
/// is kept than that anyway.
fn margin(kind: PacerKind) -> f64 {
    match kind {
        PacerKind::Reference => 1.1,
        PacerKind::Greyset => 1.0 + 1.0 / 64.0,
    }
}

/// What to keep, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReleaseGoal {
    /// Heap pages not given back (in use and free) should not exceed this.
    pub heap: u64,
    /// All memory held should not exceed this.
    pub total: u64,
}

impl ReleaseGoal {
    /// `heap = inUse · goal/lastGoal · margin`, `total = 95 % of the limit`; the margin is 1.1 for `Reference`, 65/64 for `Greyset`.
    ///
    /// `in_use` is the heap in pages in use at the end of the last cycle, in bytes; `goal` the heap goal and `last_goal` that
    /// of the cycle before. Before the first cycle (`last_goal` 0) growth says nothing.
    pub fn new(kind: PacerKind, in_use: u64, goal: u64, last_goal: u64, limit: Option<u64>) -> ReleaseGoal {
        let heap = match last_goal {
            0 => u64::MAX,
            _ => trunc(in_use as f64 * (goal as f64 / last_goal as f64) * margin(kind)),
        };
        ReleaseGoal { heap, total: limit.map_or(u64::MAX, |limit| limit - limit / 20) }
    }

    /// Bytes to give back when the heap retains `heap` bytes of pages and holds `total` bytes in all.
    pub fn excess(&self, heap: u64, total: u64) -> u64 {
        heap.saturating_sub(self.heap).max(total.saturating_sub(self.total))
    }
}

/// Nanoseconds of time off whose share is saved up, and of overdrawn time that is paid for.
const SAVED: f64 = 4e9;
/// Nanoseconds in which what is saved would be spent, at the rate it begins with.
const SPREAD: f64 = 2e9;
/// The slowest pace, as a part of the share, for one who has overdrawn: what he has done counts as paid after [`SAVED`].
const SLOWEST: f64 = 1.0 / 16.0;
/// Nanoseconds of sleep at most: what is no longer than this gets noticed.
const MAX_SLEEP: u64 = 60_000_000_000;

/// Paces background giving back to a share of the processors: an account of processor time.
///
/// The share of all time that passes is paid in, what giving back takes is paid out. The pace at any moment is
///
/// `pace = share + balance / 2 s`, with `|balance| ≤ 4 s · share`
///
/// so that time saved is spent soon after a peak, when it matters, at no more than three times the share, and one who sleeps
/// longer than asked catches up. Over `t` seconds at most `(t + 4) · share` is used. A token bucket with a rate that follows its
/// filling; Go's scavenger holds its share by a PI controller, which forgets what was not used.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReleasePacer {
    /// Processor time wanted in a unit of wall time: 1 is one processor.
    share: f64,
    /// Nanoseconds of processor time not used so far; negative when overdrawn.
    balance: f64,
}

impl ReleasePacer {
    /// A pacer for `percent` of this many processors, for at most all the time of the one thread that gives back; 0 is taken for
    /// the smallest share there is, so whoever wants none must not give back at all. The account is full.
    pub fn new(percent: u32, processors: u32) -> ReleasePacer {
        let share = (f64::from(percent) / 100.0 * f64::from(processors)).clamp(1e-6, 1.0);
        ReleasePacer { share, balance: share * SAVED }
    }

    /// How long to sleep now, in nanoseconds, after `worked` nanoseconds of processor time in giving back, when `elapsed`
    /// nanoseconds have passed since the last call.
    pub fn sleep_after(&mut self, worked: u64, elapsed: u64) -> u64 {
        let most = self.share * SAVED;
        let (worked, elapsed) = (worked as f64, elapsed as f64);
        self.balance = (self.balance + self.share * elapsed - worked).clamp(-most, most);
        let pace = (self.share + self.balance / SPREAD).clamp(self.share * SLOWEST, 1.0);
        trunc(worked / pace - worked).min(MAX_SLEEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_the_next_cycle_needs_and_a_margin() {
        let [reference, greyset] = [PacerKind::Reference, PacerKind::Greyset].map(|kind| {
            move |in_use, goal, last_goal, limit| ReleaseGoal::new(kind, in_use, goal, last_goal, limit)
        });
        assert_eq!(reference(100 * MIB, 50, 100, None).heap, 55 * MIB);
        assert_eq!(reference(100, 200, 100, None), ReleaseGoal { heap: 220, total: u64::MAX });
        assert_eq!(greyset(128 * MIB, 50, 100, None).heap, 65 * MIB);
        for goal in [reference, greyset] {
            assert_eq!(goal(100, 200, 0, Some(1000)), ReleaseGoal { heap: u64::MAX, total: 950 });
            assert_eq!(goal(u64::MAX, u64::MAX, 1, None).heap, u64::MAX);
        }
    }

    #[test]
    fn the_larger_excess_counts() {
        let goal = ReleaseGoal { heap: 100, total: 1000 };
        assert_eq!(goal.excess(100, 1000), 0);
        assert_eq!(goal.excess(150, 1020), 50);
        assert_eq!(goal.excess(150, 1070), 70);
        assert_eq!(goal.excess(0, 0), 0);
    }

    /// Gives back for so many simulated seconds, calls of `cost` nanoseconds and sleeps longer than asked by `oversleep`; the processor
    /// time used, in seconds.
    fn used(
        pacer: &mut ReleasePacer,
        seconds: u64,
        mut cost: impl FnMut(u64) -> u64,
        mut oversleep: impl FnMut(u64) -> u64,
    ) -> f64 {
        let (mut elapsed, mut clock, mut used) = (0, 0u64, 0u64);
        for round in 0.. {
            let worked = cost(round);
            let sleep = pacer.sleep_after(worked, elapsed + worked);
            used += worked;
            elapsed = sleep + oversleep(sleep);
            clock += worked + elapsed;
            if clock > seconds * 1_000_000_000 {
                break;
            }
        }
        used as f64 / 1e9
    }

    /// The share used in the second half of an hour.
    fn steady_share(percent: u32, cost: impl Fn(u64) -> u64, oversleep: impl Fn(u64) -> u64) -> f64 {
        let mut pacer = ReleasePacer::new(percent, 1);
        used(&mut pacer, 1800, &cost, &oversleep);
        used(&mut pacer, 1800, cost, oversleep) / 1800.0
    }

    #[test]
    fn the_share_is_held() {
        let exact = |_| 0;
        let close =
            |share: f64, wanted: f64| assert!((share / wanted - 1.0).abs() < 0.03, "{share} {wanted}");
        close(steady_share(1, |_| 50_000, exact), 0.01);
        close(steady_share(1, |_| 1_000_000, exact), 0.01);
        close(steady_share(5, |_| 1_000_000, exact), 0.05);
        close(steady_share(50, |_| 50_000, exact), 0.5);
        // A system that sleeps twice as long as asked, or half a millisecond longer, and calls whose cost varies tenfold.
        close(steady_share(1, |_| 1_000_000, |sleep| sleep), 0.01);
        close(steady_share(2, |_| 60_000, |_| 500_000), 0.02);
        close(steady_share(1, |round| 200_000 + 200_000 * (round * 7 % 10), exact), 0.01);
    }

    #[test]
    fn what_was_saved_is_spent_after_a_peak_and_no_more() {
        let mut pacer = ReleasePacer::new(1, 2);
        let first = pacer.sleep_after(60_000, 60_000);
        assert!((940_000..941_000).contains(&first), "{first}: three times the share, 6 % of one processor");
        let ten = used(&mut pacer, 10, |_| 60_000, |_| 0);
        assert!((0.27..0.281).contains(&ten), "{ten} of 10 + 4 seconds' share");
        let more = used(&mut pacer, 10, |_| 60_000, |_| 0);
        assert!((0.199..0.203).contains(&more), "{more}: nothing is saved any more");
        // An hour off is worth four seconds.
        pacer.sleep_after(0, 3_600_000_000_000);
        assert_eq!(pacer, ReleasePacer::new(1, 2));
    }

    #[test]
    fn a_dear_call_is_paid_for_but_not_for_ever() {
        let mut pacer = ReleasePacer::new(1, 1);
        let second = 1_000_000_000;
        assert_eq!(pacer.sleep_after(10 * second, 10 * second), MAX_SLEEP);
        assert_eq!(pacer.sleep_after(60_000, 0), 60_000 * 1599, "a sixteenth of the share");
        pacer.sleep_after(0, 4 * second + 6_000_000);
        let sleep = pacer.sleep_after(60_000, 0);
        assert!((5_000_000..7_000_000).contains(&sleep), "{sleep}: the share again");
    }

    proptest! {
        #[test]
        fn no_panic(percent: u32, processors: u32, steps: Vec<(u64, u64)>, a: u64, b: u64, c: u64, limit: Option<u64>) {
            let goal = ReleaseGoal::new(PacerKind::Greyset, a, b, c, limit);
            prop_assert!(goal.excess(a, b) <= a.max(b));
            let mut pacer = ReleasePacer::new(percent, processors);
            for (worked, elapsed) in steps {
                prop_assert!(pacer.sleep_after(worked, elapsed) <= MAX_SLEEP);
                prop_assert!(pacer.balance.is_finite());
            }
        }
    }
}
