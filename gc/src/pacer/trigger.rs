//! The trigger: the heap size at which a cycle begins, so that it ends at the goal.
//!
//! It is the goal less the runway, kept between two bounds: not so early that collection never stops, not so late that one
//! wrong guess passes the goal.

/// The distance from live to goal is cut into this many parts; `EARLIEST` and `LATEST` count them.
const PARTS: u64 = 64;
/// A cycle begins after 45/64 (70 %) of the distance at the earliest: else it would run nearly all the time.
const EARLIEST: u64 = 45;
/// And after 61/64 (95 %) at the latest, unless that leaves more than `MAX_LEFT`.
const LATEST: u64 = 61;
/// Bytes that need not be left before the goal when less than 3/64 would be more: large heaps may begin later.
const MAX_LEFT: u64 = 4 << 20;

/// The heap size in bytes at which to begin, never above `goal`.
///
/// ```text
/// M ≥ goal: goal
/// d       = (goal − M)/64
/// lo      = max(minTrigger, M, M + 45·d)
/// hi      = max(M + 61·d, goal − 4 MiB, lo)         (goal − 4 MiB only when goal > 4 MiB)
/// trigger = clamp(goal − runway, lo, hi)            (lo when runway > goal)
/// ```
pub fn trigger(goal: u64, min_trigger: u64, marked: u64, runway: u64) -> u64 {
    if marked >= goal {
        return goal;
    }
    let part = (goal - marked) / PARTS;
    let lo = min_trigger.max(marked + EARLIEST * part).min(goal);
    let hi = (marked + LATEST * part).max(goal.saturating_sub(MAX_LEFT)).max(lo);
    goal.saturating_sub(runway).clamp(lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn between_seventy_and_ninety_five_percent() {
        let of = |runway| trigger(1064, 0, 1000, runway);
        assert_eq!(
            [of(0), of(3), of(4), of(18), of(19), of(20), of(5000)],
            [1061, 1061, 1060, 1046, 1045, 1045, 1045]
        );
        // Integer division first: with 127 bytes of distance a part is one byte.
        assert_eq!(trigger(1127, 0, 1000, 0), 1061);
    }

    #[test]
    fn a_large_heap_may_leave_four_mebibytes() {
        assert_eq!(trigger(512 * MIB, 0, 0, 0), 508 * MIB);
        assert_eq!(trigger(64 * MIB, 0, 0, 0), 61 * MIB);
        assert_eq!(trigger(4 * MIB, 0, 0, 0), 3_997_696);
    }

    #[test]
    fn bounds_that_meet() {
        assert_eq!(trigger(1000, 0, 1000, 0), 1000);
        assert_eq!(trigger(1000, 0, 2000, 7), 1000);
        assert_eq!(trigger(2000, 1990, 0, 1000), 1990); // sweeping must end first, though 61/64 is less
        assert_eq!(trigger(10, 0, 1, 3), 1); // a distance below 64 bytes has parts of 0: both bounds are M
    }

    proptest! {
        #[test]
        fn never_beyond_the_goal_nor_before_live(goal: u64, min: u64, marked: u64, runway: u64, shift in 0u32..64) {
            let (goal, marked) = (goal >> shift, marked >> shift);
            let trigger = trigger(goal, min >> shift, marked, runway >> shift);
            prop_assert!(trigger <= goal);
            prop_assert!(trigger >= marked.min(goal));
        }

        #[test]
        fn a_longer_runway_never_begins_later(goal: u64, marked: u64, a: u64, b: u64, shift in 0u32..64) {
            let of = |runway: u64| trigger(goal >> shift, 0, marked >> shift, runway >> shift);
            prop_assert!(of(a.max(b)) <= of(a.min(b)));
        }
    }
}
