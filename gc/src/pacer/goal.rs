//! The heap goal: how large the heap may be when marking ends.
//!
//! Two goals meet here. Growth (GOGC, Go's quantity since 1.0, with the roots counted since design 44167): the heap may
//! grow by so many percent of what survived. The memory limit: see `memory_limit`. The smaller one counts.

use super::assist::trunc;
use crate::config::Gogc;

/// Bytes that must fit between the end of a cycle and the next trigger while sweeping is not done, so that it gets done.
const SWEEP_DISTANCE: u64 = 1 << 20;
/// Bytes that the goal of a running cycle is beyond its trigger at least.
const MIN_RUNWAY: u64 = 64 << 10;

/// Smallest heap goal in bytes: `minHeap · GOGC/100`.
///
/// Without it a tiny heap would collect all the time. `min_heap` is the value at GOGC 100 (4 MiB unless set).
pub fn heap_min(min_heap: u64, gogc: Gogc) -> u64 {
    match gogc {
        Gogc::Percent(percent) => scaled(min_heap, percent),
        Gogc::Off => u64::MAX,
    }
}

/// Of the smallest heap goal, what counts where nothing lives: 1.5 MiB, which a second-level cache of today has room for.
const NOTHING_LIVES: (u64, u64) = (3, 8);
/// So many times what lives is allocated between two cycles at least, as long as the smallest goal allows.
const LEAST_GROWTH: u64 = 32;

/// Smallest heap goal in bytes after a cycle that took `basis` bytes to live: `min(heapMin, max(3/8 · heapMin, 32 · basis))`.
///
/// `heapMin` keeps a small heap from being marked all the time. Where next to nothing is marked there is nothing to save, and what
/// is allocated goes round in the less memory the better (decisions/0020). Ours; the reference has `heapMin` always.
pub fn least_goal(heap_min: u64, basis: u64) -> u64 {
    let (part, of) = NOTHING_LIVES;
    heap_min.min((heap_min / of * part).max(basis.saturating_mul(LEAST_GROWTH)))
}

/// `bytes · percent/100`, multiplied first and without overflow.
fn scaled(bytes: u64, percent: u32) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

/// The goal from growth in bytes: `max(heapMin, M + basis·GOGC/100)`; `u64::MAX` when GOGC is off.
///
/// `basis` is what is taken to live: M + Ls + G in the reference, less what was allocated black and is taken to be dead in
/// ours. Roots (`Ls` of mutators, `G` of the heap) count because marking costs what they cost, whoever owns the bytes.
pub fn growth_goal(gogc: Gogc, heap_min: u64, marked: u64, basis: u64) -> u64 {
    match gogc {
        Gogc::Off => u64::MAX,
        Gogc::Percent(percent) => heap_min.max(marked.saturating_add(scaled(basis, percent))),
    }
}

/// Smallest heap size in bytes at which the next cycle may begin: `live + 1 MiB` while sweeping is not done, else 0.
pub fn sweep_min(live: u64, swept: bool) -> u64 {
    if swept { 0 } else { live.saturating_add(SWEEP_DISTANCE) }
}

/// The goal that counts, and what follows from which one it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeapGoal {
    /// Bytes the heap should not pass before marking ends.
    pub bytes: u64,
    /// Lower bound of the trigger in bytes.
    pub min_trigger: u64,
    /// The memory limit decided, not growth.
    pub limited: bool,
}

/// Chooses between the goal from growth and that from the memory limit, in bytes.
///
/// The limit's goal counts when it is smaller, and then nothing may push it up. Else the goal is
/// `max(growth, sweepMin)`, and while a cycle runs at least `T + 64 KiB`, where `triggered` = T is the live heap when it
/// was triggered: a cycle that begins late (a large allocation) must not start beyond its goal.
pub fn heap_goal(growth: u64, limit: u64, sweep_min: u64, triggered: Option<u64>) -> HeapGoal {
    if limit < growth {
        return HeapGoal { bytes: limit, min_trigger: 0, limited: true };
    }
    let least = triggered.map_or(0, |triggered| triggered.saturating_add(MIN_RUNWAY));
    HeapGoal { bytes: growth.max(sweep_min).max(least), min_trigger: sweep_min, limited: false }
}

