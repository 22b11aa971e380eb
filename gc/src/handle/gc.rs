//! `Gc`: a borrowed reference to an object.
//!
//! One word, `Copy`, no cost to make, copy or follow. The lifetime `'gc` is a borrow of the mutator, and a safepoint needs
//! the mutator `&mut`: so no `Gc` is alive at a safepoint, and the borrow checker has proved it.
//!
//! What it never does: keep an object alive by itself. An object reachable at the start of a window stays valid for the
//! window; beyond that it needs a [`Root`](crate::Root) or a field of another object.

use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;

/// A reference to a value in the heap, valid until the next safepoint.
///
/// Comparison, hashing and formatting are those of the value; [`Gc::ptr_eq`] and [`Gc::as_addr`] are about identity.
///
/// Neither `Send` nor `Sync`; [`Root`](crate::Root) is.
///
/// # Invariants
/// For the whole of `'gc`: `ptr` is the address of a valid `T` in the heap of the mutator that `'gc` borrows, inside an
/// object that is not freed and not moved; with provenance over the `T` at least, and over the whole object if the `Gc`
/// came from an allocation, a slot or a root.
#[repr(transparent)]
pub struct Gc<'gc, T: ?Sized> {
    ptr: NonNull<T>,
    brand: PhantomData<(Invariant<'gc>, *const T)>,
}

impl<T: ?Sized> Copy for Gc<'_, T> {}
impl<T: ?Sized> Clone for Gc<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// The reference for a pointer.
    ///
    /// # Safety
    /// The invariants of the type hold for `ptr` and a `'gc` that borrows a mutator of its heap.
    #[inline]
    pub(crate) unsafe fn from_ptr(ptr: NonNull<T>) -> Gc<'gc, T> {
        Gc { ptr, brand: PhantomData }
    }

    /// The reference for an address that [`Gc::as_addr`] gave.
    ///
    /// # Safety
    /// As [`Gc::from_ptr`], for the `T` at `addr`.
    #[inline]
    pub(crate) unsafe fn from_addr(addr: usize) -> Gc<'gc, T>
    where
        T: Sized,
    {
        let ptr = std::ptr::with_exposed_provenance_mut::<T>(addr);
        // SAFETY: not null, since it is the address of an object.
        let ptr = unsafe { NonNull::new_unchecked(ptr) };
        // SAFETY: handed on from the caller.
        unsafe { Gc::from_ptr(ptr) }
    }

    /// The pointer.
    #[inline]
    pub(crate) fn as_non_null(self) -> NonNull<T> {
        self.ptr
    }

    /// The value, for the rest of the window.
    ///
    /// Dereferencing does the same for as long as the `Gc` itself is borrowed.
    #[inline]
    pub fn get(self) -> &'gc T
    where
        T: 'gc,
    {
        // SAFETY: by the invariants the value is valid for `'gc`; it is only ever shared, since `Gc` is `Copy` and gives
        // out no `&mut`.
        unsafe { self.ptr.as_ref() }
    }

    /// Are these references to the same object (or the same part of it)?
    #[inline]
    pub fn ptr_eq<U: ?Sized>(a: Gc<'gc, T>, b: Gc<'gc, U>) -> bool {
        a.as_addr() == b.as_addr()
    }

    /// The address: unique among live objects that are not of size zero, and constant for an object's life.
    #[inline]
    pub fn as_addr(self) -> usize {
        self.ptr.as_ptr().addr()
    }
}

impl<T: ?Sized> Deref for Gc<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as in `get`; a borrow of the `Gc` ends before `'gc` does.
        unsafe { self.ptr.as_ref() }
    }
}

// SAFETY: it holds one reference, which it reports. The pointee is `Trace`, so other threads may follow the reference.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Gc<'gc, T> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        t.edge(*self);
    }
}
// SAFETY: a thin `Gc` is one word that is never null. That of an unsized type has a second word, so it is left to `trace`.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Shaped<'gc> for Gc<'gc, T> {
    const SHAPE: Shape = if size_of::<Self>() == size_of::<usize>() { Shape::WORD } else { Shape::Call };
    const HASH: u64 = hash_site("greyset", "Gc", size_of::<Self>() as u32, 0);
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for Gc<'static, T> {
    type At<'gc> = Gc<'gc, T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Gc<'gc, T> {
    type Static = Gc<'static, T::Static>;
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
impl<T: ?Sized + fmt::Display> fmt::Display for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
impl<T: ?Sized> fmt::Pointer for Gc<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ptr.fmt(f)
    }
}
impl<'gc, T: ?Sized + PartialEq> PartialEq for Gc<'gc, T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
impl<T: ?Sized + Eq> Eq for Gc<'_, T> {}
impl<'gc, T: ?Sized + PartialOrd> PartialOrd for Gc<'gc, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (**self).partial_cmp(other)
    }
}
impl<'gc, T: ?Sized + Ord> Ord for Gc<'gc, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(other)
    }
}
impl<T: ?Sized + Hash> Hash for Gc<'_, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
