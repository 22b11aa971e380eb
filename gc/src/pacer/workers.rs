//! How many processors mark while a cycle runs.
//!
//! The share of all processors (25 % unless set) becomes whole workers that do nothing but mark, and, where that would miss
//! the share by much, one that marks a fraction of its time. Threads that the system schedules keep to their part by leaving
//! the processor for the rest of the time.

/// By how much whole workers may miss the share before a fractional one is used.
const MAX_MISS: f64 = 0.3;

/// The marking power of a cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Workers {
    /// Workers that mark all the time.
    pub dedicated: u32,
    /// Share of *every* processor's time that a fractional worker may mark on it, 0 to 1; 0 is none.
    pub fractional: f64,
    /// Further workers that may mark while their processor has nothing else to do.
    pub idle: u32,
}

/// Splits `share` (0 to 1) of `processors` into workers.
///
/// `dedicated = ⌊P·U + 0.5⌋`; if that misses `P·U` by more than 30 %, rounded down, and `fractional = (P·U − dedicated)/P`.
pub fn split(processors: u32, share: f64) -> Workers {
    let power = f64::from(processors) * share;
    let mut dedicated = (power + 0.5) as u32;
    let mut fractional = 0.0;
    if power > 0.0 && (f64::from(dedicated) / power - 1.0).abs() > MAX_MISS {
        dedicated = power as u32;
        fractional = (power - f64::from(dedicated)) / f64::from(processors);
    }
    Workers { dedicated, fractional, idle: processors.saturating_sub(dedicated) }
}

/// Least share of its time that a worker is left.
const LEAST_DUTY: f64 = 0.05;
/// What is left of the workers' part where allocations pay.
const PAID: f64 = 0.125;

/// The share of its time that each of `workers` threads may work while `running` threads of the program want `processors` too;
/// `share` (0 to 1) of these is collection's.
///
/// 1 if there is a processor for everybody, else `min(P·U / workers, P / (workers + running))`: the workers' part of the share, and no
/// more than what falls to one thread of so many. That is what the fractional worker of [`split`] may do, for threads that the
/// system schedules: they cannot be put on a processor of their own, but they can leave one.
///
/// With `paid`, where allocations mark, an eighth of that part: what a worker takes from a mutator's processor it takes at any moment and for
/// a whole turn, while an assist is as short as `assist_max` says.
pub fn duty(processors: u32, share: f64, workers: u32, running: u32, paid: bool) -> f64 {
    let threads = f64::from(workers) + f64::from(running);
    let processors = f64::from(processors);
    if threads <= processors {
        return 1.0;
    }
    let part = if paid { PAID } else { 1.0 };
    let (ours, fair) = (processors * share * part / f64::from(workers.max(1)), processors / threads);
    ours.min(fair).clamp(LEAST_DUTY, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_worker_leaves_time_where_processors_are_short() {
        // One mutator and one worker have a processor each; two mutators and one have not.
        let unpaid = |processors, share, workers, running| duty(processors, share, workers, running, false);
        assert_eq!(unpaid(2, 0.25, 1, 1), 1.0);
        assert_eq!(unpaid(2, 0.25, 1, 2), 0.5);
        assert_eq!(unpaid(2, 0.5, 1, 2), 2.0 / 3.0, "the fair part of three threads");
        assert_eq!(unpaid(1, 0.25, 1, 1), 0.25);
        assert_eq!(unpaid(8, 0.25, 2, 6), 1.0);
        assert_eq!(unpaid(8, 0.25, 2, 7), 8.0 / 9.0);
        assert_eq!(unpaid(8, 0.25, 4, 8), 0.5, "two processors for four");
        assert_eq!(unpaid(1, 0.25, 1, 1000), LEAST_DUTY);
        assert_eq!(duty(2, 0.25, 1, 1, true), 1.0, "there is a processor for each");
        assert_eq!(duty(2, 0.25, 1, 2, true), 0.0625);
        assert_eq!(duty(1, 0.25, 1, 1, true), LEAST_DUTY);
    }

    #[test]
    fn a_quarter_of_one_to_sixteen_processors() {
        let table = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4];
        for (dedicated, processors) in table.into_iter().zip(1u32..) {
            let workers = split(processors, 0.25);
            assert_eq!(
                (workers.dedicated, workers.idle),
                (dedicated, processors - dedicated),
                "{processors}"
            );
            let fractional = match processors {
                1..=3 => 0.25,
                6 => 0.5 / 6.0,
                _ => 0.0,
            };
            assert_eq!(workers.fractional, fractional, "{processors}");
        }
    }

    #[test]
    fn other_shares() {
        assert_eq!(split(8, 0.9).dedicated, 7);
        assert_eq!(split(1, 0.9), Workers { dedicated: 1, fractional: 0.0, idle: 0 });
        // 1.4 processors: one worker misses by 29 %, which is let pass; 1.45 is too far.
        assert_eq!(split(14, 0.1).fractional, 0.0);
        assert_eq!(split(5, 0.29), Workers { dedicated: 1, fractional: (5.0 * 0.29 - 1.0) / 5.0, idle: 4 });
        assert_eq!(split(0, 0.25), Workers { dedicated: 0, fractional: 0.0, idle: 0 });
    }

    proptest! {
        #[test]
        fn close_to_the_share(processors in 1u32..4096, percent in 1u32..=90) {
            let share = f64::from(percent) / 100.0;
            let workers = split(processors, share);
            let (wanted, got) = (
                f64::from(processors) * share,
                f64::from(workers.dedicated) + workers.fractional * f64::from(processors),
            );
            prop_assert!((got / wanted - 1.0).abs() <= MAX_MISS + 1e-9, "{wanted} {got}");
            prop_assert!(workers.dedicated <= processors && (0.0..=1.0).contains(&workers.fractional));
        }

        #[test]
        fn nonsense_is_harmless(processors: u32, share: f64) {
            let _ = split(processors, share);
        }

        #[test]
        fn duty_is_a_share(processors: u32, percent in 1u32..=90, workers in 1u32..=256, running: u32, paid: bool) {
            let duty = duty(processors, f64::from(percent) / 100.0, workers, running, paid);
            prop_assert!((LEAST_DUTY..=1.0).contains(&duty), "{duty}");
        }
    }
}
