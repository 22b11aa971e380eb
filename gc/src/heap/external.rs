//! The account of bytes outside the heap: what objects are charged with, and what the program says by hand.
//!
//! Both count as live heap to the pacer and against both limits. What dead objects are charged with comes off when they are
//! swept; the pacer then hears of it (`Pacing::sweep_done`).

use crate::heap::Shared;
use greyset_sync::atomic::AtomicU64;
use greyset_sync::atomic::Ordering::Relaxed;

/// What the program has said by hand.
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
        self.alloc.external().load(Relaxed)
    }

    /// A value that was charged with `before` bytes is now charged with `after`.
    pub(crate) fn charge(&self, before: u64, after: u64) {
        if let Some(less) = before.checked_sub(after) {
            self.alloc.external().fetch_sub(less, Relaxed); // INVARIANT: a charge takes off what it has put on.
            self.account_correction(less, 0);
            return;
        }
        let more = after - before;
        self.alloc.external().fetch_add(more, Relaxed);
        let live = self.pace.live.fetch_add(more, Relaxed) + more;
        self.pace.peak.fetch_max(live, Relaxed);
        if live >= self.pace.trigger.load(Relaxed) && self.published.phase() == crate::cycle::Phase::Idle {
            self.driver.trigger_reached(self);
        }
    }

    /// The program's own correction, which stops at zero.
    pub(crate) fn adjust_external(&self, by: i64) {
        let adjusted = |bytes: u64| Some(bytes.saturating_add_signed(by).min(i64::MAX as u64));
        let before = self.by_hand.0.fetch_update(Relaxed, Relaxed, adjusted).unwrap_or_default();
        if let Some(after) = adjusted(before) {
            self.charge(before, after);
        }
    }
}
