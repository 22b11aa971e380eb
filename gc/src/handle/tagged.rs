//! `Tagged`: a word that is a reference or, marked by its lowest bits, an integer, a boolean or nil.
//!
//! | lowest bits | value |
//! | --- | --- |
//! | `000`, not zero | a reference |
//! | `1` | an integer in the upper 63 bits |
//! | `010` | false or true, in bit 3 |
//! | all zero | nil |

use crate::handle::{Gc, Word, WordKey};
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

const FALSE: u64 = 0b0010;
const TRUE: u64 = 0b1010;

/// A 63-bit integer, a boolean, nil or a reference to a `T`, in one word.
///
/// References are to types aligned to 8 bytes at least; others are rejected when the program is compiled.
///
/// `==` tells words apart: references by identity. For the equality of a language, match on [`Tagged::view`].
///
/// ```
/// use greyset::{Tagged, TaggedView};
/// let word = Tagged::<u64>::int(-5).unwrap();
/// assert!(matches!(word.view(), TaggedView::Int(-5)));
/// assert!(Tagged::<u64>::int(i64::MAX).is_none());
/// ```
///
/// # Invariants
/// The bits are one of the patterns of the module's table; a reference has the invariants of a `Gc<'gc, T>`, and its
/// provenance is exposed.
#[repr(transparent)]
pub struct Tagged<'gc, T> {
    bits: u64,
    brand: PhantomData<(Invariant<'gc>, *const T)>,
}

/// What a [`Tagged`] stands for.
#[derive(Debug)]
pub enum TaggedView<'gc, T> {
    /// An integer of 63 bits.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// The absence of a value.
    Nil,
    /// A reference.
    Object(Gc<'gc, T>),
}

impl<T> Copy for Tagged<'_, T> {}
impl<T> Clone for Tagged<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for TaggedView<'_, T> {}
impl<T> Clone for TaggedView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'gc, T> Tagged<'gc, T> {
    /// The smallest integer that fits.
    pub const MIN: i64 = i64::MIN >> 1;
    /// The largest integer that fits.
    pub const MAX: i64 = i64::MAX >> 1;

    const fn word(bits: u64) -> Tagged<'gc, T> {
        Tagged { bits, brand: PhantomData }
    }

    /// An integer; `None` if it needs all 64 bits.
    #[inline]
    pub const fn int(value: i64) -> Option<Tagged<'gc, T>> {
        if value < Self::MIN || value > Self::MAX {
            return None;
        }
        Some(Tagged::word((value as u64) << 1 | 1))
    }

    /// A boolean.
    #[inline]
    pub const fn bool(value: bool) -> Tagged<'gc, T> {
        Tagged::word(if value { TRUE } else { FALSE })
    }

    /// The absence of a value.
    #[inline]
    pub const fn nil() -> Tagged<'gc, T> {
        Tagged::word(0)
    }

    /// A reference.
    #[inline]
    pub fn object(value: Gc<'gc, T>) -> Tagged<'gc, T> {
        const { assert!(align_of::<T>() >= 8, "the lowest three bits of a tagged word are not address bits") };
        Tagged::word(value.as_non_null().as_ptr().expose_provenance() as u64)
    }

    /// What the value is.
    #[inline]
    pub fn view(self) -> TaggedView<'gc, T> {
        if self.bits & 1 == 1 {
            return TaggedView::Int(self.bits as i64 >> 1);
        }
        match self.bits {
            FALSE => TaggedView::Bool(false),
            TRUE => TaggedView::Bool(true),
            bits => match NonNull::new(ptr::with_exposed_provenance_mut(bits as usize)) {
                // SAFETY: the type's invariant.
                Some(ptr) => TaggedView::Object(unsafe { Gc::from_ptr(ptr) }),
                None => TaggedView::Nil,
            },
        }
    }

    /// The reference, if it is one.
    #[inline]
    pub fn as_object(self) -> Option<Gc<'gc, T>> {
        match self.view() {
            TaggedView::Object(gc) => Some(gc),
            _ => None,
        }
    }

    /// Is it nil?
    #[inline]
    pub const fn is_nil(self) -> bool {
        self.bits == 0
    }
}

impl<T> PartialEq for Tagged<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<T> Eq for Tagged<'_, T> {}

impl<T> Default for Tagged<'_, T> {
    /// Nil.
    fn default() -> Self {
        Tagged::nil()
    }
}

impl<T> fmt::Debug for Tagged<'_, T> {
    /// The value; of a reference the address, without following it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            TaggedView::Int(value) => value.fmt(f),
            TaggedView::Bool(value) => value.fmt(f),
            TaggedView::Nil => f.write_str("nil"),
            TaggedView::Object(gc) => fmt::Pointer::fmt(&gc, f),
        }
    }
}

// SAFETY: it holds at most one reference, which it reports; the rest are plain bits.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Tagged<'gc, T> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        t.address(reference(self.bits));
    }
}
// SAFETY: always traced by a call.
unsafe impl<'gc, T: Trace<'gc>> Shaped<'gc> for Tagged<'gc, T> {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = hash_site("greyset", "Tagged", 0, 0);
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for Tagged<'static, T> {
    type At<'gc> = Tagged<'gc, T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Tagged<'gc, T> {
    type Static = Tagged<'static, T::Static>;
}

// SAFETY: the bits are the value.
unsafe impl<'gc, T: Branded<'gc>> Word<'gc> for Tagged<'gc, T> {
    #[inline]
    fn to_bits(self) -> u64 {
        self.bits
    }
    #[inline]
    unsafe fn from_bits(bits: u64) -> Self {
        Tagged { bits, brand: PhantomData }
    }
}
// SAFETY: three zero bits mark a reference, which is the word itself, and nil is 0.
unsafe impl<T: Managed> WordKey for Tagged<'static, T> {
    #[inline]
    fn reference(bits: u64) -> usize {
        reference(bits)
    }
}

#[inline]
const fn reference(bits: u64) -> usize {
    if bits & 0b111 == 0 { bits as usize } else { 0 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Value<'a> = Tagged<'a, u64>;

    proptest! {
        #[test]
        fn integers_of_63_bits_survive(value in Value::MIN..=Value::MAX) {
            let Some(word) = Value::int(value) else { panic!("{value} was refused") };
            prop_assert!(matches!(word.view(), TaggedView::Int(back) if back == value));
            prop_assert_eq!(reference(word.to_bits()), 0);
        }

        #[test]
        fn larger_integers_are_refused(excess in 1_i64..=1 << 62) {
            prop_assert!(Value::int(Value::MAX + excess).is_none());
            prop_assert!(Value::int(Value::MIN - excess).is_none());
        }
    }

    #[test]
    fn reference_survives() {
        let target = Box::new(7_u64);
        // SAFETY: stands for an object of a heap as long as the box is there.
        let gc = unsafe { Gc::<u64>::from_ptr(NonNull::from(&*target)) };
        let word = Tagged::object(gc);
        assert!(matches!(word.view(), TaggedView::Object(back) if Gc::ptr_eq(back, gc) && *back == 7));
        assert_eq!(reference(word.to_bits()), gc.as_addr());
    }

    #[test]
    fn nil_and_booleans_are_themselves() {
        assert!(matches!(Value::nil().view(), TaggedView::Nil));
        assert!(Value::default().is_nil());
        for value in [false, true] {
            assert!(matches!(Value::bool(value).view(), TaggedView::Bool(back) if back == value));
            assert_eq!(reference(Value::bool(value).to_bits()), 0);
        }
    }
}