/// How far the goal of a running cycle may be stretched: `(1 + GOGC/100)·goal`, in bytes. GOGC off counts as 100 000.
///
/// When a cycle finds more work than expected, its goal is moved out in proportion, but never beyond what the heap would
/// reach by the next goal anyway.
pub fn hard_goal(gogc: Gogc, goal: u64) -> u64 {
    let percent = match gogc {
        Gogc::Percent(percent) => percent,
        Gogc::Off => 100_000,
    };
    trunc((1.0 + f64::from(percent) / 100.0) * goal as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn growth_counts_the_roots() {
        let goal = |gogc, marked| growth_goal(gogc, heap_min(4 * MIB, gogc), marked, marked + 3 * MIB);
        assert_eq!(goal(Gogc::Percent(100), 10 * MIB), 23 * MIB);
        assert_eq!(goal(Gogc::Percent(50), 10 * MIB), 10 * MIB + 13 * MIB / 2);
        assert_eq!(goal(Gogc::Percent(1500), 0), 60 * MIB);
        assert_eq!(goal(Gogc::Off, 10 * MIB), u64::MAX);
        // Multiplied before divided: 1 % of 199 bytes is one byte.
        assert_eq!(growth_goal(Gogc::Percent(1), 0, 199, 199), 200);
    }

    #[test]
    fn where_little_lives_the_heap_stays_small() {
        assert_eq!(least_goal(4 * MIB, 0), 3 * MIB / 2);
        assert_eq!(least_goal(4 * MIB, 64 << 10), 2 * MIB);
        assert_eq!(least_goal(4 * MIB, 128 << 10), 4 * MIB);
        assert_eq!(least_goal(4 * MIB, u64::MAX), 4 * MIB);
        assert_eq!(least_goal(u64::MAX, 0), u64::MAX / 8 * 3);
    }

    #[test]
    fn sweeping_needs_a_mebibyte() {
        assert_eq!(sweep_min(5 * MIB, true), 0);
        assert_eq!(sweep_min(5 * MIB, false), 6 * MIB);
        // A tiny smallest heap: the goal waits for the sweep, and so does the trigger.
        let goal = heap_goal(400_000, u64::MAX, sweep_min(300_000, false), None);
        assert_eq!(goal, HeapGoal { bytes: 300_000 + MIB, min_trigger: 300_000 + MIB, limited: false });
    }

    #[test]
    fn a_running_cycle_has_a_runway_of_64_kib() {
        let at = |triggered| heap_goal(4 * MIB, u64::MAX, 0, Some(triggered)).bytes;
        assert_eq!(at(3 * MIB), 4 * MIB);
        assert_eq!(at(4 * MIB - (64 << 10)), 4 * MIB);
        assert_eq!(at(4 * MIB - (64 << 10) + 1), 4 * MIB + 1);
        assert_eq!(at(9 * MIB), 9 * MIB + (64 << 10));
    }

    #[test]
    fn nothing_pushes_up_the_limit() {
        let goal = heap_goal(10 * MIB, 9 * MIB, 20 * MIB, Some(30 * MIB));
        assert_eq!(goal, HeapGoal { bytes: 9 * MIB, min_trigger: 0, limited: true });
        assert!(!heap_goal(9 * MIB, 9 * MIB, 0, None).limited);
    }

    #[test]
    fn the_hard_goal_is_one_growth_further() {
        assert_eq!(hard_goal(Gogc::Percent(100), 1000), 2000);
        assert_eq!(hard_goal(Gogc::Percent(50), 1001), 1501);
        assert_eq!(hard_goal(Gogc::Off, 1000), 1_001_000);
        assert_eq!(hard_goal(Gogc::Off, u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn goals_are_in_order(
            percent in 0u32..=100_000, marked: u64, basis: u64, min: u64, limit: u64, t: u64, swept: bool,
            shift in 0u32..64
        ) {
            let (marked, gogc) = (marked >> shift, Gogc::Percent(percent));
            let growth = growth_goal(gogc, heap_min(min >> shift, gogc), marked, basis >> shift);
            prop_assert!(growth >= marked);
            let goal = heap_goal(growth, limit >> shift, sweep_min(marked, swept), Some(t >> shift));
            prop_assert!(goal.min_trigger <= goal.bytes);
            prop_assert!(goal.limited || goal.bytes >= growth);
            prop_assert!(hard_goal(gogc, goal.bytes) >= goal.bytes / 2);
        }
    }
}
