//! Assists: what an allocation owes while marking runs, so that marking ends before the heap passes its goal.
//!
//! The ratio is revised whenever live heap or scan work change much. Credit that background markers earn pays first; only the
//! rest is worked off by the mutator. The scheme is Go's (its concurrent collector's design, revised in 44167).

use super::expected::PacerKind;
use super::goal::hard_goal;
use crate::config::Gogc;

/// Work that counts as left at least, in bytes: near the end an estimate of "nothing left" must not stop assists.
const MIN_WORK_LEFT: u64 = 1000;
/// How far the goal moves when it has been passed, with each pacer. What is promised of ours is 5 %.
fn overshoot(kind: PacerKind) -> f64 {
    match kind {
        PacerKind::Reference => 1.1,
        PacerKind::Greyset => 1.04,
    }
}

/// Where a goal is put that signed bytes of 64 bits cannot hold: next to nothing is owed until then.
const OUT_OF_REACH: u64 = 1 << 63;
/// Work of one assist at least, in bytes: what exceeds the debt is credit for later allocations.
const MIN_ASSIST: u64 = 64 << 10;

/// Rounds towards zero into `u64`; negative numbers and NaN become 0, what is too large becomes the largest.
pub(super) fn trunc(value: f64) -> u64 {
    value as u64
}

/// Where a running cycle stands. All quantities in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// Live heap when the cycle was triggered (T).
    pub triggered: u64,
    /// The cycle's goal.
    pub goal: u64,
    /// Live heap now: everything allocated and not yet found dead.
    pub live: u64,
    /// Scan work done so far, heap and roots.
    pub done: u64,
    /// Scan work the last cycle had to do (Lh + Ls + G): what is expected of this one.
    pub expected: u64,
    /// Scan work if everything turns out live: scannable heap, mutators' roots, heap-wide roots.
    pub worst: u64,
}

/// What an allocated byte owes.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct AssistRatio {
    /// Bytes of scan work owed for an allocated byte.
    pub work_per_byte: f64,
    /// Its inverse: bytes of allocation paid by a byte of scan work.
    pub bytes_per_work: f64,
    /// The goal, moved out by (1) if there is more work than expected; bytes.
    pub goal: u64,
}

/// The ratio at which the rest of the work is done when the heap reaches its goal.
///
/// ```text
/// 1. done > E: goal' = T + (goal − T)/E·X, at most (1 + GOGC/100)·goal; E = X
/// 2. live > goal: goal = 1.1·goal (1.04 with `PacerKind::Greyset`); E = X
/// 3. ratio = max(E − done, 1000) / max(goal − live, 1)
/// ```
/// E is the expected and X the worst work. (1) More work than expected: the goal moves out in proportion, with a bound.
/// (2) Beyond the goal: be quick, but not at any price. A goal of 2⁶³ bytes or more is out of reach in both; an expected work
/// of 0 moves it there.
pub fn ratio(kind: PacerKind, gogc: Gogc, at: &Standing) -> AssistRatio {
    let (mut goal, mut expected) = (at.goal, at.expected);
    if at.done > expected {
        goal = moved_goal(gogc, at);
        expected = at.worst;
    }
    let aimed = goal;
    if at.live > goal {
        goal = trunc(goal as f64 * overshoot(kind)).min(OUT_OF_REACH);
        expected = at.worst;
    }
    let work = expected.saturating_sub(at.done).max(MIN_WORK_LEFT);
    let room = goal.saturating_sub(at.live).max(1);
    AssistRatio {
        work_per_byte: work as f64 / room as f64,
        bytes_per_work: room as f64 / work as f64,
        goal: aimed,
    }
}

/// The goal by rule 1 of [`ratio`], in bytes.
///
/// The published pacer computes in signed numbers of 64 bits. Where they overflow, in the distance or in its bound (GOGC off
/// and no limit), the goal is so far beyond all memory that no allocation owes anything, and it is the same here.
fn moved_goal(gogc: Gogc, at: &Standing) -> u64 {
    // Signed: a goal from the memory limit may lie below the trigger, and then moves towards 0.
    let distance = i128::from(at.goal) - i128::from(at.triggered);
    let further = distance as f64 / at.expected as f64 * at.worst as f64;
    let bound = hard_goal(gogc, at.goal);
    // An expected work of 0 makes it infinite or no number.
    let held = further.abs() < OUT_OF_REACH as f64 && bound < OUT_OF_REACH;
    if !held {
        return OUT_OF_REACH;
    }
    let moved = i128::from(at.triggered) + further as i128;
    u64::try_from(moved.max(0)).unwrap_or(u64::MAX).min(bound)
}

