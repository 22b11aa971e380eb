//! A span: a row of pages that holds objects of one type and slot size.
//!
//! | field | written by | when |
//! | --- | --- | --- |
//! | address, pages, class, strip, slots, … | who makes the span | before it is handed out; constant until it is freed |
//! | `place` | the owner | at each transition below |
//! | `generation`, `live` | the sweeper that claimed it, or its maker | while it is `Sweeping` or new |
//! | `link` | the set it is in, or the list of unused numbers | |
//!
//! A span is always in exactly one [`Place`]; taking it out of a set is the claim that makes the taker its owner.
//!
//! ```text
//! Unused → Cached → Partial | Full → Sweeping → Partial | Full | Cached | Unused
//!             ↖______________/ (Partial only: handed out again, already swept)
//! ```

mod chunk;
mod dead;
pub(crate) mod strip;

pub use dead::{Dead, DeadSlots};

use crate::size_class::Magic;
use crate::space::{ClassInfo, Space, Zeroed};
use crate::type_info::{NO_TYPE, SpanFlags, TypeInfo};
use crate::unit::{PAGE_SIZE, SpanClassId, SpanId, StripNo};
use greyset_sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, Ordering::Relaxed};
use std::fmt;

/// Where a span is. Kept for verification and diagnosis; the claim itself is the set's pop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Place {
    /// Its number is not in use.
    Unused,
    /// A cache allocates in it.
    Cached,
    /// In its class's set of spans with free slots.
    Partial,
    /// In its class's set of spans without.
    Full,
    /// Somebody has claimed it to sweep it.
    Sweeping,
}

/// A row of pages that holds objects of one type and slot size. See the module for who writes what.
///
/// # Invariants
/// 1. Entries of the span table never move and are never unmapped while the heap lives; all fields are atomics, so stale
///    readers read old values, not garbage.
/// 2. `info` is null or came from a `&'static TypeInfo`.
#[repr(C, align(64))]
#[cfg_attr(all(test, loom), derive(Default))]
pub struct Span {
    addr: AtomicUsize,
    info: AtomicPtr<TypeInfo>,
    link: AtomicU32,
    generation: AtomicU32,
    id: AtomicU32,
    pages: AtomicU32,
    class: AtomicU32,
    strip: AtomicU32,
    slots: AtomicU32,
    slot: AtomicU32,
    magic: AtomicU32,
    live: AtomicU32,
    place: AtomicU8,
    flags: AtomicU8,
}

// SAFETY: atomics; zero is an unused span.
unsafe impl Zeroed for Span {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Span>() == 64);

/// What a new span is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewSpan {
    pub(crate) id: SpanId,
    pub(crate) addr: usize,
    pub(crate) pages: u32,
    pub(crate) class: SpanClassId,
    pub(crate) strip: StripNo,
    pub(crate) slots: usize,
    pub(crate) generation: u32,
}

impl Span {
    /// Fills the entry in, for a span that nobody else knows yet.
    pub(crate) fn set(&self, new: NewSpan, class: &ClassInfo) {
        // INVARIANT: 2, `info` of a class is a `&'static`.
        self.info.store(std::ptr::from_ref(class.info()).cast_mut(), Relaxed);
        self.addr.store(new.addr, Relaxed);
        self.generation.store(new.generation, Relaxed);
        self.id.store(new.id.0, Relaxed);
        self.pages.store(new.pages, Relaxed);
        self.class.store(new.class.0, Relaxed);
        self.strip.store(new.strip.0, Relaxed);
        self.slots.store(new.slots as u32, Relaxed);
        self.slot.store(class.slot() as u32, Relaxed);
        self.magic.store(class.magic().0, Relaxed);
        self.live.store(0, Relaxed);
        self.flags.store(class.flags().bits(), Relaxed);
        self.set_place(Place::Cached);
    }

    /// Its number.
    #[inline]
    pub fn id(&self) -> SpanId {
        SpanId(self.id.load(Relaxed))
    }

    /// First address.
    #[inline]
    pub fn addr(&self) -> usize {
        self.addr.load(Relaxed)
    }

    /// Its pages.
    #[inline]
    pub fn pages(&self) -> u32 {
        self.pages.load(Relaxed)
    }

