//! References to parts of objects, to unsized views of them, and to objects of a type known at run time only.
//!
//! A reference into an object keeps the whole object: the collector finds an object by any address inside.

use crate::handle::Gc;
use crate::mutator::Mutator;
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use std::any::TypeId;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

impl<'gc, T: ?Sized> Gc<'gc, T> {
    /// A reference to a part of the value: a field, an element of an array in it, the value as another type.
    ///
    /// `part` gets the value and says which part. It must not hold on to anything of the window (it is `'static`), so that
    /// nothing it returns can depend on more than the value.
    ///
    /// Cost: two comparisons.
    ///
    /// # Panics
    /// If what `part` returns does not lie in the value itself but somewhere it points to.
    ///
    /// ```
    /// use greyset::{Gc, Heap};
    /// let heap = Heap::builder().build()?;
    /// heap.mutator().enter(|m| {
    ///     let pair = m.alloc((1_u64, [2_u64, 3]));
    ///     let three: Gc<u64> = pair.project(|pair| &pair.1[1]);
    ///     let row: Gc<[u64]> = pair.project(|pair| &pair.1[..]);
    ///     assert_eq!((*three, row.len()), (3, 2));
    /// });
    /// # Ok::<(), greyset::HeapError>(())
    /// ```
    //
    // Why the result may live as long as the object, although `part` promises its validity only for the borrow it is given:
    // an object is shared from its allocation to its end, so `part` might as well have been given a borrow of that length.
    // The one thing that gives out borrows that end sooner is a guard of a `Lock`, which needs a mutator; a `'static` closure
    // has none.
    #[inline]
    pub fn project<U: ?Sized>(self, part: impl for<'a> FnOnce(&'a T) -> &'a U + 'static) -> Gc<'gc, U> {
        let whole = self.as_non_null();
        // SAFETY: by the invariants of `Gc` the value is valid and shared for `'gc`, which outlasts the call.
        let value: &T = unsafe { whole.as_ref() };
        let size = size_of_val(value);
        let part: &U = part(value);
        let found = NonNull::from(part);
        let inside = found.as_ptr().addr().wrapping_sub(self.as_addr());
        let part_size = size_of_val(part);
        if part_size == 0 {
            return project_nothing(self.as_addr(), found, align_of_val(part));
        }
        if inside >= size || part_size > size - inside {
            not_inside();
        }
        // SAFETY: the part lies in the value, so in the same object, which `'gc` keeps; why it stays valid is said above.
        unsafe { Gc::from_ptr(found) }
    }

    /// The object, whatever its type. [`Gc::downcast`] finds the type again.
    #[inline]
    pub fn erase(self) -> Gc<'gc, Erased<'gc>> {
        // SAFETY: an `Erased` is nothing, which is valid at every address; the object is the same.
        unsafe { Gc::from_ptr(self.as_non_null().cast()) }
    }

    /// The object as an `F`, if that is what was allocated. `F` is the key of the family: `Node<'static>`.
    ///
    /// The type is that of the memory the object lies in; nothing is stored in the object. `None` also for a reference to
    /// a part that is not at the object's start, and for values of 8 bytes or less without references and without `Drop`
    /// (numbers and the like): objects of many such types share their memory.
    ///
    /// Cost: two table look-ups and a comparison.
    ///
    /// ```
    /// use greyset::{Heap, Slot};
    /// let heap = Heap::builder().build()?;
    /// heap.mutator().enter(|m| {
    ///     let any = m.alloc(String::from("text")).erase();
    ///     assert_eq!(any.downcast::<String>(m).as_deref().map(String::as_str), Some("text"));
    ///     assert!(any.downcast::<Vec<u8>>(m).is_none());
    /// });
    /// # Ok::<(), greyset::HeapError>(())
    /// ```
    pub fn downcast<F: Managed>(self, m: &'gc Mutator) -> Option<Gc<'gc, F::At<'gc>>> {
        let (base, ty) = m.object_at(self.as_addr())?;
        if base != self.as_addr() || ty.family != TypeId::of::<F>() {
            return None;
        }
        // The pointer is made anew: this one may have provenance over a part only.
        let object = NonNull::new(ptr::with_exposed_provenance_mut::<F::At<'gc>>(base))?;
        // SAFETY: the object that starts here was allocated as an `F`, which differs from `F::At<'gc>` in lifetimes only; it
        // is in the heap of `m`, and `self` says that it lives for `'gc`.
        Some(unsafe { Gc::from_ptr(object) })
    }
}

/// The reference to a part of size zero, which lies wherever a part of that alignment may: at the address of the whole, since
/// its own may be one past the end, where another object starts.
#[cold]
fn project_nothing<'gc, U: ?Sized>(whole: usize, part: NonNull<U>, align: usize) -> Gc<'gc, U> {
    if !whole.is_multiple_of(align) {
        not_inside();
    }
    let part = part.as_ptr();
    let moved = part.wrapping_byte_offset(whole.wrapping_sub(part.addr()) as isize);
    let Some(moved) = NonNull::new(moved) else { not_inside() };
    // SAFETY: nothing is ever read through it, so all it needs is an aligned address, which keeps the object.
    unsafe { Gc::from_ptr(moved) }
}

#[cold]
fn not_inside() -> ! {
    panic!("`project` must return a part of the value itself, not of something the value points to");
}

/// An object of a type that is not known at compile time: `Gc<'gc, Erased<'gc>>`, `Slot<'gc, Erased<'gc>>`.
///
/// There is nothing in it to look at; [`Gc::downcast`] gives the object with its type.
pub struct Erased<'gc> {
    brand: PhantomData<(Invariant<'gc>, *const ())>,
}

impl fmt::Debug for Erased<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Erased")
    }
}

// SAFETY: there is nothing in it. (Objects are traced by the type they were allocated with.)
unsafe impl<'gc> Trace<'gc> for Erased<'gc> {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}
// SAFETY: as above.
unsafe impl<'gc> Shaped<'gc> for Erased<'gc> {
    const SHAPE: Shape = Shape::Leaf;
    const HASH: u64 = hash_site("greyset", "Erased", 0, 0);
}
// SAFETY: one type but for its lifetime.
unsafe impl Managed for Erased<'static> {
    type At<'gc> = Erased<'gc>;
}
// SAFETY: as above.
unsafe impl<'gc> Branded<'gc> for Erased<'gc> {
    type Static = Erased<'static>;
}

/// Turns a `Gc` to a value into a `Gc` to an unsized view of it: `unsize!(gc => dyn Draw<'_>)`.
///
/// The compiler checks that the value's type coerces to the other.
///
/// ```
/// use greyset::{Gc, Heap, Trace, unsize};
///
/// trait Area<'gc>: Trace<'gc> {
///     fn area(&self) -> f64;
/// }
///
/// #[derive(Trace)]
/// struct Square {
///     side: f64,
/// }
///
/// impl<'gc> Area<'gc> for Square {
///     fn area(&self) -> f64 {
///         self.side * self.side
///     }
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let square = m.alloc(Square { side: 3.0 });
///     let shape: Gc<dyn Area> = unsize!(square => dyn Area<'_>);
///     assert_eq!(shape.area(), 9.0);
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[macro_export]
macro_rules! unsize {
    ($gc:expr => $ty:ty) => {
        $crate::Gc::project::<$ty>($gc, |value| value)
    };
}
