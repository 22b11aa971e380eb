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
mod panics;
mod roots;
mod stats;
mod sweep;
mod trace;
mod verify;
mod zeal;

pub use config::{ByteSize, Driver, Gogc, HeapBuilder, HugePages, Limit, Period, ValueError, Zeal};
pub use cycle::{StepOutcome, Stepper};
pub use error::{AllocError, ConfigError, HeapError, Origin, OutOfMemory, Stated};

pub use greyset_derive::Trace;
pub use handle::{
    Array, ArraySlot, Bytes, Charged, Edit, Erased, Gc, Lock, LockGuard, Nan, NanView, OwnedBytes, ReadGuard,
    Ret, Slot, Static, Str, Tagged, TaggedView, WeakMap, Word, WordKey, WordSlot,
};
pub use heap::{Budget, BudgetMember, Heap, RecordError, Recording};
pub use mutator::{Mutator, MutatorHandle};
pub use pacer::PacerKind;
pub use roots::{Root, Weak};
pub use stats::{
    Cause, Census, CensusRow, CollectorCpu, CycleReport, Event, EventSink, GctraceSink, HandshakeKind,
    Histogram, HistogramSnapshot, LimitKind, Phase, PhaseTimes, Stats, Thrash, TracingSink, process_cpu_time,
    thread_cpu_time, trace_line,
};
pub use sweep::{Cleanup, FinalizerQueue};
pub use trace::{Branded, Managed, Rows, Shape, Shaped, Trace, Tracer, Words};
pub use verify::{Blame, HeapPath, Holder, PathLink, Verified};
pub use zeal::{SlotWrite, ZealReport};

/// The README's example is compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
