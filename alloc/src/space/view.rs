//! A view of the tables that finding an object's colour takes, small enough to stay in registers.
//!
//! The same arithmetic as [`Space::page`] and [`Space::base_of`]. A marker's loop stores colour bytes all the time, and the
//! compiler must assume that such a store may change what lies behind a `&Space`; a view by value it need not load again.

use super::Space;
use super::page::{PageEntry, PageRef};
use super::table::Table;
use crate::unit::PAGE_SHIFT;
use greyset_sync::atomic::AtomicU8;
use std::ptr::NonNull;

/// A table by pointer and mask.
///
/// # Invariants
/// As [`Table`]'s, whose copy it is, for as long as the `Space` it was taken from is borrowed.
struct Rows<T> {
    first: NonNull<T>,
    mask: usize,
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Rows<T> {}

impl<T> Rows<T> {
    #[inline(always)]
    fn at<'a>(self, index: usize) -> &'a T {
        // SAFETY: masked, the index is inside the table (invariant).
        let entry = unsafe { self.first.add(index & self.mask) };
        // SAFETY: entries are valid and shared while the `Space` is borrowed (invariant); `View` hands out no longer borrow.
        unsafe { entry.as_ref() }
    }
}

/// What finding an object's colour takes of a [`Space`], by value.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: usize,
    pages: Rows<PageEntry>,
    colours: Rows<AtomicU8>,
    space: &'a Space,
}

impl Space {
    /// The space as a view.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View { base: self.base, pages: rows(&self.pages), colours: rows(&self.colours), space: self }
    }
}

fn rows<T: super::table::Zeroed>(table: &Table<T>) -> Rows<T> {
    let (first, mask) = table.parts();
    Rows { first, mask }
}

impl<'a> View<'a> {
    /// The space it is a view of.
    #[inline(always)]
    pub fn space(self) -> &'a Space {
        self.space
    }

    /// As [`Space::base`].
    #[inline(always)]
    pub fn base(self) -> usize {
        self.base
    }

    /// As [`Space::page`].
    #[inline(always)]
    pub fn page(self, addr: usize) -> PageRef {
        debug_assert!(self.space.contains(addr), "{addr:#x} is not in this heap");
        self.pages.at(addr.wrapping_sub(self.base) >> PAGE_SHIFT).read()
    }

    /// Colour byte and first address of the object that contains `addr`, of which `page` is the page. One multiplication for
    /// an address that is an object's first, as most are.
    #[inline(always)]
    pub fn locate(self, page: PageRef, addr: usize) -> (&'a AtomicU8, usize) {
        let located = page.locate(addr);
        let colour = self.colours.at(located.colour);
        (colour, if located.is_first { addr } else { self.space.base_of(page, addr) })
    }
}
