//! Bytes outside the heap that objects own: measured, charged to the heap, and taken off it when the object is swept.
//!
//! A heap of small objects that own large buffers would look small to the pacer and never be collected. [`Charged`] makes the
//! buffer count as if it lay in the object; [`Heap::adjust_external`](crate::Heap::adjust_external) is for what has no object.
//!
//! The account cannot go below zero, and is right again when a wrong charge is gone: a charge takes off what it has put on, once,
//! and corrections by hand stop at zero. What nobody can own is cut: one charge counts for 64 PiB at most, all of them for 4 EiB.

use crate::handle::Static;
use crate::heap::Shared;
use crate::mutator::Mutator;
use greyset_derive::Trace;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Weak;

/// How many bytes a value owns outside of itself.
///
/// The capacity of its own buffer, in constant time: what the elements own in turn is not counted. For other types of your
/// own, say what is large. A wrong answer makes the heap collect too often or too seldom, and does no other harm: see
/// [`Charged`] for what the most is that counts.
pub trait OwnedBytes {
    /// Bytes owned now.
    fn owned_bytes(&self) -> usize;
}

macro_rules! by_capacity {
    ($([$($param:ident)*] $ty:ty = $value:ident => $bytes:expr;)*) => { $(
        impl<$($param),*> OwnedBytes for $ty {
            fn owned_bytes(&self) -> usize {
                let $value = self;
                $bytes
            }
        }
    )* };
}

by_capacity! {
    [] String = s => s.capacity();
    [] OsString = s => s.capacity();
    [] PathBuf = p => p.capacity();
    [] Box<str> = s => s.len();
    [T] Box<[T]> = b => size_of_val(&**b);
    [T] Vec<T> = v => v.capacity() * size_of::<T>();
    [T] VecDeque<T> = v => v.capacity() * size_of::<T>();
    [T] BinaryHeap<T> = h => h.capacity() * size_of::<T>();
    // A table with a control byte a place, and at most seven of eight places taken.
    [T S] HashSet<T, S> = s => table_bytes(s.capacity(), size_of::<T>());
    [K V S] HashMap<K, V, S> = m => table_bytes(m.capacity(), size_of::<(K, V)>());
    // Nodes are two thirds full on average.
    [T] BTreeSet<T> = s => s.len() * size_of::<T>() / 2 * 3;
    [K V] BTreeMap<K, V> = m => m.len() * size_of::<(K, V)>() / 2 * 3;
}

fn table_bytes(capacity: usize, entry: usize) -> usize {
    capacity / 7 * 8 * (entry + 1)
}

impl<T: OwnedBytes> OwnedBytes for Option<T> {
    fn owned_bytes(&self) -> usize {
        self.as_ref().map_or(0, T::owned_bytes)
    }
}

impl<T: OwnedBytes> OwnedBytes for Static<T> {
    fn owned_bytes(&self) -> usize {
        self.0.owned_bytes()
    }
}

/// What one value has put on its heap's account; dropping it takes that off again.
struct Charge {
    heap: Weak<Shared>,
    /// What is really on the account, not what the value has said.
    bytes: usize,
}

