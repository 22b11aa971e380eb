//! The account of bytes outside the heap: what objects are charged with, and what the program says by hand.
//!
//! Both count as live heap to the pacer and against both limits, and both go through [`Shared::charge`]. What dead objects are charged
//! with comes off when they are swept; the pacer then hears of it (`Pacing::sweep_done`). How much there can be on it says
//! [`greyset_alloc::External`].

use crate::heap::Shared;
use crate::zeal::{Asks, ZealState};
use greyset_alloc::External;
use greyset_sync::atomic::AtomicU64;
use greyset_sync::atomic::Ordering::Relaxed;
use greyset_sync::{Mutex, Rank};

/// What the account holds because the program has said so by hand.
///
/// # Invariants
/// Never more than is on the account besides all other charges: it grows after the account, and shrinks before it.
pub(crate) struct ByHand(AtomicU64);

impl ByHand {
    /// Nothing.
    pub(crate) fn new() -> ByHand {
        ByHand(AtomicU64::new(0))
    }
}

/// For the verifier, in heaps with zeal's `verify`: what is on the account, in a book of its own. It changes under one lock with the
/// account, so that the two can be compared at any time, whoever charges meanwhile.
pub(crate) struct Ledger(Option<Mutex<Sums>>);

/// What is on the account, by who has put it there.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Sums {
    values: u64,
    by_hand: u64,
}

/// Who puts bytes on the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    /// A [`Charged`](crate::Charged) value.
    Value,
    /// The program, by hand.
    Hand,
}

impl Ledger {
    /// An empty one, if the heap keeps one.
    pub(crate) fn new(zeal: &ZealState) -> Ledger {
        Ledger(zeal.asks(Asks::VERIFY).then(|| Mutex::new(Rank::Leaf, Sums::default())))
    }
}

impl Shared {
    /// What is wrong with the account of bytes outside the heap; it is known only if there is a ledger.
    pub(crate) fn wrong_external(&self) -> Option<String> {
        let ledger = self.ledger.0.as_ref()?;
        let sums = ledger.lock();
        let (Sums { values, by_hand }, said) = (*sums, self.external());
        let held = self.by_hand.0.load(Relaxed);
        drop(sums);
        if values.checked_add(by_hand) != Some(said) {
            return Some(format!(
                "the account says that {said} bytes outside the heap are charged; objects are charged with {values} and {by_hand} were \
                 reported by hand"
            ));
        }
        // INVARIANT: of `ByHand`.
        (held > by_hand)
            .then(|| format!("{held} bytes outside the heap may be taken off by hand; {by_hand} were put on"))
    }

    /// Makes a charge of `before` bytes one of `after`, on the account and in the ledger.
    fn book(&self, by: By, before: u64, after: u64) -> u64 {
        let Some(ledger) = &self.ledger.0 else { return self.alloc.external().charge(before, after) };
        let mut sums = ledger.lock();
        let charged = self.alloc.external().charge(before, after);
        let sum = match by {
            By::Value => &mut sums.values,
            By::Hand => &mut sums.by_hand,
        };
        // A charge that takes off more than it has put on shows: this sum has no lower end.
        *sum = sum.wrapping_sub(before).wrapping_add(charged);
        charged
    }

    /// Bytes outside the heap.
    pub(crate) fn external(&self) -> u64 {
        self.alloc.external().bytes()
    }

    /// A value that was charged with `before` bytes, as this has answered, is now to be charged with `after`. Answers with how many it
    /// is, `after` at most.
    pub(crate) fn charge(&self, before: u64, after: u64) -> u64 {
        self.charge_by(By::Value, before, after)
    }

    fn charge_by(&self, by: By, before: u64, after: u64) -> u64 {
        let charged = self.book(by, before, after);
        if charged <= before {
            self.account_correction(before - charged, 0);
            return charged;
        }
        let more = charged - before;
        if self.published.tracing() {
            // Nobody in particular: whoever takes the next run pays for it.
            self.pace.unpaid.fetch_add(more, Relaxed);
        }
        let live = self.pace.live.fetch_add(more, Relaxed).saturating_add(more);
        self.pace.peak.fetch_max(live, Relaxed);
        if live >= self.pace.trigger.load(Relaxed) && self.published.phase() == crate::cycle::Phase::Idle {
            self.driver.trigger_reached(self);
        }
        charged
    }

