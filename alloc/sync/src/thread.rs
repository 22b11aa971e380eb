//! Threads of the collector: `std`'s, or with feature `sim` and under a scheduler its tasks.

#[cfg(feature = "sim")]
mod simulated;

#[cfg(feature = "sim")]
pub use simulated::{JoinHandle, Thread, ThreadId, current, park_timeout, spawn_named, task, yield_now};
#[cfg(not(feature = "sim"))]
pub use std::thread::{JoinHandle, Thread, ThreadId, current, park_timeout};

/// Starts a named thread.
///
/// # Errors
/// What the system says when it refuses another thread.
#[cfg(not(feature = "sim"))]
pub fn spawn_named<F>(name: &str, body: F) -> std::io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    std::thread::Builder::new().name(name.to_owned()).spawn(body)
}

/// Lets another thread run.
#[cfg(not(feature = "sim"))]
pub fn yield_now() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}

/// The task that runs on this thread: 0, always, without a scheduler.
#[cfg(not(feature = "sim"))]
#[inline(always)]
pub fn task() -> u32 {
    0
}
