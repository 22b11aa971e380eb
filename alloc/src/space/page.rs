//! Page entries: what an address in a page needs to find its object and its colour.
//!
//! An entry is two words, each read with one relaxed load. For a page of a span:
//!
//! ```text
//! word 0 = class (16 bits) | flags (8 bits) | 0 (8 bits) | magic (low 32 bits)
//! word 1 = bias of the span
//! ```
//!
//! For the first and last page of a row of free pages, class 0 and a tag in the flags say so:
//!
//! ```text
//! word 0 = 0 (16 bits) | tag (8 bits) | 0 (8 bits) | pages of the row (low 32 bits)
//! word 1 = next row in its list (high 32 bits) | previous row (first page only)
//! ```
//!
//! Every other free page has two zero words. Entries of free pages are touched under the page heap's lock only.

use super::table::Zeroed;
use crate::size_class::{Located, Magic};
use crate::type_info::SpanFlags;
use crate::unit::SpanClassId;
use greyset_sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A page's entry in the page table.
///
/// # Invariants
/// 1. For a page of a span both words describe that span from before its address is first handed out until it is freed.
/// 2. The class in word 0 of any other page is 0.
#[repr(C, align(16))]
pub(crate) struct PageEntry {
    word0: AtomicU64,
    word1: AtomicU64,
}

// SAFETY: two atomic numbers; zero is "a free page inside a row".
unsafe impl Zeroed for PageEntry {}

/// What a page entry said when it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRef {
    word0: u64,
    word1: u64,
}

/// Whether a row of free pages has memory behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Backing {
    /// Taken from the system and not given back.
    Committed,
    /// Given back, or never taken.
    Released,
}

const TAG_COMMITTED: u64 = 0x20;
const TAG_RELEASED: u64 = 0x40;
/// The flags are above this bit of word 0.
const FLAGS_SHIFT: u32 = 40;
/// The class is above this bit of word 0.
const CLASS_SHIFT: u32 = FLAGS_SHIFT + 8;

/// Most span classes a heap can have: what 16 bits can name. One is a type in slots of one size.
pub(crate) const MAX_CLASSES: usize = 1 << (u64::BITS - CLASS_SHIFT);

impl PageRef {
    /// A tag has nothing below this bit.
    pub const TAG_SHIFT: u32 = CLASS_SHIFT - 1;

    /// Multiplier that finds the object.
    #[inline(always)]
    pub(crate) fn magic(self) -> Magic {
        Magic(self.word0 as u32)
    }

    /// Where the colour byte of `addr` is, of which this is the page.
    #[inline(always)]
    pub(crate) fn locate(self, addr: usize) -> Located {
        self.magic().locate(self.word1, addr)
    }

    /// How many bytes behind its object's first `addr` is; not for the object of a large span.
    #[inline]
    pub(crate) fn distance(self, addr: usize) -> usize {
        self.magic().distance(self.word1, addr)
    }

    /// The span's class; [`SpanClassId::NONE`] for a free page.
    #[inline(always)]
    pub fn class(self) -> SpanClassId {
        SpanClassId((self.word0 >> CLASS_SHIFT) as u32)
    }

    /// Class, and whether it is one of leaves, in the bits from [`PageRef::TAG_SHIFT`] on.
    #[inline(always)]
    pub fn tag(self) -> u64 {
        self.word0 & (u64::MAX << PageRef::TAG_SHIFT)
    }

    /// The class in a [`PageRef::tag`], whatever is in the bits below.
    #[inline(always)]
    pub fn class_of_tag(tag: u64) -> SpanClassId {
        SpanClassId((tag >> CLASS_SHIFT) as u32)
    }

    /// Whether a [`PageRef::tag`] is that of a class of leaves.
    #[inline(always)]
    pub fn tag_is_leaf(tag: u64) -> bool {
        tag & (u64::from(SpanFlags::LEAF.bits()) << FLAGS_SHIFT) != 0
    }

    /// The span's flags.
    #[inline(always)]
    pub fn flags(self) -> SpanFlags {
        SpanFlags::from_bits_truncate((self.word0 >> FLAGS_SHIFT) as u8)
    }

