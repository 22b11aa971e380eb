//! The seam for a deterministic scheduler, with feature `sim`.
//!
//! A scheduler runs what would be threads as tasks on one thread. It gives that thread its [`Hooks`]; from then on every choice
//! point, every wait, every start of a collector thread and every look at a clock on this thread goes through them. Threads
//! without hooks behave as in production.

use crate::{Fault, Point, Rank};
use std::cell::Cell;
use std::panic::Location;

/// A place in the source.
pub type Place = &'static Location<'static>;

/// What a scheduler does for the tasks of its thread.
pub struct Hooks {
    /// A choice point.
    pub point: fn(Point),
    /// The running task cannot go on, at this place, before another has done something: a lock is taken, a thread has not ended.
    pub blocked: fn(Place),
    /// The running task sleeps, at this place, until it is woken, or time passes.
    pub sleep: fn(Place),
    /// Starts a task; its number.
    pub spawn: fn(&str, Box<dyn FnOnce()>) -> u32,
    /// Wakes a task that sleeps, or lets its next sleep end at once.
    pub wake: fn(u32),
    /// Whether a task has ended.
    pub is_finished: fn(u32) -> bool,
    /// The running task, from 1.
    pub task: fn() -> u32,
    /// Nanoseconds on the scheduler's clock.
    pub now: fn() -> u64,
    /// Reports that something is wrong. Does not return to the task.
    pub fail: fn(String),
    /// Addresses that the running windows hold, for the verifier.
    pub held: fn() -> Vec<usize>,
    /// Whether a story of the run is kept.
    pub keeps_story: fn() -> bool,
    /// Adds a line to it.
    pub tell: fn(String),
    /// What is known of the object at an address that should not have been lost: who wrote the places that hold or held it.
    pub blame: fn(usize) -> String,
}

thread_local! {
    static HOOKS: Cell<Option<&'static Hooks>> = const { Cell::new(None) };
    static FAULTS: Cell<u128> = const { Cell::new(0) };
}

/// The hooks of this thread, if a scheduler runs on it.
#[inline]
pub fn hooks() -> Option<&'static Hooks> {
    HOOKS.get()
}

/// Puts this thread under a scheduler, or (`None`) takes it away from one.
pub fn set_hooks(hooks: Option<&'static Hooks>) {
    HOOKS.set(hooks);
}

/// Breaks a rule on this thread, or (`None`) none.
pub fn set_fault(fault: Option<Fault>) {
    FAULTS.set(fault.map_or(0, |fault| 1 << fault as u32));
}

/// Ranks of the locks that a task of this thread holds. None where assertions are off.
pub fn locks_held(task: u32) -> Vec<Rank> {
    crate::rank::held_by(task)
}

/// Whether this rule is broken on this thread.
#[inline]
pub(crate) fn is_broken(fault: Fault) -> bool {
    FAULTS.get() & (1 << fault as u32) != 0
}
