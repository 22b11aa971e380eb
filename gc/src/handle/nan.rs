//! `Nan`: a NaN box. A float, or in the bit patterns floats do not use, an integer, a boolean, nil or a reference.
//!
//! | upper 16 bits | value |
//! | --- | --- |
//! | below `FFF9` | the `f64` with these bits |
//! | `FFF9` | a reference, address in the lower 48 bits |
//! | `FFFA` | an `i32` in the lower 32 bits |
//! | `FFFB` | a boolean in the lowest bit |
//! | `FFFC` | nil |
//!
//! Every float that is not a number is stored with the one bit pattern [`f64::NAN`] has, so no computation can forge one of
//! the others. (The layout is that of many interpreters; Gudeman 1993 surveys them.)

use crate::handle::{Gc, Word, WordKey};
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

const TAG_SHIFT: u32 = 48;
const OBJECT: u64 = 0xFFF9;
const INT: u64 = 0xFFFA;
const BOOL: u64 = 0xFFFB;
const NIL: u64 = 0xFFFC;
const PAYLOAD: u64 = (1 << TAG_SHIFT) - 1;
const CANONICAL_NAN: u64 = 0x7FF8_0000_0000_0000;

/// A float, an `i32`, a boolean, nil or a reference to a `T`, in one word.
///
/// `==` tells words apart: floats by bits (with one kind of NaN, equal to itself), references by identity, and `1` is not
/// `1.0`. For the equality of a language, match on [`Nan::view`].
///
/// ```
/// use greyset::{Nan, NanView};
/// let sum = match (Nan::<String>::int(40).view(), Nan::<String>::float(2.5).view()) {
///     (NanView::Int(a), NanView::Float(b)) => f64::from(a) + b,
///     _ => unreachable!(),
/// };
/// assert_eq!(sum, 42.5);
/// ```
///
/// # Invariants
/// The bits are one of the patterns of the module's table; a reference has the invariants of a `Gc<'gc, T>`, and its
/// provenance is exposed.
#[repr(transparent)]
pub struct Nan<'gc, T> {
    bits: u64,
    brand: PhantomData<(Invariant<'gc>, *const T)>,
}

/// What a [`Nan`] stands for.
#[derive(Debug)]
pub enum NanView<'gc, T> {
    /// A float.
    Float(f64),
    /// An integer.
    Int(i32),
    /// A boolean.
    Bool(bool),
    /// The absence of a value.
    Nil,
    /// A reference.
    Object(Gc<'gc, T>),
}

impl<T> Copy for Nan<'_, T> {}
impl<T> Clone for Nan<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for NanView<'_, T> {}
impl<T> Clone for NanView<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'gc, T> Nan<'gc, T> {
    const fn boxed(tag: u64, payload: u64) -> Nan<'gc, T> {
        Nan { bits: tag << TAG_SHIFT | payload, brand: PhantomData }
    }

    /// A float. All NaNs become one.
    #[inline]
    pub const fn float(value: f64) -> Nan<'gc, T> {
        let bits = if value.is_nan() { CANONICAL_NAN } else { value.to_bits() };
        Nan { bits, brand: PhantomData }
    }

    /// An integer.
    #[inline]
    pub const fn int(value: i32) -> Nan<'gc, T> {
        Nan::boxed(INT, value as u32 as u64)
    }

    /// A boolean.
    #[inline]
    pub const fn bool(value: bool) -> Nan<'gc, T> {
        Nan::boxed(BOOL, value as u64)
    }

    /// The absence of a value.
    #[inline]
    pub const fn nil() -> Nan<'gc, T> {
        Nan::boxed(NIL, 0)
    }

    /// A reference.
    ///
    /// # Panics
    /// If the address does not fit 48 bits. Systems hand out such addresses only on request, which a heap never makes.
    #[inline]
    pub fn object(value: Gc<'gc, T>) -> Nan<'gc, T> {
        let address = value.as_non_null().as_ptr().expose_provenance() as u64;
        assert!(address <= PAYLOAD, "a NaN box holds addresses of 48 bits");
        Nan::boxed(OBJECT, address)
    }

    /// What the value is.
    #[inline]
    pub fn view(self) -> NanView<'gc, T> {
        match self.bits >> TAG_SHIFT {
            OBJECT => match NonNull::new(ptr::with_exposed_provenance_mut((self.bits & PAYLOAD) as usize)) {
                // SAFETY: the type's invariant.
                Some(ptr) => NanView::Object(unsafe { Gc::from_ptr(ptr) }),
                None => unreachable!("a reference is never null"),
            },
            INT => NanView::Int(self.bits as u32 as i32),
            BOOL => NanView::Bool(self.bits & 1 == 1),
            NIL => NanView::Nil,
            _ => NanView::Float(f64::from_bits(self.bits)),
        }
    }

    /// The reference, if it is one.
    #[inline]
    pub fn as_object(self) -> Option<Gc<'gc, T>> {
        match self.view() {
            NanView::Object(gc) => Some(gc),
            _ => None,
        }
    }

    /// Is it nil?
    #[inline]
    pub const fn is_nil(self) -> bool {
        self.bits == NIL << TAG_SHIFT
    }
}

