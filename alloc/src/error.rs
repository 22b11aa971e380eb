//! What can go wrong, one type an operation. Errors are values: the heap stays usable after every one of them.

use crate::config::ConfigError;
use std::{fmt, io};

/// A heap could not be made.
#[derive(Debug)]
pub enum ReserveError {
    /// A setting is out of range.
    Config(ConfigError),
    /// The system refused even the smallest reservation.
    System {
        /// Bytes of the smallest reservation tried.
        least: u64,
        /// What the system said to it.
        source: io::Error,
    },
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReserveError::Config(error) => error.fmt(f),
            ReserveError::System { least, source } => {
                write!(f, "no address space: the system refused even {least} bytes ({source})")
            }
        }
    }
}

impl std::error::Error for ReserveError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReserveError::Config(error) => Some(error),
            ReserveError::System { source, .. } => Some(source),
        }
    }
}

impl From<ConfigError> for ReserveError {
    fn from(error: ConfigError) -> Self {
        ReserveError::Config(error)
    }
}

/// An allocation could not be served; nothing has changed. Dropping handles, collecting and releasing may help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// Bytes the span for the allocation would have taken.
    pub requested: usize,
    /// Bytes that counted against the limit: committed pages, tables, and what the client reported as external.
    pub in_use: u64,
    /// The limit in bytes, or the size of the reservation where that was the obstacle.
    pub limit: u64,
    /// What stood in the way.
    pub obstacle: Obstacle,
}

/// What stood in the way of an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// The memory limit.
    Limit,
    /// No free row of pages in the reservation is long enough.
    Reservation,
    /// A table (span classes, colours) is full.
    Table,
    /// The system refused to commit.
    System,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutOfMemory { requested, in_use, limit, obstacle } = self;
        let why = match obstacle {
            Obstacle::Limit => "the memory limit",
            Obstacle::Reservation => "the address space reserved",
            Obstacle::Table => "a table of fixed size",
            Obstacle::System => "the system",
        };
        write!(
            f,
            "out of memory: {requested} bytes requested, {in_use} in use, limit {limit}; refused by {why}"
        )
    }
}

impl std::error::Error for OutOfMemory {}
