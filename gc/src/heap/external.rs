//! The account of bytes outside the heap: what objects are charged with, and what the program says by hand.
//!
//! Both count as live heap to the pacer and against both limits, and both go through [`Shared::charge`]. What dead objects are charged
//! with comes off when they are swept; the pacer then hears of it (`Pacing::sweep_done`). How much there can be on it says
//! [`greyset_alloc::External`].

use crate::heap::Shared;
use greyset_alloc::External;
use greyset_sync::atomic::AtomicU64;
use greyset_sync::atomic::Ordering::Relaxed;

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

impl Shared {
    /// Bytes outside the heap.
    pub(crate) fn external(&self) -> u64 {
        self.alloc.external().bytes()
    }

    /// A value that was charged with `before` bytes, as this has answered, is now to be charged with `after`. Answers with how many it
    /// is, `after` at most.
    pub(crate) fn charge(&self, before: u64, after: u64) -> u64 {
        let charged = self.alloc.external().charge(before, after);
        if charged <= before {
            self.account_correction(before - charged, 0);
            return charged;
        }
        let more = charged - before;
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
            let charged = self.charge(0, bytes);
            self.by_hand.0.fetch_add(charged, Relaxed);
        } else {
            let less = |held: u64| Some(held.saturating_sub(bytes));
            let held = self.by_hand.0.fetch_update(Relaxed, Relaxed, less).unwrap_or_default();
            let _ = self.charge(held.min(bytes), 0);
        }
    }
}
