//! Settings: what a heap can be told, where from, and what is wrong with it.
//!
//! Three sources, the later over the earlier: built-in defaults, the program ([`HeapBuilder`]), the environment
//! (`GREYSET_…`). They meet once, when a heap is built, and give a [`Config`] that is right in itself; no part of the heap
//! checks a setting again or reads a variable.
//!
//! | part | holds |
//! | --- | --- |
//! | `setting` | the table: names, variables, what may be written |
//! | `value`, `size`, `zeal` | types of values and their text forms |
//! | `builder` | what the program wants |
//! | `environment` | the variables laid over it |
//! | `check` | ranges, contradictions, defaults |
//! | `container` | the memory limit of control groups |
//!
//! Never here: files (but those of control groups, when asked), command lines, global state.

mod builder;
pub(crate) mod check;
mod container;
mod environment;
mod setting;
mod size;
#[cfg(test)]
mod tests;
mod value;
mod zeal;

pub use builder::HeapBuilder;
pub use size::{ByteSize, Limit, Period};
pub use value::{Driver, Gogc, HugePages, ValueError};
pub(crate) use zeal::Listed;
pub use zeal::Zeal;

use crate::heap::BudgetMember;
use crate::pacer::PacerKind;
use crate::stats::{GctraceSink, Sinks, TracingSink};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where a heap's soft limit is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Soft {
    /// Nobody has set it: it follows the hard one.
    Follows,
    /// The program's or its user's, in bytes, or none.
    Own(Option<u64>),
}

impl Soft {
    /// The soft limit beside this hard one, in bytes.
    pub(crate) fn beside(self, hard: Option<u64>) -> Option<u64> {
        match self {
            Soft::Follows => check::soft_of(hard),
            Soft::Own(bytes) => bytes,
        }
    }
}

/// The settings of a heap, checked. Those that may change while it runs are copied from here to where they live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Config {
    /// Growth between collections.
    pub(crate) gogc: Gogc,
    /// Soft limit in bytes; never above `hard_limit`.
    pub(crate) memory_limit: Option<u64>,
    /// Where that is from. `memory_limit` becomes a heap's share of its budget, this does not.
    pub(crate) soft: Soft,
    /// Hard limit in bytes.
    pub(crate) hard_limit: Option<u64>,
    /// Address space to reserve, in bytes; never below `hard_limit`.
    pub(crate) reserve: u64,
    /// Smallest heap goal at GOGC 100, in bytes.
    pub(crate) min_heap: u64,
    /// Marker threads, at least 1.
    pub(crate) workers: usize,
    /// Percent of all processors for marking while a cycle runs.
    pub(crate) cpu_share: u32,
    /// Percent of the program's CPU that collection may take for long.
    pub(crate) cpu_limit: u32,
    /// Whose pacer.
    pub(crate) pacer: PacerKind,
    /// Percent of all processors for giving back; 0 is never.
    pub(crate) release_cpu: u32,
    /// Half-life of the size that the heap has reached.
    pub(crate) retain: Option<Duration>,
    /// Most marking work charged to one allocation.
    pub(crate) assist_max: Duration,
    /// Who steps the collector.
    pub(crate) driver: Driver,
    /// Advice about huge pages.
    pub(crate) huge_pages: HugePages,
    /// How long a mutator may take to a safepoint before it is reported.
    pub(crate) watchdog: Option<Duration>,
    /// A line a cycle on standard error.
    pub(crate) trace: bool,
    /// Modes of zeal, those that other settings stand for included.
    pub(crate) zeal: Vec<Zeal>,
    /// Name in events and of threads.
    pub(crate) name: Option<String>,
    /// Its place in a budget of several heaps.
    pub(crate) budget: Option<BudgetMember>,
    /// Subscribers the program added.
    pub(crate) sinks: Sinks,
}

impl Config {
    /// Default of `min_heap`: 4 MiB, as in Go.
    pub(crate) const MIN_HEAP: u64 = 4 << 20;
    /// Default of `assist_max`.
    pub(crate) const ASSIST_MAX: Duration = Duration::from_micros(20);
    /// Default of `retain`.
    pub(crate) const RETAIN: Duration = Duration::from_nanos(crate::pacer::reached::HALF_LIFE);
    /// Default of `watchdog`.
    pub(crate) const WATCHDOG: Duration = Duration::from_secs(1);

    /// All subscribers of the heap: `tracing`, the trace line if asked for, and the program's own.
    pub(crate) fn subscribers(&self) -> Sinks {
        let mut sinks = Sinks::default();
        sinks.push(Arc::new(TracingSink::new()));
        if self.trace {
            sinks.push(Arc::new(GctraceSink::stderr()));
        }
        sinks.extend(&self.sinks);
        sinks
    }
}

/// What defaults depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Processors this process may use, at least 1.
    pub(crate) parallelism: usize,
    /// Physical memory in bytes, where the system tells.
    pub(crate) memory: Option<u64>,
    /// Reads the container's memory limit in bytes; asked only when the setting says `auto`.
    pub(crate) container: fn() -> Option<u64>,
}

impl Machine {
    /// The machine this runs on, as it was when first asked: asking reads a dozen files.
    pub(crate) fn this() -> Machine {
        static THIS: OnceLock<Machine> = OnceLock::new();
        *THIS.get_or_init(|| {
            let parallelism = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let container = || container::memory_limit(std::path::Path::new("/"));
            Machine { parallelism, memory: physical_memory(), container }
        })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn physical_memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the field has the width of the machine's word")]
    u64::try_from(info.totalram).ok()?.checked_mul(u64::from(info.mem_unit))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn physical_memory() -> Option<u64> {
    None
}
