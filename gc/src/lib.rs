//! gc: being built.

#[allow(dead_code, reason = "resolved settings are read by the heap, which is being built")]
mod config;
#[allow(dead_code, reason = "made by the allocation path, which is being built")]
mod error;

pub use config::{ByteSize, Driver, Gogc, HeapBuilder, HugePages, Limit, Period, ValueError};
pub use error::{AllocError, ConfigError, HeapError, Origin, OutOfMemory, Stated};