impl Charge {
    fn set(&mut self, bytes: usize) {
        if bytes != self.bytes
            && let Some(shared) = self.heap.upgrade()
        {
            // No more than `bytes`.
            self.bytes = shared.charge(self.bytes as u64, bytes as u64) as usize;
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// A value whose memory outside the heap counts: in the goal, the trigger, both limits and the statistics.
///
/// Made with what the value owns then; [`edit`](Charged::edit) measures again. The bytes come off when the value is dropped,
/// which for one in an object is when the object is swept, in the background.
///
/// What counts is at most 64 PiB (2^56 bytes) a value, and nothing beyond 4 EiB (2^62) on the whole account: what has been charged
/// comes off, whatever the value says by then. Where a hard limit is passed, allocations fail until enough of it has come off;
/// making or editing a `Charged` does not.
///
/// ```
/// use greyset::{Charged, Gc, Heap, Lock, Static, Trace};
///
/// #[derive(Trace)]
/// struct Image<'gc> {
///     pixels: Charged<Static<Vec<u8>>>,
///     tiles: Lock<'gc, Charged<Vec<Gc<'gc, u64>>>>,
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let image = m.alloc(Image {
///         pixels: Charged::new(m, Static(vec![0; 1 << 20])),
///         tiles: Lock::new(Charged::new(m, Vec::new())),
///     });
///     assert_eq!(m.heap().stats().external_bytes, 1 << 20);
///     let tile = m.alloc(7);
///     image.tiles.write(m).edit().push(tile);
///     assert!(m.heap().stats().external_bytes > 1 << 20);
///     assert_eq!(image.pixels.len(), 1 << 20);
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[derive(Trace)]
pub struct Charged<T> {
    value: T,
    charge: Static<Charge>,
}

impl<T: OwnedBytes> Charged<T> {
    /// Charges the heap of `m` with what `value` owns. Allocates nothing; a few atomic operations, and while marking runs the
    /// work that an allocation of as many bytes would owe. What it grows by in [`edit`](Charged::edit) is paid for by the next allocation
    /// or `Charged` of whichever mutator.
    pub fn new(m: &Mutator, value: T) -> Charged<T> {
        let mut charge = Charge { heap: m.shared().weak_ref(), bytes: 0 };
        charge.set(value.owned_bytes());
        m.pay_for_external(charge.bytes);
        Charged { value, charge: Static(charge) }
    }

    /// Gives access for changing the value, which is measured again afterwards.
    pub fn edit(&mut self) -> Edit<'_, T> {
        Edit { charged: self }
    }
}

impl<T> Deref for Charged<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Charged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charged").field("value", &self.value).field("bytes", &self.charge.bytes).finish()
    }
}

/// Access to a [`Charged`] value; dropping it measures the value again.
pub struct Edit<'a, T: OwnedBytes> {
    charged: &'a mut Charged<T>,
}

impl<T: OwnedBytes> Deref for Edit<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.charged.value
    }
}

impl<T: OwnedBytes> DerefMut for Edit<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.charged.value
    }
}

impl<T: OwnedBytes> Drop for Edit<'_, T> {
    fn drop(&mut self) {
        let bytes = self.charged.value.owned_bytes();
        self.charged.charge.0.set(bytes);
    }
}

impl<T: OwnedBytes + fmt::Debug> fmt::Debug for Edit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.charged.fmt(f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn capacities_count() {
        assert_eq!(String::with_capacity(100).owned_bytes(), 100);
        assert_eq!(Vec::<u32>::with_capacity(100).owned_bytes(), 400);
        assert_eq!(VecDeque::<u64>::from(vec![0; 8]).owned_bytes(), 64);
        assert_eq!(vec![0u16; 5].into_boxed_slice().owned_bytes(), 10);
        assert_eq!("four".to_owned().into_boxed_str().owned_bytes(), 4);
        assert_eq!(Some(PathBuf::with_capacity(9)).owned_bytes(), 9);
        assert_eq!(None::<OsString>.owned_bytes(), 0);
        assert_eq!(Static(BinaryHeap::from(vec![1u64, 2])).owned_bytes(), 16);
        assert_eq!(HashMap::<u64, u64>::new().owned_bytes(), 0);
        let map: HashMap<u64, u64> = (0..1000).map(|i| (i, i)).collect();
        assert!((17_000..40_000).contains(&map.owned_bytes()), "{}", map.owned_bytes());
        let set: HashSet<u8> = (0..100).collect();
        assert!((200..600).contains(&set.owned_bytes()), "{}", set.owned_bytes());
        let tree: BTreeMap<u64, u64> = (0..100).map(|i| (i, i)).collect();
        assert_eq!(tree.owned_bytes(), 2400);
        assert_eq!(BTreeSet::from([1u64, 2]).owned_bytes(), 24);
    }
}
