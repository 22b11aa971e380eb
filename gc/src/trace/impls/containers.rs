//! Growable containers: their elements lie in memory of their own, outside the heap.
//!
//! They are leaves if their elements are plain (see [`Shaped::PLAIN`] for why they do not ask for more), and are traced by a
//! call otherwise. An object with such a container is swept in the background, where the container's memory is freed.
//!
//! Each container traces its elements by calls: a nest of them is traced, as it is dropped, with as much stack as it is deep. See the
//! `Trace` of `Box`.

use crate::trace::{Branded, Managed, Shape, Shaped, Trace, Tracer, hash_site, mix};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};

/// The shape of a container with the given elements.
const fn holding(plain: bool) -> Shape {
    if plain { Shape::Leaf } else { Shape::Call }
}

/// All four traits for containers of one kind of element.
macro_rules! lists {
    ($($ty:ident;)*) => { $(
        // SAFETY: reports what every element reports; the container shares its elements and itself as `Vec` does.
        unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for $ty<T> {
            fn trace(&self, t: &mut Tracer<'gc>) {
                for value in self {
                    value.trace(t);
                }
            }
        }
        // SAFETY: a leaf only if no element ever reports anything.
        unsafe impl<'gc, T: Shaped<'gc>> Shaped<'gc> for $ty<T> {
            const SHAPE: Shape = holding(T::PLAIN);
            const HASH: u64 = mix(hash_site("std", stringify!($ty), 0, 0), T::HASH);
            const PLAIN: bool = T::PLAIN;
        }
        // SAFETY: the same container of elements that are the same but for lifetimes.
        unsafe impl<T: Managed> Managed for $ty<T> {
            type At<'gc> = $ty<T::At<'gc>>;
        }
        // SAFETY: as above.
        unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for $ty<T> {
            type Static = $ty<T::Static>;
        }
    )* };
}

lists! {
    Vec;
    VecDeque;
    LinkedList;
    BinaryHeap;
    BTreeSet;
}

/// By recursion, as a box is dropped: with optimization a list of boxes takes 32 bytes of stack for each, one of `Vec`s in each other 48,
/// and a stack that overflows ends the process. The heap's threads have stacks of 16 MiB (or what `RUST_MIN_STACK` says): enough for
/// 500,000 such boxes or 340,000 `Vec`s, twice what a program's first thread can drop with its 8 MiB. With
/// [`Driver::Inline`](crate::Driver) and in assists it is the mutator's own stack. What may nest without end belongs into objects that
/// refer to each other by `Gc`: those are marked without recursion.
// SAFETY: reports what the boxed value reports; a box shares as its value does.
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Trace<'gc> for Box<T> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        (**self).trace(t);
    }
}
// SAFETY: always traced by a call, which is right for every value. (Asking whether `T` is plain would exclude `Box<dyn …>`.)
unsafe impl<'gc, T: ?Sized + Trace<'gc>> Shaped<'gc> for Box<T> {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = hash_site("std", "Box", size_of::<Self>() as u32, 0);
}
// SAFETY: a box of what is the same but for lifetimes.
unsafe impl<T: Managed> Managed for Box<T> {
    type At<'gc> = Box<T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Box<T> {
    type Static = Box<T::Static>;
}
// SAFETY: one type without a lifetime is its own family.
unsafe impl Managed for Box<str> {
    type At<'gc> = Box<str>;
}
// SAFETY: as above.
unsafe impl<'gc> Branded<'gc> for Box<str> {
    type Static = Box<str>;
}
// SAFETY: a boxed slice of what is the same but for lifetimes.
unsafe impl<T: Managed> Managed for Box<[T]> {
    type At<'gc> = Box<[T::At<'gc>]>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Box<[T]> {
    type Static = Box<[T::Static]>;
}

