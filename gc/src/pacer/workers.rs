//! How many processors mark while a cycle runs.
//!
//! The share of all processors (25 % unless set) becomes whole workers that do nothing but mark, and, where that would miss
//! the share by much, one that marks a fraction of its time.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }
}
