//! Compounds that hold their parts in themselves: options, results, tuples, arrays, ranges.
//!
//! Their shape is made of the shapes of their parts at the parts' offsets.

use crate::trace::{Branded, Managed, Shape, Shaped, Trace, Tracer, hash_site, mix};
use std::mem::{ManuallyDrop, offset_of, transmute_copy};
use std::ops::{Range, RangeInclusive};

// SAFETY: reports what the part reports; everything else holds because it holds for the part.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Option<T> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        if let Some(value) = self {
            value.trace(t);
        }
    }
}
// SAFETY: a leaf only if the part is. One word only if the option lies in the very word of the part, and `None` is null.
unsafe impl<'gc, T: Shaped<'gc>> Shaped<'gc> for Option<T> {
    const SHAPE: Shape = match T::SHAPE {
        Shape::Leaf => Shape::Leaf,
        shape if shape.is_one_word() && size_of::<T>() == size_of::<usize>() && none_is_null::<T>() => shape,
        _ => Shape::Call,
    };
    const HASH: u64 = mix(hash_site("std", "Option", 0, 0), T::HASH);
    const PLAIN: bool = T::PLAIN;
}
// SAFETY: part for part the same but for lifetimes.
unsafe impl<T: Managed> Managed for Option<T> {
    type At<'gc> = Option<T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Option<T> {
    type Static = Option<T::Static>;
}

/// Is `None::<T>` a word of zeros? Evaluated by the compiler, so it is known of the layout that is really used.
const fn none_is_null<T>() -> bool {
    if size_of::<Option<T>>() != size_of::<usize>() {
        return false;
    }
    let none = ManuallyDrop::new(None::<T>);
    // SAFETY: the sizes are equal; should a byte not be initialised, the compiler rejects the program here.
    let bits = unsafe { transmute_copy::<ManuallyDrop<Option<T>>, usize>(&none) };
    bits == 0
}

// SAFETY: reports what the present part reports; everything else holds because it holds for the parts.
unsafe impl<'gc, T: Trace<'gc>, E: Trace<'gc>> Trace<'gc> for Result<T, E> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        match self {
            Ok(value) => value.trace(t),
            Err(error) => error.trace(t),
        }
    }
}
// SAFETY: a leaf only if both parts are.
unsafe impl<'gc, T: Shaped<'gc>, E: Shaped<'gc>> Shaped<'gc> for Result<T, E> {
    const SHAPE: Shape = T::SHAPE.either(E::SHAPE);
    const HASH: u64 = mix(mix(hash_site("std", "Result", 0, 0), T::HASH), E::HASH);
    const PLAIN: bool = T::PLAIN && E::PLAIN;
}
// SAFETY: part for part the same but for lifetimes.
unsafe impl<T: Managed, E: Managed> Managed for Result<T, E> {
    type At<'gc> = Result<T::At<'gc>, E::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>, E: Branded<'gc>> Branded<'gc> for Result<T, E> {
    type Static = Result<T::Static, E::Static>;
}

// SAFETY: reports what every element reports; everything else holds because it holds for the elements.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for [T] {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        for value in self {
            value.trace(t);
        }
    }
}
// SAFETY: as for slices.
unsafe impl<'gc, T: Trace<'gc>, const N: usize> Trace<'gc> for [T; N] {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        self.as_slice().trace(t);
    }
}
// SAFETY: elements lie `size_of::<T>()` apart from offset 0.
unsafe impl<'gc, T: Shaped<'gc>, const N: usize> Shaped<'gc> for [T; N] {
    const SHAPE: Shape = T::SHAPE.repeat(N, size_of::<T>());
    const HASH: u64 = mix(mix(hash_site("std", "array", 0, 0), T::HASH), N as u64);
    const PLAIN: bool = T::PLAIN;
}
// SAFETY: part for part the same but for lifetimes.
unsafe impl<T: Managed, const N: usize> Managed for [T; N] {
    type At<'gc> = [T::At<'gc>; N];
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>, const N: usize> Branded<'gc> for [T; N] {
    type Static = [T::Static; N];
}

