//! What a heap tells about itself: events as they happen, statistics on demand.
//!
//! | part | holds |
//! | --- | --- |
//! | `events` | the events, and the trait of those who want them |
//! | `gctrace` | sink: a line of text a cycle |
//! | `spans` | sink: `tracing` spans and events |
//! | `histogram` | latencies, counted without waiting |
//! | `snapshot` | [`Stats`] and [`Census`] |
//! | `cpu` | clocks |
//!
//! Data flows one way, from the collector to here. Nothing here decides anything about collection.

pub(crate) mod cpu;
mod events;
mod gctrace;
mod histogram;
mod snapshot;
mod spans;

pub use cpu::{process_cpu_time, thread_cpu_time};
pub use events::{
    Cause, CollectorCpu, CycleReport, Event, EventSink, HandshakeKind, LimitKind, Phase, PhaseTimes, Thrash,
};
pub(crate) use events::{OnThrash, Sinks};
pub use gctrace::{GctraceSink, trace_line};
pub use histogram::{Histogram, HistogramSnapshot};
pub use snapshot::{Census, CensusRow, Stats};
pub use spans::TracingSink;
