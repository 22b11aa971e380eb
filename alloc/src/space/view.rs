//! A view of the tables that finding an object's colour takes, small enough to stay in registers.
//!
//! The same arithmetic as [`Space::page`] and [`Space::base_of`]. A marker's loop stores colour bytes all the time, and the
//! compiler must assume that such a store may change what lies behind a `&Space`; a view by value it need not load again.

use super::Space;
use super::page::{PageEntry, PageRef};
use super::table::Table;
use crate::size_class::Located;
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
///
/// # Invariant
/// `page_of_zero` is as far before `pages.first` as the page of `base`, a multiple of the page size, is behind that of address 0.
#[derive(Clone, Copy)]
pub struct View<'a> {
    base: usize,
    pages: Rows<PageEntry>,
    page_of_zero: *const PageEntry,
    colours: Rows<AtomicU8>,
    space: &'a Space,
}

impl Space {
    /// The space as a view.
    #[inline]
    pub fn view(&self) -> View<'_> {
        let pages = rows(&self.pages);
        let page_of_zero = pages.first.as_ptr().cast_const().wrapping_sub(self.base >> PAGE_SHIFT);
        View { base: self.base, pages, page_of_zero, colours: rows(&self.colours), space: self }
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

    /// What [`View::page`] and [`View::locate`] say, without a look at the bounds of the tables.
    ///
    /// # Safety
    /// `addr` is that of an object, or inside of one, which is not freed meanwhile.
    #[inline(always)]
    pub unsafe fn find(self, addr: usize) -> (PageRef, &'a AtomicU8, usize) {
        debug_assert!(self.space.contains(addr), "{addr:#x} is not in this heap");
        // SAFETY: by the invariant of `View` this is the entry of the address's page, and the caller says that it is in the heap.
        let page = unsafe { &*self.page_of_zero.wrapping_add(addr >> PAGE_SHIFT) }.read();
        let located = page.locate(addr);
        // SAFETY: the page is of a span in use, since it has an object, and the colour bytes of spans in use are in the table.
        let colour = unsafe { self.colours.first.add(located.colour) };
        // SAFETY: as in `Rows::at`.
        let colour = unsafe { colour.as_ref() };
        (page, colour, self.first_of(located, page, addr))
    }

    #[inline(always)]
    fn first_of(self, located: Located, page: PageRef, addr: usize) -> usize {
        if located.is_first { addr } else { self.space.base_of(page, addr) }
    }

    /// Colour byte and first address of the object that contains `addr`, of which `page` is the page. One multiplication for
    /// an address that is an object's first, as most are.
    #[inline(always)]
    pub fn locate(self, page: PageRef, addr: usize) -> (&'a AtomicU8, usize) {
        let located = page.locate(addr);
        let colour = self.colours.at(located.colour);
        (colour, self.first_of(located, page, addr))
    }
}