/// Structs of the standard library whose fields are public enough for `offset_of`, or that only wrap others by call.
macro_rules! ranges {
    ($($ty:ident: $start:ident, $end:ident;)*) => { $(
        // SAFETY: reports what both bounds report.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $ty<T> {
            #[inline]
            fn trace(&self, t: &mut Tracer<'gc>) {
                let ($start, $end) = bounds(self);
                $start.trace(t);
                $end.trace(t);
            }
        }
        // SAFETY: a leaf only if the bounds are.
        unsafe impl<'gc, T: Shaped<'gc>> Shaped<'gc> for $ty<T> {
            const SHAPE: Shape = T::SHAPE.either(T::SHAPE);
            const HASH: u64 = mix(hash_site("std", stringify!($ty), 0, 0), T::HASH);
            const PLAIN: bool = T::PLAIN;
        }
        // SAFETY: part for part the same but for lifetimes.
        unsafe impl<T: Managed> Managed for $ty<T> {
            type At<'gc> = $ty<T::At<'gc>>;
        }
        // SAFETY: as above.
        unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for $ty<T> {
            type Static = $ty<T::Static>;
        }
    )* };
}

ranges! {
    Range: start, end;
    RangeInclusive: start, end;
}

trait Bounds<T> {
    fn bounds(&self) -> (&T, &T);
}
impl<T> Bounds<T> for Range<T> {
    fn bounds(&self) -> (&T, &T) {
        (&self.start, &self.end)
    }
}
impl<T> Bounds<T> for RangeInclusive<T> {
    fn bounds(&self) -> (&T, &T) {
        (self.start(), self.end())
    }
}
fn bounds<T, R: Bounds<T>>(range: &R) -> (&T, &T) {
    range.bounds()
}

macro_rules! tuples {
    ($($($part:ident $at:tt),+;)*) => { $(
        // SAFETY: reports what every part reports; everything else holds because it holds for the parts.
        unsafe impl<'gc, $($part: Trace<'gc>),+> Trace<'gc> for ($($part,)+) {
            #[inline]
            fn trace(&self, t: &mut Tracer<'gc>) {
                $(self.$at.trace(t);)+
            }
        }
        // SAFETY: each part's shape at the part's own offset.
        unsafe impl<'gc, $($part: Shaped<'gc>),+> Shaped<'gc> for ($($part,)+) {
            const SHAPE: Shape = Shape::Leaf$(.with(offset_of!(Self, $at), $part::SHAPE))+;
            const HASH: u64 = {
                let hash = hash_site("std", "tuple", 0, 0);
                $(let hash = mix(hash, $part::HASH);)+
                hash
            };
            const PLAIN: bool = true $(&& $part::PLAIN)+;
        }
        // SAFETY: part for part the same but for lifetimes.
        unsafe impl<$($part: Managed),+> Managed for ($($part,)+) {
            type At<'gc> = ($($part::At<'gc>,)+);
        }
        // SAFETY: as above.
        unsafe impl<'gc, $($part: Branded<'gc>),+> Branded<'gc> for ($($part,)+) {
            type Static = ($($part::Static,)+);
        }
    )* };
}

tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Gc;

    type Ref = Gc<'static, u64>;

    fn shape<T: Shaped<'static>>() -> Shape {
        T::SHAPE
    }

    #[test]
    fn optional_reference_is_one_word() {
        assert_eq!(shape::<Ref>(), Shape::WORD);
        assert_eq!(shape::<Option<Ref>>(), Shape::WORD);
        assert_eq!(shape::<Option<(Ref,)>>(), Shape::WORD);
        assert_eq!(shape::<Option<[Ref; 1]>>(), Shape::WORD);
    }

    #[test]
    fn options_beyond_one_word_are_called() {
        assert_eq!(shape::<Option<Option<Ref>>>(), Shape::Call);
        assert_eq!(shape::<Option<(Ref, u64)>>(), Shape::Call);
        assert_eq!(shape::<Option<u64>>(), Shape::Leaf);
        assert_eq!(shape::<Result<Ref, u64>>(), Shape::Call);
        assert_eq!(shape::<Result<String, u64>>(), Shape::Leaf);
    }

    #[test]
    fn tuples_and_arrays_name_their_words() {
        let Shape::Words(words) = shape::<[(u64, Option<Ref>); 3]>() else { panic!() };
        let mut offsets = words.offsets().to_vec();
        offsets.sort_unstable();
        let at = offset_of!((u64, Option<Ref>), 1) as u16;
        assert_eq!(offsets, [at, at + 16, at + 32]);
        assert_eq!(shape::<[Ref; 13]>(), Shape::Call);
        assert_eq!(shape::<(Ref, Vec<Ref>)>(), Shape::Call);
        assert_eq!(shape::<(u8, String, Range<u32>)>(), Shape::Leaf);
    }
}
