//! The size that the heap has reached: up to it memory is used, beyond it memory is taken in steps.
//!
//! A goal that follows what is live at once has two costs. After a peak the heap collects most often just when it has memory
//! to spare: that goes back slowly, as it must, and lies idle until then. And one cycle that finds much alive (a tree about to
//! be dropped, a buffer being copied) takes memory for a goal that the next cycle does not need any more; the process keeps the
//! peak. So the size R that the heap has had as a goal and has reached is remembered, and forgotten by halves as time passes:
//!
//! - the goal is R at least;
//! - a goal beyond R is for a size that two cycles in a row have asked for. One alone gets half of its room for growth, or a
//!   twentieth more than R.
//!
//! Go has neither: its goal follows each cycle, its scavenger gives back at 1 % of a processor what lies idle meanwhile.

use super::assist::trunc;

/// Half-life unless set, in nanoseconds: two seconds, in which the background gives some hundred MiB back.
pub const HALF_LIFE: u64 = 2_000_000_000;
/// Beyond what has been reached, as a share of it, without a second cycle that asks for it.
const STEP: f64 = 0.05;

/// The size reached, and what was last asked for.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reached {
    /// R in bytes, as of the time that was last told.
    size: f64,
    /// The goal from growth of the cycle before this one, in bytes.
    asked: u64,
}

impl Reached {
    /// A cycle has ended in a heap of so many bytes. Its goal was `goal`, and would have been `asked` from growth alone.
    ///
    /// What passes its goal is not reached for good: it would go on growing.
    pub fn end_cycle(&mut self, heap: u64, goal: u64, asked: u64) {
        self.size = self.size.max(heap.min(goal) as f64);
        self.asked = asked;
    }

    /// `ns` nanoseconds have passed, of which `half_life` halve what is remembered: `R · 2^(−ns/halfLife)`.
    pub fn pass(&mut self, ns: u64, half_life: u64) {
        self.size *= (-(ns as f64) / half_life.max(1) as f64).exp2();
    }

    /// What is beyond `goal` bytes is remembered no longer: somebody wants memory back.
    pub fn forget_beyond(&mut self, goal: u64) {
        self.size = self.size.min(goal as f64);
    }

    /// R: the smallest goal, in bytes.
    pub fn size(&self) -> u64 {
        trunc(self.size)
    }

    /// How much of the goal from growth `asked`, after `marked` bytes were found live, is granted, in bytes:
    /// `min(asked, max(least, M + (asked − M)/2, 1.05·R, asked before))`.
    pub fn grant(&self, asked: u64, marked: u64, least: u64) -> u64 {
        let half = marked.saturating_add(asked.saturating_sub(marked) / 2);
        let step = trunc(self.size * (1.0 + STEP));
        asked.min(least.max(half).max(step).max(self.asked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const S: u64 = 1_000_000_000;

    fn after(heap: u64, goal: u64, asked: u64) -> Reached {
        let mut reached = Reached::default();
        reached.end_cycle(heap, goal, asked);
        reached
    }

    #[test]
    fn the_largest_size_is_forgotten_by_halves() {
        let mut reached = after(1000, 1000, 1000);
        reached.end_cycle(500, 500, 500);
        assert_eq!(reached.size(), 1000);
        reached.pass(2 * S, 2 * S);
        assert_eq!(reached.size(), 500);
        (0..4).for_each(|_| reached.pass(S, 4 * S));
        assert!((249..=250).contains(&reached.size()), "{reached:?}");
        let before = reached;
        reached.pass(0, 2 * S);
        assert_eq!(reached, before);
        reached.end_cycle(400, 500, 500);
        assert_eq!(reached.size(), 400);
        reached.forget_beyond(300);
        assert_eq!(reached.size(), 300);
        reached.forget_beyond(u64::MAX);
        assert_eq!(reached.size(), 300);
    }

    #[test]
    fn what_passes_the_goal_is_not_reached() {
        assert_eq!(after(1200, 1000, 1000).size(), 1000);
    }

    #[test]
    fn a_size_is_granted_when_two_cycles_ask_for_it() {
        let mut reached = after(1000, 1000, 1000);
        assert_eq!(reached.grant(1040, 520, 0), 1040, "a twentieth more");
        assert_eq!(reached.grant(1800, 900, 0), 1350, "half of the room");
        assert_eq!(reached.grant(1200, 600, 0), 1050, "the step is more");
        reached.end_cycle(1350, 1350, 1800);
        assert_eq!(reached.grant(1800, 900, 0), 1800);
        assert_eq!(reached.grant(4000, 2000, 0), 3000);
        assert_eq!(Reached::default().grant(4000, 10, 4000), 4000, "an empty heap has its smallest goal");
    }

    proptest! {
        #[test]
        fn a_grant_is_between_what_lives_and_what_was_asked_for(
            heap: u64, goal: u64, before: u64, asked: u64, marked: u64, least: u64, ns: u64, half_life: u64
        ) {
            let mut reached = after(heap, goal, before);
            reached.pass(ns, half_life);
            let most = heap.min(goal);
            prop_assert!(reached.size() <= most.saturating_add(most >> 50), "{reached:?} of {most}");
            let granted = reached.grant(asked, marked.min(asked), least);
            prop_assert!((marked.min(asked)..=asked).contains(&granted));
        }
    }
}
