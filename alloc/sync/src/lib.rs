//! The one door to atomics, locks and threads.
//!
//! Every other greyset crate takes its atomics, mutexes, condition variables and threads from here, so that one switch
//! replaces them all: `std` in production, loom's under `--cfg loom`, and with feature `sim` a scheduler that runs all threads
//! as tasks on one: every [`point`], every wait and every start of a thread hands control to it.
//!
//! What this crate never does: decide anything about heaps. It has no state of its own besides the debug-build record of
//! the locks a thread holds (`rank`) and, with `sim`, the scheduler hook of the running task.

mod fault;
mod mutex;
mod point;
mod rank;
#[cfg(feature = "sim")]
pub mod sim;
pub mod thread;
mod tiny;
mod told;

pub use crossbeam_utils::{Backoff, CachePadded};
pub use fault::{Fault, fault};
pub use mutex::{Condvar, Mutex, MutexGuard};
pub use point::{Point, point};
pub use rank::Rank;
pub use tiny::tiny;
pub use told::told;

/// Atomic types and orderings.
pub mod atomic {
    #[cfg(loom)]
    pub use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
    #[cfg(not(loom))]
    pub use std::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}