    /// The program's own correction, which stops at zero. As much is taken off by one call as is put on by one at most, or the
    /// opposite of a call that was cut would take off what others have put on.
    pub(crate) fn adjust_external(&self, by: i64) {
        let bytes = by.unsigned_abs().min(External::MOST_CHARGE);
        if by >= 0 {
            let charged = self.charge_by(By::Hand, 0, bytes);
            self.by_hand.0.fetch_add(charged, Relaxed);
        } else {
            let less = |held: u64| Some(held.saturating_sub(bytes));
            let held = self.by_hand.0.fetch_update(Relaxed, Relaxed, less).unwrap_or_default();
            let _ = self.charge_by(By::Hand, held.min(bytes), 0);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::{Charged, Driver, Heap, Static, Zeal};
    use greyset_sync::atomic::Ordering::Relaxed;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    fn heap(zeal: &[Zeal]) -> Heap {
        let builder = Heap::builder().ignore_environment().driver(Driver::Stepping);
        builder.zeal(zeal.iter().copied()).build().expect("a heap")
    }

    /// Threads that charge and report meanwhile are no mistake, and what is changed behind the ledger's back is one.
    #[test]
    fn an_account_that_does_not_add_up_is_told_whoever_charges_meanwhile() {
        let heap = heap(&[Zeal::Verify]);
        let shared = heap.owner().shared();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    heap.mutator().enter(|m| {
                        while !stop.load(Relaxed) {
                            let mut charged = Charged::new(m, Static(vec![0_u8; 100]));
                            heap.adjust_external(1000);
                            charged.edit().0.reserve(1000);
                            heap.adjust_external(-1000);
                        }
                    });
                });
            }
            for _ in 0..2000 {
                assert_eq!(shared.wrong_external(), None);
            }
            let more = shared.alloc.external().charge(0, 7);
            let rule = shared.wrong_external().expect("it is told");
            assert!(
                rule.contains(" bytes outside the heap are charged; objects are charged with "),
                "{rule}"
            );
            let _ = shared.alloc.external().charge(more, 0);
            stop.store(true, Relaxed);
        });
        assert_eq!((shared.wrong_external(), shared.external()), (None, 0));
    }

    #[test]
    fn each_sum_is_told() {
        let heap = heap(&[Zeal::Verify]);
        let shared = heap.owner().shared();
        let charged = heap.mutator().enter(|m| Charged::new(m, Static(Vec::<u8>::with_capacity(300))));
        heap.adjust_external(20);
        assert!(heap.verify().is_ok());
        // As if another value had taken off what this one has put on.
        let _ = shared.charge(10, 0);
        let _ = shared.alloc.external().charge(0, 5);
        let blame = heap.verify().expect_err("wrong");
        let rule = "the account says that 315 bytes outside the heap are charged; objects are charged with 290 and 20 were reported by \
                    hand";
        assert_eq!((blame.rule.as_str(), blame.path), (rule, None));
        let _ = shared.alloc.external().charge(5, 0);
        let _ = shared.charge(0, 10);
        assert!(heap.verify().is_ok());
        shared.by_hand.0.fetch_add(1, Relaxed);
        let blame = heap.verify().expect_err("wrong");
        assert_eq!(blame.rule, "21 bytes outside the heap may be taken off by hand; 20 were put on");
        shared.by_hand.0.fetch_sub(1, Relaxed);
        drop(charged);
        heap.adjust_external(-20);
        assert!(heap.verify().is_ok() && shared.external() == 0);
    }

    #[test]
    fn without_zeal_there_is_no_ledger() {
        let heap = heap(&[]);
        let _ = heap.owner().shared().alloc.external().charge(0, 5);
        assert!(heap.verify().is_ok());
    }
}