/// An assist to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assist {
    /// Scan work to do, in bytes.
    pub work: u64,
    /// Allocated bytes it pays for, the debt included; what exceeds the debt is the mutator's credit.
    pub pays: u64,
}

/// Room above a goal before mutators brake, at least, in bytes; and above one that the memory limit decides.
const BRAKING_ROOM: [u64; 2] = [512 << 10, 1 << 20];

/// The heap beyond which a mutator rests when nothing that it could do brings the cycle on: a 25th above the goal, 512 KiB at
/// least; 1 MiB if the memory limit decides the goal.
///
/// Assists bound the heap only while there is grey to be had. When the collector's thread has it all, or a phase is to change, and
/// the thread is not given a processor, nothing else does.
pub fn ceiling(goal: u64, limited: bool) -> u64 {
    let [least, beside_limit] = BRAKING_ROOM;
    let room = if limited { beside_limit } else { (goal / 25).max(least) };
    goal.saturating_add(room)
}

impl AssistRatio {
    /// Scan work in bytes owed for an allocation of `bytes`: `⌊ratio·b⌋`.
    pub fn owed(&self, bytes: u64) -> u64 {
        trunc(self.work_per_byte * bytes as f64)
    }

    /// Allocated bytes that `work` bytes of scan work pay for, rounded down: how work becomes credit.
    pub fn paid_by(&self, work: u64) -> u64 {
        trunc(self.bytes_per_work * work as f64)
    }

