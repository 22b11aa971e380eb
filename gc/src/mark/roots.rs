//! The walk over the root table: chunk by chunk, each taken by one marker.
//!
//! Tracing begins at T2 with every root slot. Entries filled later hold objects that are reachable at T2 or black by birth
//! (docs/PROTOCOL.md, "Root creation"), so a chunk made after T2, or an entry filled behind the cursor, needs no look.

use crate::roots::EntryTable;
use greyset_sync::atomic::{AtomicUsize, Ordering};

/// Which chunks of the root table are taken, and which are done.
pub(crate) struct RootCursor {
    next: AtomicUsize,
    done: AtomicUsize,
    end: AtomicUsize,
}

impl RootCursor {
    /// A cursor with nothing to walk.
    pub(crate) fn new() -> RootCursor {
        RootCursor { next: AtomicUsize::new(0), done: AtomicUsize::new(0), end: AtomicUsize::new(0) }
    }

    /// Starts a walk over the chunks there are now. Collector only, at T2, before tracing opens.
    pub(crate) fn restart(&self, table: &EntryTable) {
        self.next.store(0, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.end.store(table.chunks(), Ordering::Relaxed);
    }

    /// Takes a chunk to walk.
    pub(crate) fn take(&self) -> Option<usize> {
        if self.next.load(Ordering::Relaxed) >= self.end.load(Ordering::Relaxed) {
            return None;
        }
        let chunk = self.next.fetch_add(1, Ordering::Relaxed);
        (chunk < self.end.load(Ordering::Relaxed)).then_some(chunk)
    }

    /// A taken chunk has been shaded.
    pub(crate) fn finish(&self) {
        // ORDERING: release pairs with the acquire in `is_done`: what was shaded is visible.
        self.done.fetch_add(1, Ordering::Release);
    }

    /// Whether every chunk has been shaded.
    pub(crate) fn is_done(&self) -> bool {
        // ORDERING: acquire pairs with the release in `finish`.
        self.done.load(Ordering::Acquire) >= self.end.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, loom))]
#[path = "roots_loom.rs"]
mod loom_tests;
