//! `Array`: a row of elements inside one object, as long as it was made.
//!
//! The object is a length and the elements behind it. A reference to it is one word; the length is in the object.
//!
//! An object is visible to the sweeper as soon as its slot is taken, and its drop glue goes by its length. So the length is 0
//! until all elements are there: whatever happens in between, the object is a valid array.
//!
//! What this module never does: change an element. Elements that change are [`Slot`](crate::Slot)s,
//! [`WordSlot`](crate::WordSlot)s or [`Lock`](crate::Lock)s; for rows of slots see `array_slots`.

use crate::error::OutOfMemory;
use crate::handle::Gc;
use crate::mutator::Mutator;
use crate::trace::{
    Branded, GcType, Invariant, Managed, Shape, Shaped, Trace, Tracer, gc_type, hash_site, mix,
};
use std::fmt;
use std::marker::PhantomData;
use std::mem::{needs_drop, offset_of};
use std::ops::{Deref, Range};
use std::ptr::{self, NonNull};
use std::slice;

/// A row of elements in the heap; dereferences to a slice.
///
/// Made by [`Mutator::alloc_array`] and [`Mutator::alloc_slice`]. The marker scans long arrays in parts.
///
/// ```
/// use greyset::{Array, Heap, Slot};
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let squares = m.alloc_array(4, |i| i * i);
///     assert_eq!(squares.as_slice(), [0, 1, 4, 9]);
///     let row = m.alloc_array(100, |_| Slot::<Array<usize>>::empty());
///     row[7].store(m, Some(squares));
///     assert_eq!(row.iter().filter(|slot| slot.load(m).is_some()).count(), 1);
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
///
/// # Invariants
/// It exists only at the start of a heap object whose provenance is exposed, with `len` initialised elements behind it.
#[repr(C)]
pub struct Array<'gc, V> {
    len: usize,
    elements: [V; 0],
    brand: PhantomData<(Invariant<'gc>, *const V)>,
}

impl<'gc, V> Array<'gc, V> {
    const HEADER: usize = offset_of!(Self, elements);

    /// The elements, through a pointer that may go beyond the header.
    ///
    /// # Safety
    /// `array` points to an array and has provenance over the whole object.
    #[inline]
    unsafe fn slice<'a>(array: *const Self) -> &'a [V] {
        // SAFETY: the header is valid and its first word is the length.
        let len = unsafe { (*array).len };
        let elements = array.cast::<u8>().wrapping_add(Self::HEADER).cast::<V>();
        // SAFETY: by the type's invariant `len` initialised elements lie there, shared like everything in the heap. `'a` is
        // chosen by callers within the life of the array.
        unsafe { slice::from_raw_parts(elements, len) }
    }
}

impl<V> Deref for Array<'_, V> {
    type Target = [V];
    #[inline]
    fn deref(&self) -> &[V] {
        // A reference has provenance over the header only, so the pointer is made anew from the exposed address.
        let array = ptr::with_exposed_provenance(ptr::from_ref(self).addr());
        // SAFETY: the object's provenance is exposed (invariant), and it lives as long as the borrow of its header.
        unsafe { Array::slice(array) }
    }
}

impl<'gc, V: 'gc> Gc<'gc, Array<'gc, V>> {
    /// All elements, for the rest of the window.
    #[inline]
    pub fn as_slice(self) -> &'gc [V] {
        // SAFETY: a `Gc` to an array comes from an allocation, a slot or a root, never from a projection (an array is never
        // a part of something), so it has provenance over the object; and the object lives for `'gc`.
        unsafe { Array::slice(self.as_non_null().as_ptr()) }
    }

    /// A reference to the elements as a slice, two words long. With [`Gc::project`] it leads to parts of the array:
    ///
    /// ```
    /// # use greyset::{Gc, Heap};
    /// # let heap = Heap::builder().build()?;
    /// # heap.mutator().enter(|m| {
    /// let squares = m.alloc_array(4, |i| i * i);
    /// let last: Gc<[usize]> = squares.wide().project(|all| &all[2..]);
    /// assert_eq!(*last, [4, 9]);
    /// # });
    /// # Ok::<(), greyset::HeapError>(())
    /// ```
    pub fn wide(self) -> Gc<'gc, [V]> {
        let elements = NonNull::from(self.as_slice());
        // What is of size zero may start at the end of the object, where another starts. So it lies at the object's address,
        // which is aligned for it.
        let empty = NonNull::slice_from_raw_parts(self.as_non_null().cast(), elements.len());
        let elements = if size_of_val(self.as_slice()) == 0 { empty } else { elements };
        // SAFETY: they lie inside the object, which `'gc` keeps.
        unsafe { Gc::from_ptr(elements) }
    }
}

