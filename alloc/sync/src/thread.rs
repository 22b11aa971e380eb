//! Threads of the collector: `std`'s, or with feature `sim` and under a scheduler its tasks.

#[cfg(feature = "sim")]
mod simulated;

#[cfg(feature = "sim")]
pub use simulated::{
    JoinHandle, Thread, ThreadId, current, park_timeout, sleep, spawn_named, task, yield_now,
};
#[cfg(not(feature = "sim"))]
pub use std::thread::{JoinHandle, Thread, ThreadId, current, park_timeout, sleep};

use std::cell::Cell;
use std::io;

thread_local! {
    /// Starts of threads by this thread until one is refused, that one included; 0: none is.
    static UNTIL_REFUSED: Cell<usize> = const { Cell::new(0) };
}

/// The `nth` thread that this one starts from now on (1 is the next) is refused, and only that; 0: none. For tests of what
/// comes of it.
#[doc(hidden)]
pub fn refuse_nth(nth: usize) {
    UNTIL_REFUSED.set(nth);
}

/// An error if a test wants the thread that is about to be started to be refused.
fn refusal() -> io::Result<()> {
    let left = UNTIL_REFUSED.get();
    UNTIL_REFUSED.set(left.saturating_sub(1));
    if left == 1 { Err(io::Error::other("refused for a test")) } else { Ok(()) }
}

/// Bytes of stack of a thread: what a program's first thread, with its 8 MiB, can build and drop by recursion, the collector's
/// threads can trace and drop. Only touched pages are memory, and two such stacks still fit in what the C library keeps for the
/// next threads (40 MiB).
#[cfg(not(feature = "sim"))]
const STACK: usize = 16 << 20;

/// Starts a named thread, with 16 MiB of stack, or what `RUST_MIN_STACK` says.
///
/// # Errors
/// What the system says when it refuses another thread.
#[cfg(not(feature = "sim"))]
pub fn spawn_named<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    refusal()?;
    let mut thread = std::thread::Builder::new().name(name.to_owned());
    if std::env::var_os("RUST_MIN_STACK").is_none() {
        thread = thread.stack_size(STACK);
    }
    thread.spawn(body)
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
