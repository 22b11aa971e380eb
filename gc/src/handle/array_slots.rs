//! Bulk changes of rows of slots.
//!
//! Each element is written by its own `store`, with its own barrier: a bulk write is nothing but many small ones, and
//! other mutators may see it half done.

use crate::handle::{Array, Gc, Slot, Word, WordSlot};
use crate::mutator::Mutator;
use std::ops::Range;

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Slot<'_, T> {}
    impl<V> Sealed for super::WordSlot<'_, V> {}
}

/// [`Slot`] and [`WordSlot`], as elements of an array.
pub trait ArraySlot<'gc>: sealed::Sealed {
    /// What such a slot holds.
    type Value: Copy;
    /// What the slot holds.
    fn get(&self, m: &'gc Mutator) -> Self::Value;
    /// Puts `value` in the place of what the slot holds.
    fn set(&self, m: &'gc Mutator, value: Self::Value);
}

impl<'gc, T: 'gc> ArraySlot<'gc> for Slot<'gc, T> {
    type Value = Option<Gc<'gc, T>>;
    #[inline]
    fn get(&self, m: &'gc Mutator) -> Self::Value {
        self.load(m)
    }
    #[inline]
    fn set(&self, m: &'gc Mutator, value: Self::Value) {
        self.store(m, value);
    }
}

impl<'gc, V: Word<'gc>> ArraySlot<'gc> for WordSlot<'gc, V> {
    type Value = V;
    #[inline]
    fn get(&self, m: &'gc Mutator) -> V {
        self.load(m)
    }
    #[inline]
    fn set(&self, m: &'gc Mutator, value: V) {
        self.store(m, value);
    }
}

impl<'gc, S: ArraySlot<'gc> + 'gc> Gc<'gc, Array<'gc, S>> {
    /// Puts `value` into every slot.
    pub fn fill(self, m: &'gc Mutator, value: S::Value) {
        for slot in self {
            m.bulk(|| slot.set(m, value));
        }
    }

    /// Copies what the slots in `range` of `source` hold to as many slots from `at` on. The ranges may overlap.
    ///
    /// # Panics
    /// If one of the arrays is too short. Nothing has been copied then.
    pub fn copy_from(self, m: &'gc Mutator, at: usize, source: Gc<'gc, Array<'gc, S>>, range: Range<usize>) {
        let forward = !(Gc::ptr_eq(self, source) && at > range.start);
        let from = &source.as_slice()[range];
        let to = &self.as_slice()[at..][..from.len()];
        let copy = |(to, from): (&S, &S)| m.bulk(|| to.set(m, from.get(m)));
        if forward {
            to.iter().zip(from).for_each(copy);
        } else {
            to.iter().zip(from).rev().for_each(copy);
        }
    }

    /// Copies what the slots in `range` hold to as many slots from `at` on. The ranges may overlap.
    ///
    /// # Panics
    /// If the array is too short. Nothing has been copied then.
    pub fn copy_within(self, m: &'gc Mutator, range: Range<usize>, at: usize) {
        self.copy_from(m, at, self, range);
    }
}