    /// Bytes of its pages.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.pages() as usize * PAGE_SIZE
    }

    /// Its class.
    #[inline]
    pub fn class(&self) -> SpanClassId {
        SpanClassId(self.class.load(Relaxed))
    }

    /// The type of its objects.
    #[inline]
    pub fn info(&self) -> &'static TypeInfo {
        let info = self.info.load(Relaxed);
        if info.is_null() {
            return &NO_TYPE;
        }
        // SAFETY: not null, so it came from a `&'static TypeInfo` (invariant 2).
        unsafe { &*info }
    }

    /// Flags of its class.
    #[inline]
    pub fn flags(&self) -> SpanFlags {
        SpanFlags::from_bits_truncate(self.flags.load(Relaxed))
    }

    /// How many objects fit.
    #[inline]
    pub fn slots(&self) -> usize {
        self.slots.load(Relaxed) as usize
    }

    /// Bytes from one object to the next; 0 for a single large object.
    #[inline]
    pub fn slot(&self) -> usize {
        self.slot.load(Relaxed) as usize
    }

    /// Bytes that one object takes: the slot, or the whole span for a large object.
    #[inline]
    pub fn object_bytes(&self) -> usize {
        match self.slot() {
            0 => self.bytes(),
            slot => slot,
        }
    }

    /// First address of object `index`.
    #[inline]
    pub fn object_addr(&self, index: usize) -> usize {
        self.addr() + index * self.slot()
    }

    /// Index of the object that contains `addr`.
    #[inline]
    pub fn index_of(&self, addr: usize) -> usize {
        self.magic().index(addr.wrapping_sub(self.addr()))
    }

    /// Multiplier that finds an object in it.
    #[inline]
    pub(crate) fn magic(&self) -> Magic {
        Magic(self.magic.load(Relaxed))
    }

    /// Objects that were alive after the last sweep; 0 if it has not been swept yet.
    #[inline]
    pub fn live(&self) -> usize {
        self.live.load(Relaxed) as usize
    }

    /// Number of the sweep it was last swept in, or made in.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }

    /// Where it is. Who sees it in use sees what it was made of, too.
    pub fn place(&self) -> Place {
        // ORDERING: pairs with the release store in `set_place`.
        match self.place.load(Ordering::Acquire) {
            1 => Place::Cached,
            2 => Place::Partial,
            3 => Place::Full,
            4 => Place::Sweeping,
            _ => Place::Unused,
        }
    }

    /// Its colour bytes, one a slot.
    #[inline]
    pub fn colours<'a>(&self, space: &'a Space) -> &'a [AtomicU8] {
        space.strip(StripNo(self.strip.load(Relaxed)), self.slots())
    }

    /// Its colour bytes with the guards behind them: a power of two, at least 16.
    #[inline]
    pub(crate) fn strip<'a>(&self, space: &'a Space) -> &'a [AtomicU8] {
        space.strip(self.strip_no(), strip_len(self.slots()))
    }

    #[inline]
    pub(crate) fn strip_no(&self) -> StripNo {
        StripNo(self.strip.load(Relaxed))
    }

    #[inline]
    pub(crate) fn link(&self) -> &AtomicU32 {
        &self.link
    }

    pub(crate) fn set_place(&self, place: Place) {
        // ORDERING: pairs with the acquire load in `place`: a walk over all spans that meets a number in its second use must not
        // take the strip it had in its first. So all places are stored, whoever moves the span: not all of them are moved by
        // the thread that made it.
        self.place.store(place as u8, Ordering::Release);
    }

    pub(crate) fn set_swept(&self, generation: u32, live: usize) {
        self.live.store(live as u32, Relaxed);
        self.generation.store(generation, Relaxed);
    }
}

/// Length of the strip of a span with so many slots.
pub(crate) const fn strip_len(slots: usize) -> usize {
    let len = slots.next_power_of_two();
    if len < StripNo::UNIT { StripNo::UNIT } else { len }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span")
            .field("id", &self.id())
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("pages", &self.pages())
            .field("type", &(self.info().name)())
            .field("slots", &self.slots())
            .field("slot", &self.slot())
            .field("place", &self.place())
            .field("generation", &self.generation())
            .field("live", &self.live())
            .finish()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
