//! The one door to atomics, locks and threads.
//!
//! Every other greyset crate takes its atomics, mutexes, condition variables and threads from here, so that one switch
//! replaces them all: `std` in production, loom's under `--cfg loom`, and with feature `sim` every [`point`] hands control
//! to a seeded scheduler.
//!
//! What this crate never does: decide anything about heaps. It has no state of its own besides the debug-build record of
//! the locks a thread holds (`rank`) and, with `sim`, the scheduler hook of the running task.

mod mutex;
mod point;
mod rank;

pub use crossbeam_utils::{Backoff, CachePadded};
pub use mutex::{Condvar, Mutex, MutexGuard};
pub use point::{Point, point};
#[cfg(feature = "sim")]
pub use point::{clear_hook, set_hook};
pub use rank::Rank;

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

/// Threads of the collector.
pub mod thread {
    use std::io;
    pub use std::thread::{JoinHandle, ThreadId, current, park_timeout};

    /// Starts a named thread.
    ///
    /// # Errors
    /// What the system says when it refuses another thread.
    pub fn spawn_named<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
    where
        F: FnOnce() + Send + 'static,
    {
        std::thread::Builder::new().name(name.to_owned()).spawn(body)
    }

    /// Lets another thread run.
    pub fn yield_now() {
        #[cfg(loom)]
        loom::thread::yield_now();
        #[cfg(not(loom))]
        std::thread::yield_now();
    }
}
