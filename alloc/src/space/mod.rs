//! The address space of a heap: one reservation for objects, and the tables that describe it.
//!
//! Everything about an address comes from `address - base` by indexing: page entry, class, colour byte, span. Nothing here
//! decides who gets which page; nothing is linear in the reserved size.
//!
//! Indices are taken modulo the (power of two) table lengths, so every lookup is memory safe for every address, even one
//! that is no object's; what it then says means nothing.

mod class;
mod page;
mod table;
mod view;

pub use class::ClassInfo;
pub use page::PageRef;
pub(crate) use page::{Backing, MAX_CLASSES, PageEntry};
pub(crate) use table::{Carver, Table, Zeroed};
pub use view::View;

use crate::colour::Colour;
use crate::config::HugePages;
use crate::os::{self, Os, Reservation};
use crate::size_class::Magic;
use crate::span::Span;
use crate::type_info::SpanFlags;
use crate::unit::{PAGE_SHIFT, PAGE_SIZE, PageNo, SpanClassId, SpanId, StripNo};
use greyset_sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::io;
use std::ops::Range;

/// Addresses of a heap on x86-64 Linux, which gives no others to who does not ask for them, are below this: a client may keep
/// them in 47 bits.
const ADDRESSES: usize = 1 << 47;
/// The heap's base is aligned to this, so that huge pages fit.
const BASE_ALIGN: usize = 2 << 20;
/// Longest colour table: what fits above the fraction of a product ([`Magic`]). Enough for 128 GiB of the smallest slots.
const MAX_COLOURS: usize = 1 << (u64::BITS - Magic::FRACTION);

/// A heap's reserved addresses and its tables.
///
/// # Invariants
/// 1. `base` is a multiple of 2 MiB, and `base` to `base + len` lies in `heap`; `len` is a power of two of pages.
/// 2. `pages` and `span_of` have an entry for each of those pages.
pub struct Space {
    base: usize,
    len: usize,
    pages: Table<PageEntry>,
    colours: Table<AtomicU8>,
    classes: Table<ClassInfo>,
    /// For each page of a span, the span's number.
    span_of: Table<AtomicU32>,
    spans: Table<Span>,
    heap: Reservation,
    huge_pages: bool,
}

/// Entries of the tables.
struct Sizes {
    pages: usize,
    colours: usize,
    classes: usize,
    spans: usize,
}

impl Sizes {
    /// Of a heap of `len` bytes.
    fn of(len: usize) -> Sizes {
        let pages = len >> PAGE_SHIFT;
        Sizes {
            pages,
            // One byte for 16 covers a heap full of the smallest slots; twice that leaves room for half-used slabs.
            colours: (len / 8).min(MAX_COLOURS),
            classes: Table::<ClassInfo>::rounded(pages.min(MAX_CLASSES)),
            spans: pages + 1, // number 0 is no span
        }
    }

    /// Bytes of the five tables.
    fn bytes(&self) -> usize {
        Table::<AtomicU8>::size(self.colours)
            + Table::<PageEntry>::size(self.pages)
            + Table::<ClassInfo>::size(self.classes)
            + Table::<AtomicU32>::size(self.pages)
            + Table::<Span>::size(self.spans)
    }
}

impl Space {
    /// Reserves `len` bytes, a power of two, for objects, and the tables for them, with one of `T` that has an entry for each class.
    ///
    /// Two reservations: most of what it costs to make and drop a small heap is the system's work for each.
    pub(crate) fn reserve<T: Zeroed>(
        len: usize,
        huge: HugePages,
        os: &dyn Os,
    ) -> io::Result<(Space, Table<T>)> {
        debug_assert!(len.is_power_of_two());
        let heap = os::reserve(os, len + BASE_ALIGN)?;
        let base = heap.start().addr().get().next_multiple_of(BASE_ALIGN);
        if cfg!(all(target_arch = "x86_64", target_os = "linux")) && base + len > ADDRESSES {
            return Err(io::Error::other(format!(
                "the system gave addresses above {ADDRESSES:#x} for the heap"
            )));
        }
        let sizes = Sizes::of(len);
        let mut tables = Carver::reserve(os, sizes.bytes() + Table::<T>::size(sizes.classes))?;
        let of_classes = tables.carve(sizes.classes);
        let mut space = Space {
            base,
            len,
            classes: tables.carve(sizes.classes),
            span_of: tables.carve(sizes.pages),
            pages: tables.carve(sizes.pages),
            colours: tables.carve(sizes.colours),
            spans: tables.carve(sizes.spans),
            heap,
            huge_pages: false,
        };
        space.huge_pages = space.advise(huge, os).is_ok() && huge == HugePages::Advise;
        Ok((space, of_classes))
    }

    /// Huge pages are a wish: what the system answers to it only shows in the statistics. Tables have been advised against
    /// them already.
    fn advise(&self, huge: HugePages, os: &dyn Os) -> io::Result<()> {
        let wanted = huge == HugePages::Advise;
        os.advise_huge(&self.heap, 0..self.heap.len(), wanted)?;
        if wanted {
            let colours = self.colours.place_of(0..self.colours.bytes());
            os.advise_huge(self.colours.memory(), colours, wanted)?;
        }
        Ok(())
    }

    /// First address of the heap.
    #[inline(always)]
    pub fn base(&self) -> usize {
        self.base
    }

