//! The table behind a `WeakMap`: its entries, under a lock of their own, out of line.
//!
//! A `WeakMap` behind a [`Lock`](crate::Lock) is moved and dropped at the program's will, and the collector has to look at its
//! entries until the cycle ends all the same. So what markers register is the table: counted, and where it is for good.
//!
//! For the protocol a table is an object, the map the one slot with a reference to it, and registering is shading
//! (docs/PROTOCOL.md, "Tables of ephemerons").
//!
//! What it never does: look at an object, or keep one alive.

use crate::handle::lock_state::{Leave, Unlock};
use crate::handle::{Busy, LockState, Stamp};
use crate::mutator::Mutator;
use greyset_sync::{Backoff, Point, point, thread};
use std::cell::UnsafeCell;
// Ordered in the simulator, so that a run can be repeated.
#[cfg(feature = "sim")]
use std::collections::BTreeMap as Map;
#[cfg(not(feature = "sim"))]
use std::collections::HashMap as Map;

/// From the addresses of keys to those of values.
pub(super) type Entries = Map<usize, usize>;

/// Entries of ephemerons.
///
/// # Invariants
/// 1. `entries` is touched only with `state` held for writing, or as a visitor of `state` without changing it.
/// 2. `state` counts as captured in the cycle in which the table has been registered (`sweep/ephemeron.rs`).
pub(crate) struct WeakTable {
    state: LockState,
    entries: UnsafeCell<Entries>,
}

// SAFETY: what is not an atomic is touched under the lock, by one writer or by readers (invariant 1), and is plain numbers.
unsafe impl Sync for WeakTable {}

impl WeakTable {
    /// No entries, not registered.
    pub(crate) fn new() -> WeakTable {
        WeakTable { state: LockState::new(), entries: UnsafeCell::new(Entries::new()) }
    }

    /// Runs `f` with the table locked. No code of the embedder runs inside: keys and values are addresses.
    pub(super) fn locked<R>(&self, m: &Mutator, f: impl FnOnce(&mut Entries) -> R) -> R {
        let backoff = Backoff::new();
        loop {
            point(Point::LockAcquire);
            match self.state.try_write(m.stamp(), |stamp| m.stamp_is_live(stamp)) {
                Ok(()) => break,
                Err(Busy::Own) => unreachable!("no code of the embedder runs while the map is locked"),
                Err(Busy::Other) if backoff.is_completed() => thread::yield_now(),
                Err(Busy::Other) => backoff.snooze(),
            }
        }
        let _unlock = Unlock(&self.state);
        // SAFETY: invariant 1: held for writing until `_unlock` drops, after `f` has returned.
        f(unsafe { &mut *self.entries.get() })
    }

    /// Shows every entry, key first; false if the table is locked: call again.
    pub(crate) fn for_each(&self, is_live: impl Fn(Stamp) -> bool, mut f: impl FnMut(usize, usize)) -> bool {
        if !self.state.try_visit(is_live) {
            return false;
        }
        let _leave = Leave(&self.state);
        // SAFETY: invariant 1: a visitor until `_leave` drops, and only read.
        let entries = unsafe { &*self.entries.get() };
        entries.iter().for_each(|(&key, &value)| f(key, value));
        true
    }

    /// Removes the entries of all keys that are not marked; false if the table is locked: call again.
    pub(crate) fn clear_dead(
        &self,
        is_marked: impl Fn(usize) -> bool,
        is_live: impl Fn(Stamp) -> bool,
    ) -> bool {
        if self.state.try_write(Stamp::COLLECTOR, is_live).is_err() {
            return false;
        }
        let _unlock = Unlock(&self.state);
        point(Point::WeakClear);
        // SAFETY: invariant 1: held for writing until `_unlock` drops.
        let entries = unsafe { &mut *self.entries.get() };
        entries.retain(|key, _| is_marked(*key));
        true
    }

    /// Has it been registered in this cycle?
    pub(crate) fn is_registered(&self, cycle: u32) -> bool {
        self.state.is_captured(cycle)
    }

    /// It has been registered in this cycle, and is on the list.
    pub(crate) fn set_registered(&self, cycle: u32) {
        self.state.set_captured(cycle);
    }
}
