//! gc: being built.

extern crate self as greyset;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[allow(dead_code, reason = "resolved settings are read by the heap, which is being built")]
mod config;
#[allow(dead_code, reason = "made by the allocation path, which is being built")]
mod error;
#[allow(dead_code, unused_imports, reason = "used by the collector, which is being built")]
mod handle;
#[doc(hidden)]
pub mod pacer;
#[allow(dead_code, reason = "events are sent by the collector, which is being built")]
mod stats;
#[allow(dead_code, unused_imports, reason = "used by the collector, which is being built")]
mod trace;

pub use config::{ByteSize, Driver, Gogc, HeapBuilder, HugePages, Limit, Period, ValueError};
pub use error::{AllocError, ConfigError, HeapError, Origin, OutOfMemory, Stated};
pub use greyset_derive::Trace;
pub use handle::Gc;
pub use stats::{
    Cause, Census, CensusRow, CollectorCpu, CycleReport, Event, EventSink, GctraceSink, HandshakeKind,
    Histogram, HistogramSnapshot, LimitKind, Phase, PhaseTimes, Stats, TracingSink, process_cpu_time,
    thread_cpu_time, trace_line,
};
pub use trace::{Branded, Managed, Rows, Shape, Shaped, Trace, Tracer, Words};
