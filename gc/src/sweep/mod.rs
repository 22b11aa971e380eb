//! After marking: clearing what must not be seen again, then freeing what is white.
//!
//! - `clear` is phase Clear: ephemerons, weak slots, finalizable objects, cleanups, in this order.
//! - `registry` knows which objects have cleanups or want to be handed to a queue when nobody reaches them any more.
//! - `reclaim` is what the allocator calls for dead slots: drop glue, caught panics.
//! - `ephemeron` is the list of the tables of `WeakMap`s met in this cycle.
//!
//! User code (drop glue, cleanups) runs on the background sweeper, or at a safepoint under the inline driver, never while a
//! lock of the collector is held.

mod clear;
mod ephemeron;
mod reclaim;
mod registry;

pub(crate) use clear::{Cleared, Clearing, clear_weak_early, take_panic};
pub(crate) use ephemeron::Ephemerons;
pub(crate) use reclaim::{GaveBack, SweepState};
pub(crate) use registry::Registry;
pub use registry::{Cleanup, FinalizerQueue};
