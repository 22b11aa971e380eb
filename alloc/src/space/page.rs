//! Page entries: what an address in a page needs to find its object and its colour.
//!
//! An entry is two words, each read with one relaxed load. For a page of a span:
//!
//! ```text
//! word 0 = start page of the span (high 32 bits) | magic (low 32 bits)
//! word 1 = strip (high 32 bits) | class (24 bits) | flags (8 bits)
//! ```
//!
//! For the first and last page of a row of free pages, class 0 and a tag in the flags say so:
//!
//! ```text
//! word 0 = next row in its list | previous row (first page only)
//! word 1 = pages of the row (high 32 bits) | 0 | tag
//! ```
//!
//! Every other free page has two zero words. Entries of free pages are touched under the page heap's lock only.

use super::table::Zeroed;
use crate::size_class::Magic;
use crate::type_info::SpanFlags;
use crate::unit::{PageNo, SpanClassId, StripNo};
use greyset_sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A page's entry in the page table.
///
/// # Invariants
/// 1. For a page of a span both words describe that span from before its address is first handed out until it is freed.
/// 2. The class in word 1 of any other page is 0.
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

const TAG_COMMITTED: u64 = 0x40;
const TAG_RELEASED: u64 = 0x80;
const CLASS_SHIFT: u32 = 8;
const CLASS_MASK: u64 = (1 << 24) - 1;

/// Most span classes a heap can have: what 24 bits can name.
pub(crate) const MAX_CLASSES: usize = 1 << 24;

impl PageRef {
    /// First page of the span.
    #[inline(always)]
    pub fn start(self) -> PageNo {
        PageNo((self.word0 >> 32) as u32)
    }

    /// Multiplier that finds the object.
    #[inline(always)]
    pub(crate) fn magic(self) -> Magic {
        Magic(self.word0 as u32)
    }

    /// The span's colour strip.
    #[inline(always)]
    pub fn strip(self) -> StripNo {
        StripNo((self.word1 >> 32) as u32)
    }

    /// The span's class; [`SpanClassId::NONE`] for a free page.
    #[inline(always)]
    pub fn class(self) -> SpanClassId {
        SpanClassId(((self.word1 >> CLASS_SHIFT) & CLASS_MASK) as u32)
    }

    /// Class and flags in one number, never 0 for a page of a span: equal for pages whose objects are alike.
    #[inline(always)]
    pub fn kind(self) -> u32 {
        self.word1 as u32
    }

    /// The span's flags.
    #[inline(always)]
    pub fn flags(self) -> SpanFlags {
        SpanFlags::from_bits_truncate(self.word1 as u8)
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
        let pages = (self.word1 >> 32) as u32;
        match self.word1 & 0xff {
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

    /// Makes the page part of the span that starts at `start`.
    #[inline]
    pub(crate) fn set_span(
        &self,
        start: PageNo,
        magic: Magic,
        strip: StripNo,
        class: SpanClassId,
        flags: SpanFlags,
    ) {
        let class = u64::from(class.0) & CLASS_MASK;
        self.word0.store(u64::from(start.0) << 32 | u64::from(magic.0), Relaxed);
        self.word1.store(u64::from(strip.0) << 32 | class << CLASS_SHIFT | u64::from(flags.bits()), Relaxed);
    }

    /// Makes the page a free one inside a row.
    #[inline]
    pub(crate) fn clear(&self) {
        self.word1.store(0, Relaxed);
        self.word0.store(0, Relaxed);
    }

    /// Makes the page the first or last one of a row of free pages.
    #[inline]
    pub(crate) fn set_free(&self, backing: Backing, pages: u32) {
        let tag = match backing {
            Backing::Committed => TAG_COMMITTED,
            Backing::Released => TAG_RELEASED,
        };
        self.word1.store(u64::from(pages) << 32 | tag, Relaxed);
    }

    /// Links of the row that begins here: next and previous first page.
    #[inline]
    pub(crate) fn links(&self) -> (u32, u32) {
        let word0 = self.word0.load(Relaxed);
        ((word0 >> 32) as u32, word0 as u32)
    }

    /// Sets the links of the row that begins here.
    #[inline]
    pub(crate) fn set_links(&self, next: u32, previous: u32) {
        self.word0.store(u64::from(next) << 32 | u64::from(previous), Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn blank() -> PageEntry {
        PageEntry { word0: AtomicU64::new(0), word1: AtomicU64::new(0) }
    }

    #[test]
    fn what_is_set_is_read() {
        let entry = blank();
        let flags = SpanFlags::LEAF | SpanFlags::TINY;
        entry.set_span(PageNo(u32::MAX), Magic(7), StripNo(u32::MAX), SpanClassId(0xff_ffff), flags);
        let page = entry.read();
        assert_eq!(
            (page.start(), page.magic(), page.strip()),
            (PageNo(u32::MAX), Magic(7), StripNo(u32::MAX))
        );
        assert_eq!((page.class(), page.flags()), (SpanClassId(0xff_ffff), flags));
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