    /// Bytes reserved for objects.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: a heap has at least [`crate::Config::MIN_RESERVE`] bytes.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether the address is in the heap. One subtraction, one comparison.
    #[inline(always)]
    pub fn contains(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.base) < self.len
    }

    /// A pointer to `addr` that may be used for the whole heap.
    #[inline(always)]
    pub fn pointer(&self, addr: usize) -> *mut u8 {
        self.heap.start().as_ptr().with_addr(addr)
    }

    /// The page that contains `addr`.
    #[inline(always)]
    pub fn page_no(&self, addr: usize) -> PageNo {
        PageNo((addr.wrapping_sub(self.base) >> PAGE_SHIFT) as u32)
    }

    /// First address of a page.
    #[inline(always)]
    pub fn page_addr(&self, page: PageNo) -> usize {
        self.base.wrapping_add(page.offset())
    }

    /// What the page table says of the page that contains `addr`: two relaxed loads.
    ///
    /// Means something for an address inside an object that was handed out and is still alive.
    #[inline(always)]
    pub fn page(&self, addr: usize) -> PageRef {
        debug_assert!(self.contains(addr), "{addr:#x} is not in this heap");
        self.pages.at(addr.wrapping_sub(self.base) >> PAGE_SHIFT).read()
    }

    /// The colour byte of the object that contains `addr`, of which `page` is the page. One multiplication.
    #[inline(always)]
    pub fn colour_at(&self, page: PageRef, addr: usize) -> &AtomicU8 {
        self.colours.at(page.locate(addr).colour)
    }

    /// The class of the page's span.
    #[inline(always)]
    pub fn class(&self, page: PageRef) -> &ClassInfo {
        self.classes.at(page.class().index())
    }

    /// The class of this number.
    #[inline(always)]
    pub fn class_info(&self, class: SpanClassId) -> &ClassInfo {
        self.classes.at(class.index())
    }

    /// First address of the object that contains `addr`, of which `page` is the page. A division.
    #[inline]
    pub fn base_of(&self, page: PageRef, addr: usize) -> usize {
        match page.flags().contains(SpanFlags::LARGE) {
            false => addr.wrapping_sub(page.distance(addr)),
            true => self.span_at(addr).addr(),
        }
    }

    /// The span that contains `addr`, which is in a page in use.
    #[inline]
    pub fn span_at(&self, addr: usize) -> &Span {
        self.span_by_id(self.span_id(self.page_no(addr)))
    }

    /// First address of the object that contains `addr`, and its span; `None` for an address outside the heap, in a free
    /// page, in a span's tail or in a Free slot. Interior pointers resolve here.
    ///
    /// Exact for a heap at rest. While others allocate and sweep, only for an address whose object they leave alone.
    pub fn object_base(&self, addr: usize) -> Option<(usize, &Span)> {
        let (base, span, colour) = self.slot_at(addr)?;
        colour.is_live().then_some((base, span))
    }

    /// As [`Space::object_base`], but a slot without an object counts, too: with its colour.
    pub fn slot_at(&self, addr: usize) -> Option<(usize, &Span, Colour)> {
        if !self.contains(addr) {
            return None;
        }
        let page = self.page(addr);
        if !page.is_used() {
            return None;
        }
        let span = self.span_at(addr);
        if span.index_of(addr) >= span.slots() {
            return None;
        }
        let colour = Colour::of(self.colour_at(page, addr).load(Relaxed));
        Some((self.base_of(page, addr), span, colour))
    }

    /// Number of the span that `page`, which is in use, belongs to.
    pub(crate) fn span_id(&self, page: PageNo) -> SpanId {
        SpanId(self.span_of.at(page.index()).load(Relaxed))
    }

    /// Makes a page part of a span.
    pub(crate) fn set_span_id(&self, page: PageNo, id: SpanId) {
        self.span_of.at(page.index()).store(id.0, Relaxed);
    }

    /// The span of this number.
    #[inline(always)]
    pub(crate) fn span_by_id(&self, id: SpanId) -> &Span {
        self.spans.at(id.index())
    }

    pub(crate) fn page_table(&self) -> &Table<PageEntry> {
        &self.pages
    }

    /// `len` colour bytes from the start of a strip.
    #[inline]
    pub(crate) fn strip(&self, strip: StripNo, len: usize) -> &[AtomicU8] {
        self.colours.slice(strip.offset(), len)
    }

    pub(crate) fn colour_table(&self) -> &Table<AtomicU8> {
        &self.colours
    }

    pub(crate) fn max_classes(&self) -> usize {
        self.classes.entries()
    }

    /// The reservation objects lie in.
    pub(crate) fn memory(&self) -> &Reservation {
        &self.heap
    }

    /// Where in it these pages are.
    pub(crate) fn place_of(&self, start: PageNo, pages: u32) -> Range<usize> {
        let lead = self.base - self.heap.start().addr().get();
        let first = lead + start.offset();
        first..first + pages as usize * PAGE_SIZE
    }

    /// Pages of the reservation.
    pub(crate) fn page_count(&self) -> u32 {
        (self.len >> PAGE_SHIFT) as u32
    }

    /// Whether huge pages were asked for and the system agreed.
    pub(crate) fn has_huge_pages(&self) -> bool {
        self.huge_pages
    }
}
