//! A grey object, as it waits in buffers and on stacks: where it is, and what it is.

use greyset_alloc::{PageRef, SpanClassId, View};

/// An object that is black and not scanned yet.
///
/// ```text
/// class (16 bits) | leaf (1 bit) | offset in the heap (47 bits; bit 0: rest of an array)
/// ```
///
/// The class is what [`PageRef::tag`] says: who met the object has just read its page entry, and who scans it need not again.
/// Of the rest of an array the class is 0 and the offset is that of the first row to scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Grey(u64);

/// Bits of an offset: heaps have at most 2^44 bytes.
const OFFSET: u64 = (1 << PageRef::TAG_SHIFT) - 1;
/// The offset is that of the rest of an array.
const REST: u64 = 1;

impl Grey {
    /// Nothing: what fills the unused places of an array.
    pub(crate) const NONE: Grey = Grey(0);

    /// The object at `base`, on this page.
    #[inline(always)]
    pub(crate) fn new(view: View<'_>, page: PageRef, base: usize) -> Grey {
        Grey(page.tag() | offset(view, base))
    }

    /// The rows of an array from the one at `row` on.
    pub(crate) fn rest(view: View<'_>, row: usize) -> Grey {
        Grey(offset(view, row) | REST)
    }

    /// The address of the row, if it is the rest of an array.
    pub(crate) fn as_rest(self, view: View<'_>) -> Option<usize> {
        (self.0 & REST != 0).then(|| self.addr(view) & !(REST as usize))
    }

    /// Address of the object's first byte.
    #[inline(always)]
    pub(crate) fn addr(self, view: View<'_>) -> usize {
        view.base() + (self.0 & OFFSET) as usize
    }

    /// Its class; that of no object for the rest of an array.
    #[inline(always)]
    pub(crate) fn class(self) -> SpanClassId {
        PageRef::class_of_tag(self.0)
    }

    /// The bits of both, no object any more: [`Grey::is_leaf`] says of many at once whether any is one.
    #[inline(always)]
    pub(crate) fn union(self, other: Grey) -> Grey {
        Grey(self.0 | other.0)
    }

    /// Whether it holds no references.
    #[inline(always)]
    pub(crate) fn is_leaf(self) -> bool {
        PageRef::tag_is_leaf(self.0)
    }
}

#[inline(always)]
fn offset(view: View<'_>, addr: usize) -> u64 {
    addr.wrapping_sub(view.base()) as u64
}

#[cfg(test)]
impl Grey {
    /// Something to tell from others.
    pub(crate) fn numbered(number: usize) -> Grey {
        Grey(number as u64)
    }
}
