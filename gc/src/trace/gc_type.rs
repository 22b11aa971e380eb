//! What allocator and marker know of a family of types at run time.
//!
//! A `GcType` is made by the compiler, one for each family (two addresses for one family cost a second span class, nothing
//! else). Never changed, never freed.

use super::{Managed, Shape, Shaped, Tracer};
use greyset_alloc::{MAX_ALIGN, TypeInfo};
use std::any::{TypeId, type_name};
use std::ops::Range;

/// Traces the object at an address; of an array, the elements in the range.
///
/// # Safety
/// As [`Shaped::trace_object`]: a live object of the type the function belongs to, and elements it has.
pub type TraceFn = unsafe fn(*const u8, Range<usize>, &mut Tracer<'static>);

/// The run-time description of a family of heap types.
///
/// `#[repr(C)]` with the allocator's part first: the address of `base` is the address of the whole.
#[repr(C)]
#[derive(Debug)]
pub struct GcType {
    /// What the allocator needs.
    pub(crate) base: TypeInfo,
    /// Where the references lie.
    pub(crate) shape: Shape,
    /// Reports the references where `shape` says [`Shape::Call`], or of elements of [`Shape::Rows`] without words.
    pub(crate) trace: TraceFn,
    /// The family: `TypeId` of the [`Managed`] key.
    pub(crate) family: TypeId,
}

/// The description of the family `F`, of which there are to be objects: every allocation asks for it. A type that only lies in a
/// container of another object may be aligned as it likes.
#[inline(always)]
pub(crate) const fn gc_type<F: Managed>() -> &'static GcType {
    const {
        assert!(
            align_of::<F::At<'static>>() <= MAX_ALIGN,
            "an alignment above 4096 is not supported in the heap; put a `Box` of the value into the object"
        );
    }
    F::DESCRIPTION
}

/// Hash of the family `F`, for picking a bin.
#[inline]
pub(crate) const fn family_hash<F: Managed>() -> usize {
    <F::At<'static> as Shaped<'static>>::HASH as usize
}

impl GcType {
    /// The description of the family `F`. Layout, shape and glue are those of `At<'static>`, and so of every `At<'gc>`: they
    /// differ in lifetimes only.
    pub const fn of<F: Managed>() -> GcType {
        GcType {
            base: TypeInfo {
                name: type_name::<F>,
                size: <F::At<'static> as Shaped<'static>>::OBJECT_SIZE,
                align: align_of::<F::At<'static>>(),
                drop: <F::At<'static> as Shaped<'static>>::OBJECT_DROP,
                leaf: <F::At<'static> as Shaped<'static>>::SHAPE.is_leaf(),
                hash: family_hash::<F>(),
            },
            shape: <F::At<'static> as Shaped<'static>>::SHAPE,
            trace: <F::At<'static> as Shaped<'static>>::trace_object,
            family: TypeId::of::<F>(),
        }
    }

    /// The number of elements of the array object at `object`; 0 for other objects, which have no rows.
    ///
    /// # Safety
    /// `object` is the address of a live object of this type, seen through a reference another thread has published.
    #[inline]
    pub(crate) unsafe fn rows(&self, object: *const u8) -> usize {
        match self.shape {
            // SAFETY: an object of shape `Rows` starts with its length, written before the object was published.
            Shape::Rows(_) => unsafe { object.cast::<usize>().read() },
            _ => 0,
        }
    }

    /// Reports all references of the object at `object`, by a call.
    ///
    /// # Safety
    /// As for [`GcType::rows`].
    pub(crate) unsafe fn trace_all(&self, object: *const u8, t: &mut Tracer<'static>) {
        // SAFETY: handed on from the caller.
        let rows = unsafe { self.rows(object) };
        // SAFETY: handed on from the caller; `rows` is the object's own length.
        unsafe { (self.trace)(object, 0..rows, t) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Gc;

    #[test]
    fn description_says_what_the_type_is() {
        let ty = gc_type::<(u64, Option<Gc<'static, String>>)>();
        assert_eq!((ty.base.size, ty.base.align, ty.base.leaf), (16, 8, false));
        assert!(ty.base.drop.is_none());
        assert_eq!(ty.shape, Shape::Leaf.with(8, Shape::WORD));
        assert!((ty.base.name)().contains("u64"));
        assert!(gc_type::<String>().base.drop.is_some());
        assert!(gc_type::<String>().base.leaf);
    }

    #[test]
    fn no_object_is_of_size_zero() {
        assert_eq!(gc_type::<()>().base.size, 1);
    }

    #[test]
    fn families_are_told_apart() {
        assert_ne!(gc_type::<u64>().family, gc_type::<i64>().family);
        assert_ne!(family_hash::<Vec<u64>>(), family_hash::<Vec<i64>>());
        assert_eq!(gc_type::<u64>().family, TypeId::of::<u64>());
    }
}
