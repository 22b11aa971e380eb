//! The runway: how many bytes mutators will allocate while a cycle marks.
//!
//! From Go's redesign (44167): the trigger is not a ratio that is steered by feedback but a distance that is computed, from
//! how fast mutators allocate against how fast markers mark (`cons_mark`) and how much there is to mark.

use super::assist::trunc;

/// Bytes allocated while `work` bytes are marked: `⌊consMark · (1 − U)/U · work⌋`.
///
/// `cons_mark` is bytes allocated per byte marked and CPU spent alike; mutators run on `1 − U` of the processors while
/// markers run on `U` = `share` of them. `work` = Lh + Ls + G is what the last cycle had to mark: the next one will be alike.
pub fn runway(cons_mark: f64, share: f64, work: u64) -> u64 {
    trunc(cons_mark * (1.0 - share) / share * work as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quarters_against_one() {
        assert_eq!(runway(0.5, 0.25, 1000), 1500);
        assert_eq!(runway(0.5, 0.5, 1000), 500);
        assert_eq!(runway(0.0001, 0.25, 3333), 0); // 0.9999 bytes
        assert_eq!(runway(0.0, 0.25, u64::MAX), 0);
    }

    #[test]
    fn nonsense_is_harmless() {
        assert_eq!(runway(f64::INFINITY, 0.25, 1), u64::MAX);
        assert_eq!(runway(f64::NAN, 0.25, 1), 0);
        assert_eq!(runway(f64::INFINITY, 0.25, 0), 0);
        assert_eq!(runway(1.0, 0.0, 1), u64::MAX);
    }
}
