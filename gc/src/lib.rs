//! A concurrent, never stopping garbage-collected heap for language runtimes, behind a memory-safe handle API.

extern crate self as greyset;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod barrier;
mod config;
mod cycle;
mod error;
mod handle;
mod heap;
mod mark;
mod mutator;
#[doc(hidden)]
pub mod pacer;
mod roots;
mod stats;
mod sweep;
mod trace;
mod verify;

pub use config::{ByteSize, Driver, Gogc, HeapBuilder, HugePages, Limit, Period, ValueError};
pub use cycle::{StepOutcome, Stepper};
pub use error::{AllocError, ConfigError, HeapError, Origin, OutOfMemory, Stated};

pub use greyset_derive::Trace;
pub use handle::{
    Array, ArraySlot, Bytes, Erased, Gc, Lock, LockGuard, Nan, NanView, ReadGuard, Ret, Slot, Static, Str,
    Tagged, TaggedView, WeakMap, Word, WordKey, WordSlot,
};
pub use heap::Heap;
pub use mutator::{Mutator, MutatorHandle};
pub use roots::{Root, Weak};
pub use stats::{
    Cause, Census, CensusRow, CollectorCpu, CycleReport, Event, EventSink, GctraceSink, HandshakeKind,
    Histogram, HistogramSnapshot, LimitKind, Phase, PhaseTimes, Stats, TracingSink, process_cpu_time,
    thread_cpu_time, trace_line,
};
pub use sweep::{Cleanup, FinalizerQueue};
pub use trace::{Branded, Managed, Rows, Shape, Shaped, Trace, Tracer, Words};
pub use verify::{Blame, HeapPath, Holder, PathLink, Verified};

/// The README's example is compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