impl<'gc, V: 'gc> IntoIterator for Gc<'gc, Array<'gc, V>> {
    type Item = &'gc V;
    type IntoIter = slice::Iter<'gc, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

impl Mutator {
    /// Allocates an array of `len` elements, each made by `make` from its index.
    ///
    /// `make` may allocate. If it panics the elements made so far are dropped. Elements that are aligned to more than 4096 bytes are
    /// rejected when the program is built.
    ///
    /// # Panics
    /// When the hard limit or the memory is exhausted. [`Mutator::try_alloc_array`] returns an error instead.
    pub fn alloc_array<'gc, V: Branded<'gc>>(
        &'gc self,
        len: usize,
        make: impl FnMut(usize) -> V,
    ) -> Gc<'gc, Array<'gc, V>> {
        self.try_alloc_array(len, make).unwrap_or_else(|error| out_of_memory(error))
    }

    /// As [`Mutator::alloc_array`].
    ///
    /// # Errors
    /// When the hard limit or the memory is exhausted; `make` has not been called then.
    pub fn try_alloc_array<'gc, V: Branded<'gc>>(
        &'gc self,
        len: usize,
        mut make: impl FnMut(usize) -> V,
    ) -> Result<Gc<'gc, Array<'gc, V>>, OutOfMemory> {
        let mut growing = Growing::new(self, gc_type::<Array<'static, V::Static>>(), len)?;
        for index in 0..len {
            growing.push(make(index));
        }
        let array = growing.finish();
        // SAFETY: a valid array in a fresh object of this mutator's heap, with all its provenance.
        Ok(unsafe { Gc::from_ptr(array) })
    }

    /// Allocates an array with clones of `elements`.
    ///
    /// # Panics
    /// As [`Mutator::alloc_array`].
    pub fn alloc_slice<'gc, V: Branded<'gc> + Clone>(&'gc self, elements: &[V]) -> Gc<'gc, Array<'gc, V>> {
        self.alloc_array(elements.len(), |index| elements[index].clone())
    }

    /// As [`Mutator::alloc_slice`].
    ///
    /// # Errors
    /// As [`Mutator::try_alloc_array`].
    pub fn try_alloc_slice<'gc, V: Branded<'gc> + Clone>(
        &'gc self,
        elements: &[V],
    ) -> Result<Gc<'gc, Array<'gc, V>>, OutOfMemory> {
        self.try_alloc_array(elements.len(), |index| elements[index].clone())
    }
}

#[cold]
pub(crate) fn out_of_memory(error: OutOfMemory) -> ! {
    panic!("{error}; a `try_` method returns this as an error");
}

/// An array under construction.
///
/// # Invariants
/// `array` is a slot with room for the header and `room` more elements than the `made` that are initialised, seen by nobody
/// else; its length word is 0.
pub(crate) struct Growing<V> {
    array: NonNull<u8>,
    made: usize,
    room: usize,
    elements: PhantomData<V>,
}

impl<V> Growing<V> {
    /// A slot for an array of `len` elements, whose type is `ty`.
    ///
    /// # Errors
    /// When the hard limit or the memory is exhausted.
    pub(crate) fn new(m: &Mutator, ty: &'static GcType, len: usize) -> Result<Growing<V>, OutOfMemory> {
        // Saturated: more than there is memory for, so the allocation fails as it should.
        let bytes = len.saturating_mul(size_of::<V>()).saturating_add(Array::<V>::HEADER);
        let array = m.alloc_raw(ty, bytes)?;
        // SAFETY: the slot starts with the length, and is nobody else's yet.
        unsafe { array.cast::<usize>().write(0) };
        Ok(Growing { array, made: 0, room: len, elements: PhantomData })
    }

