//! The greyset allocator: typed spans, size classes and bump runs over one reserved address range.
//!
//! What it is for: memory for a concurrent, non-moving, marking collector. It knows bytes, pages, spans, colours and runs;
//! it never knows a reference, a root or a phase. What must happen before a slot is reused is a trait, [`Reclaim`], that
//! the collector implements.
//!
//! Down, an allocation:
//!
//! 1. [`Cache::bump`]: the mutator's run of the type. Add, compare, done.
//! 2. [`Cache::refill`]: the next row of Free slots in the same span becomes the run; its colour bytes are filled at once.
//! 3. the class's sets ([mcentral](mheap)): a span that has Free slots, or whose sweeping yields some.
//! 4. the page heap: a row of free pages becomes a span.
//! 5. [`Os`]: pages get memory behind them.
//!
//! Up, a span comes back:
//!
//! 1. marking leaves dead objects in the colour called white.
//! 2. sweeping claims a span, shows its dead slots to [`Reclaim`], turns white to Free and counts the rest.
//! 3. the span goes to its class's sets, or, without a live object, to the page heap.
//! 4. [`MHeap::release`] gives free pages to the system.
//!
//! Everything about an address comes from indexing ([`Space`]): the page entry names start, slot size, colour strip and
//! class. Objects have no header, allocation writes no metadata, and no operation is linear in the reserved size.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("greyset needs 64-bit addresses: it reserves more of them than 32 bits have");

mod asan;
mod colour;
mod config;
mod error;
mod external;
mod mcache;
pub mod mheap;
pub mod os;
mod pages;
mod registry;
mod sets;
pub mod size_class;
mod space;
mod span;
mod stats;
mod strips;
#[cfg(all(test, not(loom)))]
mod testing;
mod type_info;
mod unit;
mod verify;

pub use colour::Colour;
pub use config::{Config, ConfigError, HugePages, Zeal};
pub use error::{Obstacle, OutOfMemory, ReserveError};
pub use external::External;
pub use mcache::{BINS, Cache, Refilled};
pub use mheap::sweep::{Reclaim, Role, SweepLeft, SweepProgress};
pub use mheap::zeal::ZealCounts;
pub use mheap::{MHeap, ReleaseProgress};
pub use os::{Os, RealOs};
pub use size_class::{MAX_ALIGN, MAX_SLOTS, MAX_SMALL, SizeClass, slot_size};
pub use space::{ClassInfo, PageRef, Space, View};
pub use span::{Dead, DeadSlots, Place, Span};
pub use stats::{AllocStats, ClassCensus};
pub use type_info::{SpanFlags, TINY, TypeInfo};
pub use unit::{PAGE_SHIFT, PAGE_SIZE, PageNo, SpanClassId, SpanId, StripNo};
pub use verify::{Corruption, VerifyReport};