    /// Whether the page belongs to a span.
    #[inline(always)]
    pub fn is_used(self) -> bool {
        self.class() != SpanClassId::NONE
    }

    /// The row of free pages that begins or ends here, if one does.
    pub(crate) fn free_row(self) -> Option<(Backing, u32)> {
        if self.is_used() {
            return None;
        }
        let pages = self.word0 as u32;
        match (self.word0 >> FLAGS_SHIFT) & 0xff {
            TAG_COMMITTED => Some((Backing::Committed, pages)),
            TAG_RELEASED => Some((Backing::Released, pages)),
            _ => None,
        }
    }

    /// Whether both words are zero: a free page inside a row, or one on its way to the system.
    pub(crate) fn is_blank(self) -> bool {
        self.word0 == 0 && self.word1 == 0
    }
}

impl PageEntry {
    /// Both words.
    #[inline(always)]
    pub(crate) fn read(&self) -> PageRef {
        PageRef { word0: self.word0.load(Relaxed), word1: self.word1.load(Relaxed) }
    }

    /// Makes the page part of a span with this [`Magic::bias`].
    #[inline]
    pub(crate) fn set_span(&self, magic: Magic, bias: u64, class: SpanClassId, flags: SpanFlags) {
        debug_assert!(class.index() < MAX_CLASSES);
        let (class, flags) = (u64::from(class.0) << CLASS_SHIFT, u64::from(flags.bits()) << FLAGS_SHIFT);
        self.word0.store(class | flags | u64::from(magic.0), Relaxed);
        self.word1.store(bias, Relaxed);
    }

    /// Makes the page a free one inside a row.
    #[inline]
    pub(crate) fn clear(&self) {
        self.word0.store(0, Relaxed);
        self.word1.store(0, Relaxed);
    }

    /// Makes the page the first or last one of a row of free pages.
    #[inline]
    pub(crate) fn set_free(&self, backing: Backing, pages: u32) {
        let tag = match backing {
            Backing::Committed => TAG_COMMITTED,
            Backing::Released => TAG_RELEASED,
        };
        self.word0.store(tag << FLAGS_SHIFT | u64::from(pages), Relaxed);
    }

    /// Links of the row that begins here: next and previous first page.
    #[inline]
    pub(crate) fn links(&self) -> (u32, u32) {
        let word1 = self.word1.load(Relaxed);
        ((word1 >> 32) as u32, word1 as u32)
    }

    /// Sets the links of the row that begins here.
    #[inline]
    pub(crate) fn set_links(&self, next: u32, previous: u32) {
        self.word1.store(u64::from(next) << 32 | u64::from(previous), Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::unit::StripNo;

    fn blank() -> PageEntry {
        PageEntry { word0: AtomicU64::new(0), word1: AtomicU64::new(0) }
    }

    #[test]
    fn what_is_set_is_read() {
        let entry = blank();
        let flags = SpanFlags::all();
        let magic = Magic::of_slot(48);
        let (start, strip) = ((1 << 47) - (1 << 16), StripNo((1 << 29) - 16));
        entry.set_span(magic, magic.bias(start, strip), SpanClassId(0xffff), flags);
        let page = entry.read();
        assert_eq!(page.magic(), magic);
        assert_eq!(page.locate(start + 96), Located { colour: strip.offset() + 2, is_first: true });
        assert_eq!(page.locate(start + 95), Located { colour: strip.offset() + 1, is_first: false });
        assert_eq!((page.distance(start + 96), page.distance(start + 95)), (0, 47));
        assert_eq!(PageRef::class_of_tag(page.tag()), page.class());
        assert!(PageRef::tag_is_leaf(page.tag()));
        assert_eq!((page.class(), page.flags()), (SpanClassId(0xffff), flags));
        assert_eq!(page.free_row(), None);
    }

    #[test]
    fn a_free_row_is_no_span() {
        let entry = blank();
        entry.set_free(Backing::Released, 9);
        assert_eq!(entry.read().free_row(), Some((Backing::Released, 9)));
        assert!(!entry.read().is_used());
        entry.clear();
        assert_eq!(entry.read().free_row(), None);
        assert!(entry.read().is_blank());
    }
}
