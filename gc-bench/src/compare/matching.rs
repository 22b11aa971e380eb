//! Equal memory: finds the GOGC at which greyset's peak is that of a peer.
use crate::failure::Failure;

/// Peaks whose ratio is this close to 1 count as equal.
const EQUAL: f64 = 1.1;
/// The range of the search, in percent.
const LEAST: u32 = 10;
const MOST: u32 = 20_000;

/// What a search has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The setting.
    pub gogc: u32,
    /// Its peak, as a multiple of what was looked for.
    pub of_target: f64,
}

/// Are two peaks of this ratio equal, as far as that can be set?
pub fn is_equal(ratio: f64) -> bool {
    (1.0 / EQUAL..=EQUAL).contains(&ratio)
}

/// Looks for the setting whose peak is `target` bytes, given the peak at 100; the nearest one found in at most so many `tries`, close
/// or not. `peak` runs the program. Larger settings are expected to need more memory, roughly.
///
/// # Errors
/// Those of `peak`.
pub fn find(
    target: u64,
    at_100: u64,
    tries: usize,
    mut peak: impl FnMut(u32) -> Result<u64, Failure>,
) -> Result<Match, Failure> {
    let judged = |gogc, bytes: u64| Match { gogc, of_target: bytes as f64 / target.max(1) as f64 };
    let mut best = judged(100, at_100);
    let (mut low, mut high) = (LEAST, MOST);
    let mut last = best;
    for _ in 0..tries {
        if is_equal(best.of_target) {
            break;
        }
        if last.of_target < 1.0 {
            low = last.gogc;
        } else {
            high = last.gogc;
        }
        if high - low < 2 {
            break;
        }
        let gogc = next(low, high, last);
        last = judged(gogc, peak(gogc)?);
        if last.of_target.ln().abs() < best.of_target.ln().abs() {
            best = last;
        }
    }
    Ok(best)
}

/// Where to look next: where proportional growth would hit, if that is well inside, else the geometric middle.
fn next(low: u32, high: u32, last: Match) -> u32 {
    let (from, to) = (f64::from(low), f64::from(high));
    let middle = (from * to).sqrt();
    // A heap of `live * (1 + gogc / 100)`.
    let proportional = (100.0 + f64::from(last.gogc)) / last.of_target - 100.0;
    let inside = from * 1.02..to / 1.02;
    let step = if to / from > 2.0 && inside.contains(&proportional) { proportional } else { middle };
    (step.round() as u32).clamp(low + 1, high - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIES: usize = 8;

    #[test]
    fn no_more_tries_than_allowed() {
        let mut runs = 0;
        let found = find(1 << 40, 1, 3, |_| {
            runs += 1;
            Ok(1)
        });
        assert!(found.is_ok() && runs == 3, "{found:?}");
    }

    /// Peaks of a heap with so much live data and a base.
    fn heap(base: u64, live: u64) -> impl FnMut(u32) -> Result<u64, Failure> {
        move |gogc| Ok(base + live * (100 + u64::from(gogc)) / 100)
    }

    #[test]
    fn a_peak_within_reach_is_found() {
        for target in [30, 41, 60, 90, 200, 1000, 3000] {
            let found = find(target << 20, 45 << 20, TRIES, heap(5 << 20, 20 << 20)).expect("no failure");
            assert!(is_equal(found.of_target), "{target}: {found:?}");
        }
    }

    #[test]
    fn what_is_close_already_takes_no_run() {
        let found = find(100, 105, TRIES, |_| Err(Failure::Run("ran".to_owned())));
        assert_eq!(found, Ok(Match { gogc: 100, of_target: 1.05 }));
    }

    #[test]
    fn out_of_reach_gives_the_nearest() {
        let found = find(10 << 20, 45 << 20, TRIES, heap(5 << 20, 20 << 20)).expect("no failure");
        assert!(!is_equal(found.of_target) && found.gogc < 20, "{found:?}");
        // One that jumps over the target.
        let found = find(100, 50, TRIES, |gogc| Ok(if gogc < 500 { 60 } else { 150 })).expect("no failure");
        assert!(!is_equal(found.of_target) && found.of_target == 1.5, "{found:?}");
    }

    #[test]
    fn a_failing_run_ends_the_search() {
        assert!(find(100, 50, TRIES, |_| Err(Failure::Run("out of memory".to_owned()))).is_err());
    }
}
