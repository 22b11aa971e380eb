//! A grey object, as it waits in buffers and on stacks: where it is, and what it is.

use greyset_alloc::{PageRef, SpanClassId, View};

/// An object that is black and not scanned yet.
///
/// ```text
/// class (16 bits) | leaf (1 bit) | offset from the origin (47 bits; bit 0: rest of an array)
/// ```
///
/// The origin is the heap's base, or address 0 where 47 bits are enough for every address.
///
/// The class is what [`PageRef::tag`] says: who met the object has just read its page entry, and who scans it need not again.
/// Of the rest of an array the class is 0 and the offset is that of the first row to scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Grey(u64);

/// Bits of an offset: heaps have at most 2^44 bytes, and on x86-64 Linux no addresses from 2^47 on (checked when one is reserved).
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
        origin(view) + (self.0 & OFFSET) as usize
    }

    /// Its class; that of no object for the rest of an array.
    #[inline(always)]
    pub(crate) fn class(self) -> SpanClassId {
        PageRef::class_of_tag(self.0)
    }

    /// Whether all are of the same class.
    #[inline(always)]
    pub(crate) fn are_of_one_class(all: &[Grey]) -> bool {
        let Some(first) = all.first() else { return true };
        let differing = all.iter().fold(0, |bits, grey| bits | (grey.0 ^ first.0));
        PageRef::class_of_tag(differing) == PageRef::class_of_tag(0)
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
    let offset = addr.wrapping_sub(origin(view)) as u64;
    debug_assert!(offset <= OFFSET, "{addr:#x} takes more than 47 bits");
    offset
}

/// What offsets count from.
#[inline(always)]
fn origin(view: View<'_>) -> usize {
    if cfg!(all(target_arch = "x86_64", target_os = "linux")) { 0 } else { view.base() }
}

#[cfg(test)]
impl Grey {
    /// Something to tell from others.
    pub(crate) fn numbered(number: usize) -> Grey {
        Grey(number as u64)
    }
}