    /// The assist that works off a debt of `bytes` allocated: what is owed, at least 64 KiB so that the cost of getting
    /// at work is spread.
    pub fn assist(&self, bytes: u64) -> Assist {
        let work = self.owed(bytes);
        if work >= MIN_ASSIST {
            Assist { work, pays: bytes }
        } else {
            Assist { work: MIN_ASSIST, pays: self.paid_by(MIN_ASSIST).max(bytes) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory_limit::{MemoryUse, limit_goal};
    use super::*;
    use proptest::prelude::*;

    const REFERENCE: PacerKind = PacerKind::Reference;

    const START: Standing = Standing {
        triggered: 1_000_000,
        goal: 2_000_000,
        live: 1_000_000,
        done: 0,
        expected: 500_000,
        worst: 4_000_000,
    };

    fn work_per_byte(at: Standing) -> f64 {
        ratio(REFERENCE, Gogc::Percent(100), &at).work_per_byte
    }

    #[test]
    fn expected_work_over_the_way_to_the_goal() {
        assert_eq!(work_per_byte(START), 0.5);
        assert_eq!(work_per_byte(Standing { live: 1_500_000, done: 400_000, ..START }), 0.2);
    }

    #[test]
    fn a_thousand_units_are_always_left() {
        assert_eq!(work_per_byte(Standing { done: 500_000, ..START }), 0.001);
        assert_eq!(work_per_byte(Standing { done: 499_001, ..START }), 0.001);
        assert_eq!(work_per_byte(Standing { done: 498_000, ..START }), 0.002);
    }

    #[test]
    fn more_work_than_expected_moves_the_goal() {
        // (2M − 1M)/500k·1.5M = 3M further than T, at most twice the goal; all 1.5M are now expected.
        let at = Standing { done: 500_001, worst: 1_500_000, ..START };
        assert_eq!(work_per_byte(at), (1_500_000 - 500_001) as f64 / 3_000_000.0);
        let far = Standing { done: 500_001, ..START };
        assert_eq!(work_per_byte(far), (4_000_000 - 500_001) as f64 / 3_000_000.0);
        let off = ratio(REFERENCE, Gogc::Off, &far).work_per_byte;
        assert_eq!(off, (4_000_000 - 500_001) as f64 / 8_000_000.0);
    }

    #[test]
    fn a_goal_that_cannot_be_held_is_out_of_reach() {
        let far = |work: u64, live: u64| work as f64 / (OUT_OF_REACH - live) as f64;
        // Nothing was expected: no division by zero.
        let none = Standing { expected: 0, done: 1, ..START };
        assert_eq!(ratio(REFERENCE, Gogc::Percent(100), &none).goal, OUT_OF_REACH);
        assert_eq!(work_per_byte(none), far(4_000_000 - 1, 1_000_000));
        assert_eq!(work_per_byte(Standing { goal: 1_000_000, worst: 0, ..none }), far(1000, 1_000_000));
        // GOGC off and no limit: the heap begins to collect 4 MiB before the end of the numbers.
        let goal = limit_goal(i64::MAX as u64, &MemoryUse::default(), 0);
        let triggered = goal - (4 << 20);
        let all = Standing { triggered, goal, live: triggered, done: 600_000, ..START };
        let off = |at| ratio(REFERENCE, Gogc::Off, &at).work_per_byte;
        assert_eq!(off(all), far(4_000_000 - 600_000, triggered));
        assert_eq!(off(Standing { worst: goal, ..all }), far(goal - 600_000, triggered));
        // Beyond it, a tenth more is too much, too.
        assert_eq!(off(Standing { live: goal + 1, done: 0, ..all }), far(4_000_000, goal + 1));
        // Large numbers are not rounded before they are subtracted.
        let held = Standing { triggered: (1 << 60) + 1, goal: (1 << 60) + 101, live: 1 << 60, ..START };
        let at = Standing { worst: 1_000_000, done: 500_001, ..held };
        assert_eq!(ratio(REFERENCE, Gogc::Percent(100), &at).goal, (1 << 60) + 201);
    }

    #[test]
    fn beyond_the_goal_the_worst_case_is_assumed() {
        let at = Standing { live: 2_100_000, done: 400_000, ..START };
        assert_eq!(work_per_byte(at), (4_000_000 - 400_000) as f64 / 100_000.0);
        let ours = ratio(PacerKind::Greyset, Gogc::Percent(100), &Standing { live: 2_050_000, ..at });
        assert_eq!(ours.work_per_byte, (4_000_000 - 400_000) as f64 / 30_000.0);
        let hopeless = Standing { live: 9_000_000, done: 400_000, ..START };
        assert_eq!(work_per_byte(hopeless), (4_000_000 - 400_000) as f64);
        // Both rules at once.
        let both = Standing { live: 4_300_000, done: 600_000, ..START };
        assert_eq!(work_per_byte(both), (4_000_000 - 600_000) as f64 / 100_000.0);
    }

    #[test]
    fn a_goal_below_the_trigger() {
        // The memory limit left a goal below what was live: as if passed.
        let at = Standing { goal: 500_000, done: 600_000, ..START };
        assert_eq!(work_per_byte(at), (4_000_000 - 600_000) as f64);
    }

    #[test]
    fn the_ceiling_follows_the_goal_that_assists_aim_at() {
        assert_eq!([false, true].map(|limited| ceiling(4 << 20, limited)), [9 << 19, 5 << 20]);
        assert_eq!([false, true].map(|limited| ceiling(100 << 20, limited)), [104 << 20, 101 << 20]);
        assert_eq!(ceiling(u64::MAX, false), u64::MAX);
        assert_eq!(
            ratio(REFERENCE, Gogc::Percent(100), &Standing { live: 2_000_001, ..START }).goal,
            START.goal
        );
        assert_eq!(ratio(REFERENCE, Gogc::Percent(100), &START).goal, START.goal);
        // Ten times the work that was expected.
        let grown = Standing { done: 600_000, ..START };
        assert_eq!(ratio(REFERENCE, Gogc::Percent(100), &grown).goal, 2 * START.goal);
    }

    #[test]
    fn debts_are_worked_off_in_lumps() {
        let ratio = AssistRatio { work_per_byte: 0.5, bytes_per_work: 2.0, goal: 0 };
        assert_eq!((ratio.owed(1001), ratio.paid_by(500)), (500, 1000));
        assert_eq!(ratio.assist(1000), Assist { work: 64 << 10, pays: 128 << 10 });
        assert_eq!(ratio.assist(1 << 20), Assist { work: 512 << 10, pays: 1 << 20 });
    }

    proptest! {
        #[test]
        fn always_a_positive_number(
            triggered: u64, goal: u64, live: u64, done: u64, expected: u64, worst: u64, percent: u32, off: bool,
            shift in 0u32..64, bytes: u64, ours: bool
        ) {
            let kind = if ours { PacerKind::Greyset } else { REFERENCE };
            let gogc = if off { Gogc::Off } else { Gogc::Percent(percent) };
            let s = |value: u64| value >> shift;
            let at = Standing {
                triggered: s(triggered), goal: s(goal), live: s(live), done: s(done), expected: s(expected), worst: s(worst),
            };
            let ratio = ratio(kind, gogc, &at);
            for part in [ratio.work_per_byte, ratio.bytes_per_work] {
                prop_assert!(part.is_finite() && part > 0.0);
            }
            let assist = ratio.assist(bytes);
            prop_assert!(assist.work >= MIN_ASSIST && assist.pays >= bytes);
        }
    }
}
