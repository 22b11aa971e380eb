//! What a mutator remembers of the locks it has open.
//!
//! Two things the types cannot rule out: that a closure of `Lock::with` asks for the same lock again, and that a guard made
//! in mode Both is forgotten. Touched by the mutator's own thread only.

use crate::handle::lock_state::LockState;
use std::cell::Cell;
use std::ptr;

/// Part of every mutator.
///
/// # Invariants
/// `innermost` is null or points to a `Visit` in a frame of this thread's stack that has not returned, and so on along
/// `outer`.
#[derive(Debug)]
pub(crate) struct Open {
    innermost: Cell<*const Visit>,
    /// Guards for writing made in mode Both and not dropped yet.
    unshaded: Cell<u32>,
}

/// A closure of `Lock::with` that is running.
#[derive(Debug)]
pub(crate) struct Visit {
    lock: *const LockState,
    outer: *const Visit,
}

impl Open {
    /// Nothing open.
    pub(crate) const fn new() -> Open {
        Open { innermost: Cell::new(ptr::null()), unshaded: Cell::new(0) }
    }

    /// A guard for writing was made in mode Both: what it leaves behind has yet to be shaded.
    pub(crate) fn guard_made(&self) {
        self.unshaded.set(self.unshaded.get().saturating_add(1));
    }

    /// The guard was dropped, and what it left behind is shaded.
    pub(crate) fn guard_dropped(&self) {
        self.unshaded.set(self.unshaded.get().saturating_sub(1));
    }

    /// Was a guard forgotten in mode Both? Then something may have been stored unshaded, and the running cycle must be given
    /// up without freeing anything.
    ///
    /// Asked whenever the window ends: before an answer to a handshake counts, and on parking.
    #[must_use]
    pub(crate) fn take_forgotten(&self) -> bool {
        self.unshaded.replace(0) != 0
    }

    /// Is this mutator inside `Lock::with` of that lock?
    pub(crate) fn visits(&self, lock: &LockState) -> bool {
        let mut at = self.innermost.get();
        // SAFETY: the type's invariant.
        while let Some(visit) = unsafe { at.as_ref() } {
            if ptr::eq(visit.lock, lock) {
                return true;
            }
            at = visit.outer;
        }
        false
    }
}

impl Visit {
    /// Runs `body` as a visitor that has joined `lock`, and leaves it, also by a panic.
    pub(crate) fn run<R>(open: &Open, lock: &LockState, body: impl FnOnce() -> R) -> R {
        struct Leave<'a>(&'a Open, &'a LockState, *const Visit);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.innermost.set(self.2);
                self.1.leave();
            }
        }
        let outer = open.innermost.get();
        let visit = Visit { lock, outer };
        open.innermost.set(&visit);
        let _leave = Leave(open, lock, outer);
        body()
    }
}
