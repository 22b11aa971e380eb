//! Who is busy with grey objects: the question that ends marking, apart from the queue that it is about.
//!
//! # Invariants
//! 1. A marker counts as busy from before it takes a segment until its hands and deque are empty; `started` grows each time
//!    one becomes busy.
//! 2. Hence, if nobody is busy and `started` is the same before and after looking, nobody took anything meanwhile, and a queue
//!    found empty was empty all the time in between.
//!
//! In `activity_loom.rs` this is checked with a queue of loom's atomics in the place of crossbeam's.

use greyset_sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use greyset_sync::{CachePadded, Point, point};

/// How many markers are busy, and how often one became so.
pub(super) struct Activity {
    busy: CachePadded<AtomicUsize>,
    started: AtomicU64,
}

impl Activity {
    /// Nobody is busy.
    pub(super) fn new() -> Activity {
        Activity { busy: CachePadded::new(AtomicUsize::new(0)), started: AtomicU64::new(0) }
    }

    /// A marker is about to take work.
    pub(super) fn begin(&self) {
        point(Point::MarkerBegin);
        self.busy.fetch_add(1, Ordering::Relaxed);
        point(Point::MarkerCount);
        // ORDERING: SeqCst pairs with the loads in `is_quiet`: a taken segment implies a visible `started`.
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    /// A marker has nothing left, in its hands or its deque.
    pub(super) fn end(&self) {
        point(Point::MarkerCount);
        // ORDERING: SeqCst pairs with the load in `is_quiet`: what the marker pushed is visible before it counts as idle.
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether nobody was busy and the queue empty at one moment. `is_empty` asks the queue, and must be ordered after the
    /// `begin` of whoever emptied it.
    pub(super) fn is_quiet(&self, is_empty: impl FnOnce() -> bool) -> bool {
        // ORDERING: SeqCst pairs with `begin` and `end`; see invariant 2.
        let before = self.started.load(Ordering::SeqCst);
        point(Point::QueueLook);
        // ORDERING: as above.
        let idle = self.busy.load(Ordering::SeqCst) == 0;
        // ORDERING: as above.
        point(Point::QueueLook);
        idle && is_empty() && self.started.load(Ordering::SeqCst) == before
    }
}

#[cfg(all(test, loom))]
#[path = "activity_loom.rs"]
mod loom_tests;
