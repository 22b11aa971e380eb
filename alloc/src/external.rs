//! The account of bytes outside the heap that its objects keep alive, as the client reports them.
//!
//! Whoever puts bytes on the account keeps what [`External::charge`] answers, and takes off just that: so the account is the sum of
//! what is charged, whatever anybody has asked for, and is right again when a charge that was cut is gone. It never passes
//! [`External::MOST`], which leaves room to add it to any number of bytes that a machine has.

use greyset_sync::atomic::AtomicU64;
use greyset_sync::atomic::Ordering::Relaxed;
use std::fmt;

/// Bytes outside the heap; they count against the limit.
///
/// # Invariants
/// The bytes are the sum of all charges, and at most [`External::MOST`].
pub struct External(AtomicU64);

impl External {
    /// Most bytes of one charge: 64 PiB. No machine has as many, so whoever says more is wrong, and is to spoil as little as may be.
    pub const MOST_CHARGE: u64 = 1 << 56;
    /// Most bytes of all charges together: 4 EiB.
    pub const MOST: u64 = 1 << 62;

    pub(crate) fn new() -> External {
        External(AtomicU64::new(0))
    }

    /// Bytes on the account now.
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Makes a charge of `before` bytes, as this has answered (0: a new one), one of `after`. Answers what is charged from now on:
    /// `after`, but at most [`External::MOST_CHARGE`] and what the account has room for.
    #[must_use = "a charge takes off what it has put on"]
    pub fn charge(&self, before: u64, after: u64) -> u64 {
        let mut charged = 0;
        let change = |bytes: u64| {
            let others = bytes.saturating_sub(before);
            charged = after.min(External::MOST_CHARGE).min(External::MOST - others);
            Some(others + charged) // INVARIANT: at most `MOST`.
        };
        let _ = self.0.fetch_update(Relaxed, Relaxed, change);
        charged
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("External").field(&self.bytes()).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_account_takes_what_it_has_room_for() {
        let account = External::new();
        let charges: Vec<u64> = (0..70).map(|_| account.charge(0, u64::MAX)).collect();
        assert_eq!(charges.iter().filter(|&&charge| charge == External::MOST_CHARGE).count(), 64);
        assert_eq!((account.bytes(), charges[64..].iter().sum::<u64>()), (External::MOST, 0));
        // Growing never makes a charge smaller; there is room when another has gone.
        assert_eq!(account.charge(charges[0], u64::MAX), External::MOST_CHARGE);
        assert_eq!(account.charge(charges[1], 5), 5);
        assert_eq!(account.charge(0, 1000), 1000);
        charges[2..].iter().for_each(|&charge| assert_eq!(account.charge(charge, 0), 0));
        assert_eq!(account.bytes(), External::MOST_CHARGE + 5 + 1000);
    }

    #[test]
    fn threads_take_off_what_they_have_put_on() {
        let account = External::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let account = &account;
                scope.spawn(move || {
                    let mut charges = [0; 40];
                    for turn in 0..20_000u64 {
                        let charge = &mut charges[(turn * 7 % 40) as usize];
                        *charge = account.charge(*charge, if turn % 3 == thread { u64::MAX } else { turn });
                        assert!(account.bytes() <= External::MOST);
                    }
                    charges.iter().for_each(|&charge| _ = account.charge(charge, 0));
                });
            }
        });
        assert_eq!(account.bytes(), 0);
    }

    proptest! {
        #[test]
        fn the_account_is_the_sum_of_charges(
            steps in prop::collection::vec((0usize..100, any::<u64>(), 0u32..64), 0..400)
        ) {
            let account = External::new();
            let mut charges = [0u64; 100];
            for (at, bytes, shift) in steps {
                let wanted = bytes >> shift;
                let others = account.bytes() - charges[at];
                charges[at] = account.charge(charges[at], wanted);
                let room = External::MOST - others;
                prop_assert_eq!(charges[at], wanted.min(External::MOST_CHARGE).min(room));
                prop_assert_eq!(account.bytes(), charges.iter().sum::<u64>());
            }
            charges.iter().for_each(|&charge| _ = account.charge(charge, 0));
            prop_assert_eq!(account.bytes(), 0);
        }
    }
}
