//! `Bytes` and `Str`: byte and character strings inside one object.
//!
//! Both are an array of bytes, so everything about their layout is said in `array`. Leaves: the marker never looks inside.

use crate::error::OutOfMemory;
use crate::handle::array::{Growing, out_of_memory};
use crate::handle::{Array, Gc};
use crate::mutator::Mutator;
use crate::trace::{Branded, GcType, Managed, Shape, Shaped, Trace, Tracer, gc_type, hash_site};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::ptr::NonNull;

/// A byte string in the heap; dereferences to `[u8]`.
///
/// ```
/// use greyset::Heap;
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let bytes = m.alloc_bytes(b"abc");
///     assert_eq!((bytes.len(), &bytes[1..]), (3, &b"bc"[..]));
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[repr(transparent)]
pub struct Bytes<'gc> {
    array: Array<'gc, u8>,
}

/// A character string in the heap; dereferences to `str`.
///
/// ```
/// use greyset::Heap;
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let text = m.alloc_str("grün");
///     assert_eq!(text.chars().rev().collect::<String>(), "nürg");
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
///
/// # Invariants
/// The bytes are UTF-8.
#[repr(transparent)]
pub struct Str<'gc> {
    array: Array<'gc, u8>,
}

impl Mutator {
    /// Allocates a copy of `bytes`.
    ///
    /// # Panics
    /// When the hard limit or the memory is exhausted. [`Mutator::try_alloc_bytes`] returns an error instead.
    pub fn alloc_bytes<'gc>(&'gc self, bytes: &[u8]) -> Gc<'gc, Bytes<'gc>> {
        self.try_alloc_bytes(bytes).unwrap_or_else(|error| out_of_memory(error))
    }

    /// As [`Mutator::alloc_bytes`].
    ///
    /// # Errors
    /// When the hard limit or the memory is exhausted.
    pub fn try_alloc_bytes<'gc>(&'gc self, bytes: &[u8]) -> Result<Gc<'gc, Bytes<'gc>>, OutOfMemory> {
        let array = self.copy_to_heap(gc_type::<Bytes<'static>>(), bytes)?;
        // SAFETY: `Bytes` is an array of bytes, and this is one in a fresh object of this mutator's heap.
        Ok(unsafe { Gc::from_ptr(array.cast()) })
    }

    /// Allocates a copy of `text`.
    ///
    /// # Panics
    /// When the hard limit or the memory is exhausted. [`Mutator::try_alloc_str`] returns an error instead.
    pub fn alloc_str<'gc>(&'gc self, text: &str) -> Gc<'gc, Str<'gc>> {
        self.try_alloc_str(text).unwrap_or_else(|error| out_of_memory(error))
    }

    /// As [`Mutator::alloc_str`].
    ///
    /// # Errors
    /// When the hard limit or the memory is exhausted.
    pub fn try_alloc_str<'gc>(&'gc self, text: &str) -> Result<Gc<'gc, Str<'gc>>, OutOfMemory> {
        let array = self.copy_to_heap(gc_type::<Str<'static>>(), text.as_bytes())?;
        // SAFETY: `Str` is an array of bytes that are UTF-8, and this is one in a fresh object of this mutator's heap.
        Ok(unsafe { Gc::from_ptr(array.cast()) })
    }

    fn copy_to_heap(&self, ty: &'static GcType, bytes: &[u8]) -> Result<NonNull<Array<'_, u8>>, OutOfMemory> {
        let mut growing = Growing::new(self, ty, bytes.len())?;
        growing.push_all(bytes);
        Ok(growing.finish())
    }
}

impl Deref for Bytes<'_> {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.array
    }
}

impl Deref for Str<'_> {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        // SAFETY: the type's invariant.
        unsafe { str::from_utf8_unchecked(&self.array) }
    }
}

impl<'gc> Gc<'gc, Bytes<'gc>> {
    /// The bytes, for the rest of the window.
    #[inline]
    pub fn as_slice(self) -> &'gc [u8] {
        self.get()
    }

    /// A reference to the bytes as a slice, two words long. With [`Gc::project`] it leads to parts of the string.
    pub fn wide(self) -> Gc<'gc, [u8]> {
        // SAFETY: `Bytes` is an array of bytes, by another name.
        unsafe { Gc::from_ptr(self.as_non_null().cast::<Array<'gc, u8>>()) }.wide()
    }
}

impl<'gc> Gc<'gc, Str<'gc>> {
    /// The text, for the rest of the window.
    #[inline]
    pub fn as_str(self) -> &'gc str {
        self.get()
    }

    /// A reference to the text as a `str`, two words long. With [`Gc::project`] it leads to parts of the text.
    pub fn wide(self) -> Gc<'gc, str> {
        // SAFETY: `Str` is an array of bytes, by another name.
        let bytes = unsafe { Gc::from_ptr(self.as_non_null().cast::<Array<'gc, u8>>()) }.wide();
        let text = bytes.as_non_null().as_ptr() as *mut str;
        // SAFETY: not null, since the bytes are not.
        let text = unsafe { NonNull::new_unchecked(text) };
        // SAFETY: the same part of the same object; it is UTF-8 by the invariant of `Str`.
        unsafe { Gc::from_ptr(text) }
    }
}

/// What both strings have in common, in terms of what they dereference to.
macro_rules! strings {
    ($($ty:ident as $target:ty;)*) => { $(
        // SAFETY: bytes hold no reference.
        unsafe impl<'gc> Trace<'gc> for $ty<'gc> {
            #[inline(always)]
            fn trace(&self, _: &mut Tracer<'gc>) {}
        }
        // SAFETY: nothing to report; the object starts with the length, as an array does, and has no drop glue.
        unsafe impl<'gc> Shaped<'gc> for $ty<'gc> {
            const SHAPE: Shape = Shape::Leaf;
            const HASH: u64 = hash_site("greyset", stringify!($ty), 0, 0);
            const PLAIN: bool = true;
            const OBJECT_SIZE: usize = 0;
        }
        // SAFETY: one type but for its lifetime.
        unsafe impl Managed for $ty<'static> {
            $crate::__private::description!($ty<'static>);
            type At<'gc> = $ty<'gc>;
        }
        // SAFETY: as above.
        unsafe impl<'gc> Branded<'gc> for $ty<'gc> {
            type Static = $ty<'static>;
        }
        impl fmt::Debug for $ty<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
        impl PartialEq for $ty<'_> {
            fn eq(&self, other: &Self) -> bool {
                **self == **other
            }
        }
        impl Eq for $ty<'_> {}
        impl PartialEq<$target> for $ty<'_> {
            fn eq(&self, other: &$target) -> bool {
                **self == *other
            }
        }
        impl PartialOrd for $ty<'_> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $ty<'_> {
            fn cmp(&self, other: &Self) -> Ordering {
                (**self).cmp(&**other)
            }
        }
        impl Hash for $ty<'_> {
            fn hash<H: Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }
    )* };
}

strings! {
    Bytes as [u8];
    Str as str;
}

impl fmt::Display for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
