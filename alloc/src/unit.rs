//! Units: pages, page numbers, span numbers, class numbers, places of colour strips.
//!
//! Each is a type of its own so that they never mix. Nothing here knows an address: that is [`crate::Space`]'s business.

/// Bytes of a heap page: the unit in which spans are made, committed and released.
pub const PAGE_SIZE: usize = 1 << PAGE_SHIFT;
/// Binary logarithm of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 13;

/// Number of a page in the heap reservation, counted from its base.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct PageNo(pub u32);

impl PageNo {
    /// Index into tables with an entry a page.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes from the base of the heap to the start of this page.
    #[inline]
    pub const fn offset(self) -> usize {
        self.index() << PAGE_SHIFT
    }

    /// The page `pages` after this one.
    #[inline]
    pub const fn plus(self, pages: u32) -> PageNo {
        PageNo(self.0 + pages)
    }

    /// The page `pages` before this one.
    #[inline]
    pub const fn minus(self, pages: u32) -> PageNo {
        PageNo(self.0 - pages)
    }
}

/// Number of a span in the span table. Numbers are reused when a span is given back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(transparent)]
pub struct SpanId(pub u32);

impl SpanId {
    /// No span. The table's entry 0 is never used.
    pub const NONE: SpanId = SpanId(0);

    /// Whether this names a span.
    #[inline]
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// Index into the span table.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of a span class, a (type, size class) pair. Given in order of first appearance, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct SpanClassId(pub u32);

impl SpanClassId {
    /// No class: what the page entries of free pages name.
    pub const NONE: SpanClassId = SpanClassId(0);

    /// Index into the class table.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Place of a colour strip in the colour table, in units of [`StripNo::UNIT`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct StripNo(pub u32);

impl StripNo {
    /// Bytes (= slots) that one unit of a strip's place stands for; also the shortest strip and its alignment.
    pub const UNIT: usize = 16;

    /// Offset of the strip's first byte in the colour table.
    #[inline]
    pub const fn offset(self) -> usize {
        self.0 as usize * StripNo::UNIT
    }
}

/// Whole pages that `bytes` need.
pub(crate) const fn pages_for(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}
