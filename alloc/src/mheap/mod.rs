//! The heap: page runs, spans and their sets, sweeping, limits. What all mutators share.
//!
//! | file | what |
//! | --- | --- |
//! | `hand_out` | mcentral: a span for a cache, from the class's sets, by sweeping, or made of fresh pages |
//! | `spans` | making spans and giving them back |
//! | `supply` | pages under the memory limit, and giving them back to the system |
//! | `sweep` | generations, claims, what becomes of a swept span |
//! | `zeal` | poison and quarantine, if asked for |
//!
//! Never runs user code except through [`crate::Reclaim`], and never while it holds a lock.

#[cfg(all(test, not(loom)))]
mod damage;
mod hand_out;
mod spans;
mod supply;
pub(crate) mod sweep;
pub(crate) mod zeal;

pub(crate) use hand_out::HandedOut;
pub use supply::ReleaseProgress;
pub(crate) use supply::sum_in_use;

use crate::colour::Colour;
use crate::config::Config;
use crate::error::ReserveError;
use crate::external::External;
use crate::os::Os;
use crate::pages::PageHeap;
use crate::registry::{Central, Registry};
use crate::sets::Links;
use crate::space::Space;
use crate::span::{Place, Span};
use crate::strips::Strips;
use crate::type_info::{SpanFlags, TypeInfo};
use crate::unit::SpanId;
use greyset_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use greyset_sync::{Mutex, Rank, tiny};
use std::fmt;
use std::sync::Arc;
use sweep::Sweeping;
use zeal::Zealous;

/// A heap's memory: everything that is shared between its mutators.
///
/// # Invariants
/// 1. A span in use is in exactly one [`Place`]; its pages' entries, its colour strip and its number belong to it alone.
/// 2. Span numbers 1 to `known_spans` have been used; numbers above have not.
/// 3. Locks are taken in the order `Rank::Classes`, `Rank::Pages`; no user code runs under either.
pub struct MHeap {
    space: Space,
    os: Box<dyn Os>,
    registry: Registry,
    sweeping: Sweeping,
    pages: Mutex<PageState>,
    known_spans: AtomicU32,
    /// Bytes; `u64::MAX` for none.
    limit: AtomicU64,
    /// Bytes; `u64::MAX` for none.
    soft_limit: AtomicU64,
    external: External,
    client: AtomicU64,
    asked: u64,
    identity: Arc<()>,
    pub(crate) zeal: Zealous,
}

/// What the page lock guards.
struct PageState {
    heap: PageHeap,
    strips: Strips,
    /// Span numbers given back, linked through the spans.
    unused: SpanId,
    /// Calls under way that give memory back to the system.
    leaving: u32,
    /// Such calls that have ever begun.
    left: u64,
}

/// Bytes that a heap of a simulator reserves.
const TINY_RESERVE: usize = 1 << 20;

impl MHeap {
    /// Reserves address space for a heap. Touches a few pages; everything else is mapped and costs nothing until used.
    ///
    /// # Errors
    /// When a setting is out of range, or the system refuses even the smallest reservation.
    pub fn new(config: &Config, os: Box<dyn Os>) -> Result<MHeap, ReserveError> {
        config.validate()?;
        let mut len = tiny(config.reserve.next_power_of_two() as usize, TINY_RESERVE) as u64;
        let (space, central) = loop {
            match Space::reserve::<Central>(len as usize, config.huge_pages, &*os) {
                Ok(parts) => break parts,
                Err(_) if len / 2 >= Config::MIN_RESERVE => len /= 2,
                Err(source) => return Err(ReserveError::System { least: len, source }),
            }
        };
        let state = PageState {
            heap: PageHeap::new(space.page_count()),
            strips: Strips::new(space.colour_table().entries()),
            unused: SpanId::NONE,
            leaving: 0,
            left: 0,
        };
        Ok(MHeap {
            registry: Registry::new(central),
            sweeping: Sweeping::new(),
            pages: Mutex::new(Rank::Pages, state),
            known_spans: AtomicU32::new(0),
            limit: AtomicU64::new(config.limit.unwrap_or(u64::MAX)),
            soft_limit: AtomicU64::new(u64::MAX),
            external: External::new(),
            client: AtomicU64::new(0),
            asked: config.reserve,
            identity: Arc::new(()),
            zeal: Zealous::new(config.zeal),
            space,
            os,
        })
    }

    /// The address space and its tables.
    #[inline(always)]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The account of bytes outside the heap that its objects keep alive; they count against the limit.
    pub fn external(&self) -> &External {
        &self.external
    }

    /// Bytes of the client's own tables and buffers for this heap, as it says from time to time; count against the limit.
    pub fn client_tables(&self) -> &AtomicU64 {
        &self.client
    }

    /// Calls `f` with every span in use, in order of their numbers. For a heap at rest; while others work, spans that come
    /// or go meanwhile may be missed, but of those that only come none is seen half made.
    pub fn for_each_span(&self, mut f: impl FnMut(&Span)) {
        // Which of these numbers are in use, and then what for, is said by their places.
        for number in 1..=self.known_spans.load(Ordering::Relaxed) {
            let span = self.space.span_by_id(SpanId(number));
            if span.place() != Place::Unused {
                f(span);
            }
        }
    }

    /// Calls `f` with every value left in the heap whose type has drop glue. For teardown: no cache holds anything, nobody
    /// else uses the heap, and afterwards nothing may be looked at but by dropping the heap.
    pub fn drop_all(&self, mut f: impl FnMut(*mut u8, &'static TypeInfo)) {
        self.for_each_span(|span| {
            if !span.flags().contains(SpanFlags::DROP) {
                return;
            }
            for (index, byte) in span.colours(&self.space).iter().enumerate() {
                if Colour::of(byte.load(Ordering::Relaxed)).is_live() {
                    // First Free, then dropped: a value is never given out twice, even if `f` unwinds.
                    byte.store(Colour::FREE.byte(), Ordering::Relaxed);
                    f(self.space.pointer(span.object_addr(index)), span.info());
                }
            }
        });
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    pub(crate) fn identity(&self) -> &Arc<()> {
        &self.identity
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    #[inline]
    pub(crate) fn span(&self, id: SpanId) -> &Span {
        self.space.span_by_id(id)
    }
}

impl Links for Space {
    #[inline]
    fn link(&self, id: SpanId) -> &AtomicU32 {
        self.span_by_id(id).link()
    }
}

impl fmt::Debug for MHeap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MHeap").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod stress;
#[cfg(all(test, not(loom)))]
mod tests;