impl<T> PartialEq for Nan<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<T> Eq for Nan<'_, T> {}

impl<T> Default for Nan<'_, T> {
    /// Nil.
    fn default() -> Self {
        Nan::nil()
    }
}

impl<T> fmt::Debug for Nan<'_, T> {
    /// The value; of a reference the address, without following it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.view() {
            NanView::Float(value) => value.fmt(f),
            NanView::Int(value) => value.fmt(f),
            NanView::Bool(value) => value.fmt(f),
            NanView::Nil => f.write_str("nil"),
            NanView::Object(gc) => fmt::Pointer::fmt(&gc, f),
        }
    }
}

// SAFETY: it holds at most one reference, which it reports; the rest are plain bits.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Nan<'gc, T> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        t.address(reference(self.bits));
    }
}
// SAFETY: always traced by a call.
unsafe impl<'gc, T: Trace<'gc>> Shaped<'gc> for Nan<'gc, T> {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = hash_site("greyset", "Nan", 0, 0);
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for Nan<'static, T> {
    type At<'gc> = Nan<'gc, T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Nan<'gc, T> {
    type Static = Nan<'static, T::Static>;
}

// SAFETY: the bits are the value.
unsafe impl<'gc, T: Branded<'gc>> Word<'gc> for Nan<'gc, T> {
    #[inline]
    fn to_bits(self) -> u64 {
        self.bits
    }
    #[inline]
    unsafe fn from_bits(bits: u64) -> Self {
        Nan { bits, brand: PhantomData }
    }
}
// SAFETY: the object's tag alone marks a reference, whose address is in the lower 48 bits.
unsafe impl<T: Managed> WordKey for Nan<'static, T> {
    #[inline]
    fn reference(bits: u64) -> usize {
        reference(bits)
    }
}

#[inline]
const fn reference(bits: u64) -> usize {
    if bits >> TAG_SHIFT == OBJECT { (bits & PAYLOAD) as usize } else { 0 }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Value<'a> = Nan<'a, u64>;

    proptest! {
        #[test]
        fn every_float_survives_and_is_no_reference(bits: u64) {
            let value = f64::from_bits(bits);
            let boxed = Value::float(value);
            let NanView::Float(back) = boxed.view() else { panic!("{bits:#x} became {boxed:?}") };
            if value.is_nan() {
                prop_assert_eq!(back.to_bits(), CANONICAL_NAN);
            } else {
                prop_assert_eq!(back.to_bits(), bits);
            }
            prop_assert_eq!(reference(boxed.to_bits()), 0);
        }

        #[test]
        fn every_integer_survives(value: i32) {
            let boxed = Value::int(value);
            prop_assert!(matches!(boxed.view(), NanView::Int(back) if back == value));
            prop_assert_eq!(reference(boxed.to_bits()), 0);
            prop_assert_ne!(boxed, Value::float(f64::from(value)));
        }
    }

    #[test]
    fn payloads_of_nan_forge_nothing() {
        for tag in 0xFFF8..=0xFFFF_u64 {
            let forged = Value::float(f64::from_bits(tag << TAG_SHIFT | 0x1234_5678));
            assert!(matches!(forged.view(), NanView::Float(value) if value.is_nan()));
        }
        assert!(matches!(Value::float(f64::NEG_INFINITY).view(), NanView::Float(f64::NEG_INFINITY)));
    }

    #[test]
    fn reference_survives() {
        let target = Box::new(7_u64);
        // SAFETY: stands for an object of a heap as long as the box is there.
        let gc = unsafe { Gc::<u64>::from_ptr(NonNull::from(&*target)) };
        let boxed = Nan::object(gc);
        assert!(matches!(boxed.view(), NanView::Object(back) if Gc::ptr_eq(back, gc) && *back == 7));
        assert_eq!(reference(boxed.to_bits()), gc.as_addr());
        assert!(boxed.as_object().is_some() && !boxed.is_nil());
    }

    #[test]
    fn nil_and_booleans_are_themselves() {
        assert!(Value::nil().is_nil() && Value::default().is_nil());
        for value in [false, true] {
            assert!(matches!(Value::bool(value).view(), NanView::Bool(back) if back == value));
        }
        assert_eq!(reference(Value::nil().to_bits()), 0);
    }
}