// SAFETY: reports what every key and value reports; the map shares them and itself as its elements do.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Trace<'gc> for BTreeMap<K, V> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        for (key, value) in self {
            key.trace(t);
            value.trace(t);
        }
    }
}
// SAFETY: a leaf only if neither keys nor values ever report anything.
unsafe impl<'gc, K: Shaped<'gc>, V: Shaped<'gc>> Shaped<'gc> for BTreeMap<K, V> {
    const SHAPE: Shape = holding(K::PLAIN && V::PLAIN);
    const HASH: u64 = mix(mix(hash_site("std", "BTreeMap", 0, 0), K::HASH), V::HASH);
    const PLAIN: bool = K::PLAIN && V::PLAIN;
}
// SAFETY: the same container of elements that are the same but for lifetimes.
unsafe impl<K: Managed, V: Managed> Managed for BTreeMap<K, V> {
    type At<'gc> = BTreeMap<K::At<'gc>, V::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, K: Branded<'gc>, V: Branded<'gc>> Branded<'gc> for BTreeMap<K, V> {
    type Static = BTreeMap<K::Static, V::Static>;
}

// SAFETY: as for `BTreeMap`; the hasher's maker is a leaf that other threads may have.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>, S: Send + Sync + 'static> Trace<'gc> for HashMap<K, V, S> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        for (key, value) in self {
            key.trace(t);
            value.trace(t);
        }
    }
}
// SAFETY: a leaf only if neither keys nor values ever report anything.
unsafe impl<'gc, K: Shaped<'gc>, V: Shaped<'gc>, S: Send + Sync + 'static> Shaped<'gc> for HashMap<K, V, S> {
    const SHAPE: Shape = holding(K::PLAIN && V::PLAIN);
    const HASH: u64 = mix(mix(hash_site("std", "HashMap", 0, 0), K::HASH), V::HASH);
    const PLAIN: bool = K::PLAIN && V::PLAIN;
}
// SAFETY: the same container of elements that are the same but for lifetimes.
unsafe impl<K: Managed, V: Managed, S: Send + Sync + 'static> Managed for HashMap<K, V, S> {
    type At<'gc> = HashMap<K::At<'gc>, V::At<'gc>, S>;
}
// SAFETY: as above.
unsafe impl<'gc, K: Branded<'gc>, V: Branded<'gc>, S: Send + Sync + 'static> Branded<'gc>
    for HashMap<K, V, S>
{
    type Static = HashMap<K::Static, V::Static, S>;
}

// SAFETY: as for `HashMap`.
unsafe impl<'gc, K: Trace<'gc>, S: Send + Sync + 'static> Trace<'gc> for HashSet<K, S> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        for key in self {
            key.trace(t);
        }
    }
}
// SAFETY: a leaf only if no element ever reports anything.
unsafe impl<'gc, K: Shaped<'gc>, S: Send + Sync + 'static> Shaped<'gc> for HashSet<K, S> {
    const SHAPE: Shape = holding(K::PLAIN);
    const HASH: u64 = mix(hash_site("std", "HashSet", 0, 0), K::HASH);
    const PLAIN: bool = K::PLAIN;
}
// SAFETY: the same container of elements that are the same but for lifetimes.
unsafe impl<K: Managed, S: Send + Sync + 'static> Managed for HashSet<K, S> {
    type At<'gc> = HashSet<K::At<'gc>, S>;
}
// SAFETY: as above.
unsafe impl<'gc, K: Branded<'gc>, S: Send + Sync + 'static> Branded<'gc> for HashSet<K, S> {
    type Static = HashSet<K::Static, S>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handle::Gc;

    #[test]
    fn containers_of_plain_elements_are_leaves() {
        assert_eq!(<Vec<u8> as Shaped<'static>>::SHAPE, Shape::Leaf);
        assert_eq!(<Vec<Vec<(u8, String)>> as Shaped<'static>>::SHAPE, Shape::Leaf);
        assert_eq!(<HashMap<u8, String> as Shaped<'static>>::SHAPE, Shape::Leaf);
        assert_eq!(<Vec<Gc<'static, u8>> as Shaped<'static>>::SHAPE, Shape::Call);
        assert_eq!(<BTreeMap<u8, Gc<'static, u8>> as Shaped<'static>>::SHAPE, Shape::Call);
    }
}
