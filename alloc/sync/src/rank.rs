//! Lock ranks: the order in which locks may be taken, in one place.
//!
//! A thread may take a lock only if its rank is greater than that of every lock it holds. Debug builds check this at each
//! acquisition; release builds carry nothing.

/// Rank of a lock; lower ranks are taken first.
///
/// The order follows the data flow: collector state outside, then mutator lists and tables, then the allocator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Rank {
    /// The collector's own state machine (one stepper at a time).
    Collector,
    /// Drivers: start, stop and wake-up of collector threads.
    Driver,
    /// The cycle lock of the protocol: flip, Decide, upgrades in Terminate, freeing of root entries.
    Cycle,
    /// List of attached mutators.
    Mutators,
    /// Deferred objects, ephemeron tables and weak holders met by the markers.
    Mark,
    /// Registered cleanups and finalizable objects.
    Registry,
    /// Queues of cleanups, finalizable objects and drop work.
    Queue,
    /// Root and weak tables: free entries and chunks.
    Roots,
    /// Allocator: span-class registry (writers only).
    Classes,
    /// Allocator: page runs, strips, span numbers.
    Pages,
    /// Statistics and event sinks.
    Stats,
    /// Anything a test or an embedder of the allocator adds, taken last.
    Leaf,
}

#[cfg(debug_assertions)]
mod held {
    use super::Rank;
    use crate::thread::task;
    use std::cell::RefCell;

    /// A lock that is held, and the task that holds it: 0 unless a simulator runs several on one thread.
    type Held = (u32, Rank);

    thread_local!(static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) });

    pub(crate) fn acquire(rank: Rank) {
        let me = task();
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(worst) = held.iter().filter(|held| held.0 == me).map(|held| held.1).max() {
                assert!(worst < rank, "lock order: {rank:?} taken while {worst:?} is held");
            }
            held.push((me, rank));
        });
    }

    /// A `try_lock` cannot deadlock, so its order is free; it still counts for locks taken later.
    pub(crate) fn acquired_by_try(rank: Rank) {
        let me = task();
        let _ = HELD.try_with(|held| held.borrow_mut().push((me, rank)));
    }

    #[cfg(feature = "sim")]
    pub(crate) fn held_by(task: u32) -> Vec<Rank> {
        let of_it = |held: &Vec<Held>| held.iter().filter(|held| held.0 == task).map(|held| held.1).collect();
        HELD.with_borrow(of_it)
    }

    pub(crate) fn release(rank: Rank) {
        let me = task();
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().rposition(|&held| held == (me, rank)) {
                held.remove(at);
            }
        });
    }
}

#[cfg(not(debug_assertions))]
mod held {
    use super::Rank;

    #[cfg(feature = "sim")]
    pub(crate) fn held_by(_: u32) -> Vec<Rank> {
        Vec::new()
    }

    pub(crate) fn acquire(_: Rank) {}
    pub(crate) fn acquired_by_try(_: Rank) {}
    pub(crate) fn release(_: Rank) {}
}

#[cfg(feature = "sim")]
pub(crate) use held::held_by;
pub(crate) use held::{acquire, acquired_by_try, release};