    fn elements(&self) -> *mut V {
        self.array.as_ptr().wrapping_add(Array::<V>::HEADER).cast()
    }

    /// Adds an element; there is room for one.
    pub(crate) fn push(&mut self, element: V) {
        debug_assert!(self.room > 0, "more elements than the array was made for");
        let place = self.elements().wrapping_add(self.made);
        // SAFETY: there is room for it (invariant), at the alignment of `V`, to which the header is rounded up.
        unsafe { place.write(element) };
        self.made += 1;
        self.room -= 1;
    }

    /// Adds copies of all `elements`; there is room for them.
    pub(crate) fn push_all(&mut self, elements: &[V])
    where
        V: Copy,
    {
        debug_assert!(self.room >= elements.len(), "more elements than the array was made for");
        let place = self.elements().wrapping_add(self.made);
        // SAFETY: there is room for them (invariant), in memory that is nobody else's, so it cannot overlap.
        unsafe { ptr::copy_nonoverlapping(elements.as_ptr(), place, elements.len()) };
        self.made += elements.len();
        self.room -= elements.len();
    }

    /// The finished array, as long as it has become, with its provenance exposed.
    pub(crate) fn finish<'gc>(self) -> NonNull<Array<'gc, V>> {
        let (array, made) = (self.array, self.made);
        std::mem::forget(self);
        // SAFETY: as in `new`; so many elements are there.
        unsafe { array.cast::<usize>().write(made) };
        array.as_ptr().expose_provenance();
        array.cast()
    }
}

impl<V> Drop for Growing<V> {
    /// Only after a panic in the making of an element: the object stays behind as an empty array.
    fn drop(&mut self) {
        let made = ptr::slice_from_raw_parts_mut(self.elements(), self.made);
        // SAFETY: these elements are initialised (invariant), and with a length of 0 nobody will drop them again.
        unsafe { ptr::drop_in_place(made) };
    }
}

// SAFETY: reports what every element reports; everything else holds because it holds for the elements.
unsafe impl<'gc, V: Trace<'gc>> Trace<'gc> for Array<'gc, V> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        (**self).trace(t);
    }
}

// SAFETY: the elements lie `size_of::<V>()` apart behind the header, which starts with the length; the object is as long as
// that says. Its drop glue and its trace go by the same.
unsafe impl<'gc, V: Shaped<'gc>> Shaped<'gc> for Array<'gc, V> {
    const SHAPE: Shape = V::SHAPE.rows(Self::HEADER, size_of::<V>());
    const HASH: u64 = mix(hash_site("greyset", "Array", 0, 0), V::HASH);
    const PLAIN: bool = V::PLAIN;
    const OBJECT_SIZE: usize = 0;
    const OBJECT_DROP: Option<unsafe fn(*mut u8)> =
        if needs_drop::<V>() { Some(drop_elements::<V>) } else { None };

    unsafe fn trace_object(object: *const u8, rows: Range<usize>, t: &mut Tracer<'gc>) {
        // SAFETY: by the contract there is an array at the address, with provenance over all of it.
        let elements = unsafe { Array::<V>::slice(object.cast()) };
        elements[rows].trace(t);
    }
}

/// Drops all elements of the array of `V`s at `object`.
///
/// # Safety
/// `object` is the address of an array object that nobody else uses, now or later, with provenance over all of it.
unsafe fn drop_elements<V>(object: *mut u8) {
    // SAFETY: the length, by the contract.
    let len = unsafe { object.cast::<usize>().read() };
    let elements = object.wrapping_add(Array::<V>::HEADER).cast::<V>();
    // SAFETY: `len` initialised elements lie there, nobody else's any more.
    unsafe { ptr::drop_in_place(ptr::slice_from_raw_parts_mut(elements, len)) };
}

// SAFETY: `V` stands for its family by the contract of `Managed`.
unsafe impl<V: Managed> Managed for Array<'static, V> {
    type At<'gc> = Array<'gc, V::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, V: Branded<'gc>> Branded<'gc> for Array<'gc, V> {
    type Static = Array<'static, V::Static>;
}

impl<V: fmt::Debug> fmt::Debug for Array<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
impl<V: PartialEq> PartialEq for Array<'_, V> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
impl<V: Eq> Eq for Array<'_, V> {}
