//! What can go wrong, as values: a small enum for each operation, whose text says what to do about it.
//!
//! Nothing here is thrown: building a heap returns [`HeapError`], allocating returns [`AllocError`] with the value in it.
//! Operations that cannot fail have no error type, and no error is ever turned into a log line.

use crate::config::ByteSize;
use std::error::Error;
use std::fmt;
use std::io;

/// Where a setting's value came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody gave it; the built-in value.
    Default,
    /// A call in the program: a method of the builder, or a change while running.
    Program,
    /// The environment variable of this name.
    Environment(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::Program => f.write_str("set by the program"),
            Origin::Environment(variable) => write!(f, "from {variable}"),
        }
    }
}

/// A setting with the value that was asked for: one side of a [`ConfigError::Conflict`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stated {
    /// Name of the setting, as in the builder.
    pub setting: &'static str,
    /// Its value, as a person would write it.
    pub value: String,
    /// Who gave it.
    pub origin: Origin,
}

impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.setting, self.value, self.origin)
    }
}

/// A setting is wrong. Each variant names the setting, the value and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that cannot be read, or lies outside of the allowed range.
    Invalid {
        /// Name of the setting, as in the builder.
        setting: &'static str,
        /// Who gave the value.
        origin: Origin,
        /// The value as given.
        value: String,
        /// What is allowed, as a phrase that follows "write".
        expected: &'static str,
    },
    /// Two settings that are fine alone and impossible together: `low` must not be above `high`.
    Conflict {
        /// The setting that is too high.
        low: Box<Stated>,
        /// The setting it must not exceed.
        high: Box<Stated>,
    },
    /// An environment variable that begins with `GREYSET_` and means nothing here.
    UnknownVariable {
        /// Its name.
        variable: String,
        /// The known variable with the most similar name.
        closest: &'static str,
    },
    /// [`HeapBuilder::set`](crate::HeapBuilder::set) was given a name that is no setting.
    UnknownSetting {
        /// The name given.
        name: String,
        /// The setting with the most similar name.
        closest: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Invalid { setting, origin: Origin::Environment(variable), value, expected } => {
                write!(f, "{variable}={value:?} is no value for the setting {setting}: write {expected}")
            }
            ConfigError::Invalid { setting, value, expected, .. } => {
                write!(f, "{setting} cannot be {value:?}: write {expected}")
            }
            ConfigError::Conflict { low, high } => {
                write!(f, "{low} is above {high}: lower {} or raise {}", low.setting, high.setting)
            }
            ConfigError::UnknownVariable { variable, closest } => {
                write!(
                    f,
                    "{variable} is no variable of greyset: unset it, or write {closest} if that was meant"
                )
            }
            ConfigError::UnknownSetting { name, closest } => {
                write!(f, "{name:?} is no setting: write {closest:?} if that was meant")
            }
        }
    }
}

impl Error for ConfigError {}

/// A heap could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeapError {
    /// A setting is wrong.
    Config(ConfigError),
    /// The system refused the address space.
    Reserve {
        /// Bytes asked for in the last and smallest attempt.
        bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a collector thread.
    Thread(io::Error),
}

impl fmt::Display for HeapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapError::Config(error) => error.fmt(f),
            HeapError::Reserve { bytes, source } => write!(
                f,
                "the system refused {} of address space ({source}): raise the limit on virtual memory (ulimit -v), \
                 or build the heap with a smaller `reserve`",
                ByteSize::new(*bytes)
            ),
            HeapError::Thread(source) => write!(
                f,
                "the system refused a collector thread ({source}): raise the limit on threads, lower `workers`, \
                 or use the inline driver, which needs none"
            ),
        }
    }
}

impl Error for HeapError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            HeapError::Config(error) => Some(error),
            HeapError::Reserve { source, .. } | HeapError::Thread(source) => Some(source),
        }
    }
}

impl From<ConfigError> for HeapError {
    fn from(error: ConfigError) -> HeapError {
        HeapError::Config(error)
    }
}

/// An allocation did not fit under the hard limit, or the system refused the memory.
///
/// The heap is intact and usable. Drop handles, call `collect`, and try again; or report it to whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory {
    /// Bytes the allocation needed (the whole object, rounded to its slot).
    pub requested: u64,
    /// The hard limit in bytes; `None` when there is none and the system refused.
    pub limit: Option<u64>,
    /// Bytes the heap held when it failed: all that counts against the limit.
    pub in_use: u64,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no memory for {} more bytes: the heap holds {}",
            self.requested,
            ByteSize::new(self.in_use)
        )?;
        match self.limit {
            Some(limit) => write!(f, " of its hard limit of {}", ByteSize::new(limit))?,
            None => f.write_str(" and the system (or the reserved address space) gives no more")?,
        }
        f.write_str("; drop handles and collect, or raise the limit")
    }
}

impl Error for OutOfMemory {}

/// An allocation failed; the value that was to be allocated is in here.
pub struct AllocError<T> {
    value: T,
    cause: OutOfMemory,
}

impl<T> AllocError<T> {
    /// Wraps the value that could not be placed.
    pub(crate) fn new(value: T, cause: OutOfMemory) -> AllocError<T> {
        AllocError { value, cause }
    }

    /// The value back.
    pub fn into_value(self) -> T {
        self.value
    }

    /// The value back, and why it could not be allocated.
    pub fn into_parts(self) -> (T, OutOfMemory) {
        (self.value, self.cause)
    }

    /// Why it could not be allocated.
    pub fn cause(&self) -> OutOfMemory {
        self.cause
    }

    /// Bytes the allocation needed.
    pub fn requested(&self) -> u64 {
        self.cause.requested
    }

    /// The hard limit in bytes; `None` when the system refused.
    pub fn limit(&self) -> Option<u64> {
        self.cause.limit
    }

    /// Bytes the heap held when the allocation failed.
    pub fn in_use(&self) -> u64 {
        self.cause.in_use
    }
}

/// Says nothing of the value, so that `T` need not be `Debug`.
impl<T> fmt::Debug for AllocError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AllocError").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for AllocError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> Error for AllocError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alloc_error_gives_the_value_back() {
        let cause = OutOfMemory { requested: 48, limit: Some(64 << 20), in_use: 63 << 20 };
        let error = AllocError::new(vec![1, 2, 3], cause);
        assert_eq!((error.requested(), error.limit(), error.in_use()), (48, Some(64 << 20), 63 << 20));
        assert_eq!(
            error.to_string(),
            "no memory for 48 more bytes: the heap holds 63MiB of its hard limit of 64MiB; drop handles and collect, \
             or raise the limit"
        );
        assert_eq!(error.source().map(ToString::to_string), Some(cause.to_string()));
        assert_eq!(error.into_value(), [1, 2, 3]);
    }

    #[test]
    fn heap_errors_say_what_to_do() {
        let refused = HeapError::Reserve { bytes: 1 << 30, source: io::ErrorKind::OutOfMemory.into() };
        assert!(refused.to_string().starts_with("the system refused 1GiB of address space"), "{refused}");
        assert!(refused.to_string().contains("smaller `reserve`"), "{refused}");
        assert!(refused.source().is_some());
        let thread = HeapError::Thread(io::ErrorKind::WouldBlock.into());
        assert!(thread.to_string().contains("inline driver"), "{thread}");
    }
}
