//! Choice points: the places where a deterministic scheduler may switch to another task.
//!
//! In production [`point`] is empty and vanishes. With feature `sim` it tells the scheduler of the running thread
//! (`sim::Hooks`); a thread without one runs on.

/// A step of the protocol at which the order of threads matters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Point {
    /// A slot (or root entry) is about to be loaded.
    SlotLoad,
    /// A slot is about to be swapped or stored.
    SlotSwap,
    /// A colour byte is about to be read by a shade.
    ShadeRead,
    /// A colour byte is about to be written black.
    ShadeWrite,
    /// A shaded object is about to be pushed on a grey buffer.
    ShadePush,
    /// A grey buffer is about to be handed to the global queue.
    BufferHandOver,
    /// The collector is about to publish a phase.
    PhasePublish,
    /// The collector is about to ask a mutator.
    HandshakeAsk,
    /// A mutator, or the collector in its stead, is about to answer.
    HandshakeAnswer,
    /// A mutator is about to park.
    Park,
    /// A mutator is about to leave its parked state.
    Unpark,
    /// A mutator is about to join the list.
    Attach,
    /// A mutator is about to leave the list.
    Detach,
    /// A mutator has just left the list.
    Detached,
    /// A root entry is about to be filled.
    RootCreate,
    /// A root entry is about to go on the list of dropped entries.
    RootDrop,
    /// Listed root entries are about to be freed.
    RootFree,
    /// A weak slot has been loaded and is about to be judged.
    WeakJudge,
    /// A weak slot is about to be cleared.
    WeakClear,
    /// A `Lock` is about to be taken.
    LockAcquire,
    /// The contents of a `Lock` are about to be captured.
    LockCapture,
    /// A `Lock` is about to be released.
    LockRelease,
    /// A run is about to be taken and coloured.
    RunTake,
    /// Runs are about to be recoloured.
    RunRecolour,
    /// Runs and spans are about to be flushed.
    RunFlush,
    /// A span is about to be swept.
    SpanSweep,
    /// A span is about to be handed out.
    SpanHandOut,
    /// An object is about to be scanned.
    Scan,
    /// The marker is about to look at the global queue.
    QueuePop,
    /// Somebody is about to ask whether marking work is left, or in the middle of asking.
    QueueLook,
    /// A marker has found tracing open and is about to look for work.
    MarkerBegin,
    /// A marker is about to count as busy or as idle.
    MarkerCount,
    /// A lock of the heap is about to be taken.
    MutexLock,
    /// The collector is about to look whether all have answered.
    HandshakeLook,
    /// Entries of a `WeakMap` are about to be traced.
    EphemeronTrace,
    /// Drop glue of a dead object is about to run.
    DropGlue,
    /// A thread is about to sleep for a moment, for nobody in particular.
    Rest,
}

#[cfg(not(feature = "sim"))]
mod imp {
    use super::Point;

    /// A choice point. Nothing in production.
    #[inline(always)]
    pub fn point(_: Point) {}
}

#[cfg(feature = "sim")]
mod imp {
    use super::Point;
    use crate::sim::hooks;

    /// A choice point: tells the scheduler of this thread, if it has one.
    #[inline]
    pub fn point(at: Point) {
        if let Some(hooks) = hooks() {
            (hooks.point)(at);
        }
    }
}

pub use imp::point;
