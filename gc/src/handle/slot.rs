//! `Slot`: a field that holds a reference and can be changed, with the write barrier inside.
//!
//! The barrier of the modes, after Yuasa 1990 (deletion) with Dijkstra's insertion shade while mutators disagree:
//!
//! | mode | `store` |
//! | --- | --- |
//! | Off | a release store |
//! | Both | swap; shade what was there; shade what is there now |
//! | Deletion | swap; shade what was there |
//!
//! What this module never does: read and write in two steps while marking. Two writers that race would both miss the value
//! that stood between them.

use crate::barrier::{Barrier, Mode};
use crate::handle::Gc;
use crate::mutator::Mutator;
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use greyset_sync::atomic::{AtomicPtr, Ordering};
use greyset_sync::{Fault, Point, fault, point, told};
use std::fmt;
use std::hint;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// A mutable reference field: empty, or a reference to a `T`.
///
/// Every mutator that can reach the object may load and store at any time; each operation is atomic. What was written to an
/// object before a reference to it was stored is visible to whoever loads that reference.
///
/// Reads cost a plain load. Writes cost a plain store, and a swap with one or two shades while marking is under way.
///
/// ```
/// use greyset::{Heap, Slot, Trace};
///
/// #[derive(Trace)]
/// struct Node<'gc> {
///     key: u64,
///     next: Slot<'gc, Node<'gc>>,
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let last = m.alloc(Node { key: 2, next: Slot::empty() });
///     let first = m.alloc(Node { key: 1, next: Slot::new(Some(last)) });
///     assert_eq!(first.next.load(m).map(|n| n.key), Some(2));
///     last.next.store(m, Some(first));
///     assert_eq!(first.next.take(m).map(|n| n.key), Some(2));
///     assert!(first.next.load(m).is_none());
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
///
/// # Invariants
/// The word is null or the pointer of a `Gc<'gc, T>`, with that type's invariants whenever a window is open.
#[repr(transparent)]
pub struct Slot<'gc, T> {
    word: AtomicPtr<T>,
    brand: PhantomData<(Invariant<'gc>, *const T)>,
}

fn to_word<T>(value: Option<Gc<'_, T>>) -> *mut T {
    value.map_or(ptr::null_mut(), |gc| gc.as_non_null().as_ptr())
}

impl<'gc, T: 'gc> Slot<'gc, T> {
    /// A slot that holds `value`.
    ///
    /// Filling in an object under construction needs no barrier, so this needs no mutator.
    #[inline]
    pub fn new(value: Option<Gc<'gc, T>>) -> Slot<'gc, T> {
        Slot { word: AtomicPtr::new(to_word(value)), brand: PhantomData }
    }

    /// A slot that holds nothing.
    #[inline]
    pub fn empty() -> Slot<'gc, T> {
        Slot::new(None)
    }

    /// What the slot holds.
    #[inline]
    pub fn load(&self, m: &'gc Mutator) -> Option<Gc<'gc, T>> {
        let _ = m;
        point(Point::SlotLoad);
        // ORDERING: pairs with the releases in `store`, `swap` and `compare_exchange`: the object's contents are visible.
        self.adopt(self.word.load(Ordering::Acquire))
    }

    /// Puts `value` in the place of what the slot holds.
    #[inline]
    pub fn store(&self, m: &'gc Mutator, value: Option<Gc<'gc, T>>) {
        if m.barrier() == Barrier::Off {
            point(Point::SlotSwap);
            // ORDERING: pairs with the acquire in `load`: publishes the object's contents.
            self.word.store(to_word(value), Ordering::Release);
            told(|| format!("stores {:#x} in slot {:#x}", to_word(value).addr(), self.addr()));
        } else {
            hint::cold_path();
            self.store_marking(m, to_word(value));
        }
    }

    /// Puts `value` in the place of what the slot holds, which it returns.
    #[inline]
    pub fn swap(&self, m: &'gc Mutator, value: Option<Gc<'gc, T>>) -> Option<Gc<'gc, T>> {
        self.adopt(self.swap_marking(m, to_word(value)))
    }

    /// Empties the slot and returns what it held.
    #[inline]
    pub fn take(&self, m: &'gc Mutator) -> Option<Gc<'gc, T>> {
        self.swap(m, None)
    }

    /// Puts `new` in the place of `current`, if that is the object the slot refers to.
    ///
    /// # Errors
    /// What the slot held instead. It is unchanged.
    pub fn compare_exchange(
        &self,
        m: &'gc Mutator,
        current: Option<Gc<'gc, T>>,
        new: Option<Gc<'gc, T>>,
    ) -> Result<Option<Gc<'gc, T>>, Option<Gc<'gc, T>>> {
        point(Point::SlotSwap);
        let (current, new) = (to_word(current), to_word(new));
        // ORDERING: acquire-release, pairs with `load` (contents of `new`) and with the writer of what is found.
        match self.word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(old) => {
                told(|| swaps(self.addr(), old.addr(), new.addr()));
                if fault(Fault::ExchangeUnshaded) {
                    return Ok(self.adopt(old));
                }
                shade_change(m, self.addr(), old.addr(), new.addr());
                Ok(self.adopt(old))
            }
            Err(found) => Err(self.adopt(found)),
        }
    }

    /// What `store` does while marking, out of its way: in line, the path of mode Off would be the one that jumps.
    #[inline(never)]
    fn store_marking(&self, m: &Mutator, new: *mut T) {
        self.swap_marking(m, new);
    }

    /// The swap of modes Both and Deletion. Right in every mode.
    #[inline]
    fn swap_marking(&self, m: &Mutator, new: *mut T) -> *mut T {
        point(Point::SlotSwap);
        if m.mode().splits_writes() {
            return self.split_write(m, new);
        }
        // ORDERING: acquire-release, pairs with `load` (contents of `new`) and with the writer of what is found.
        let old = self.word.swap(new, Ordering::AcqRel);
        told(|| swaps(self.addr(), old.addr(), new.addr()));
        shade_change(m, self.addr(), old.addr(), new.addr());
        old
    }

    /// With a rule broken: what no slot write may be.
    #[cold]
    fn split_write(&self, m: &Mutator, new: *mut T) -> *mut T {
        let old = self.word.load(Ordering::Relaxed);
        told(|| format!("loads slot {:#x} to write it: {:#x}", self.addr(), old.addr()));
        point(Point::SlotSwap);
        self.word.store(new, Ordering::Relaxed);
        told(|| format!("stores {:#x} in slot {:#x}", new.addr(), self.addr()));
        shade_change(m, self.addr(), old.addr(), new.addr());
        old
    }

    fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The reference for a word of this slot.
    #[inline]
    fn adopt(&self, word: *mut T) -> Option<Gc<'gc, T>> {
        // SAFETY: the type's invariant, and a window is open: every caller has a mutator of brand `'gc`.
        NonNull::new(word).map(|ptr| unsafe { Gc::from_ptr(ptr) })
    }
}

fn swaps(slot: usize, old: usize, new: usize) -> String {
    format!("swaps slot {slot:#x}: old {old:#x}, new {new:#x}")
}

/// What has to be done after `new` was put in the place of `old` in the slot at `slot` (addresses, 0 for none).
#[inline]
pub(crate) fn shade_change(m: &Mutator, slot: usize, old: usize, new: usize) {
    match m.barrier() {
        Barrier::Off => {}
        Barrier::Deletion if fault(Fault::NoDeletionShade) => {}
        Barrier::Deletion => m.shade(old),
        Barrier::Other => shade_by_mode(m, slot, old, new),
    }
}

/// As `shade_change`, for any mode, and with a note of the write if the mutator keeps them.
#[cold]
fn shade_by_mode(m: &Mutator, slot: usize, old: usize, new: usize) {
    m.note_write(slot, old, new);
    match m.mode() {
        Mode::Off => {}
        Mode::Both => {
            if !fault(Fault::NoOldShadeInBoth) {
                m.shade(old);
            }
            if !fault(Fault::NoInsertionShade) {
                m.shade(new);
            }
        }
        Mode::Deletion if fault(Fault::NoDeletionShade) => {}
        Mode::Deletion => m.shade(old),
    }
}

impl<'gc, T: 'gc> Default for Slot<'gc, T> {
    fn default() -> Self {
        Slot::empty()
    }
}

impl<T> fmt::Debug for Slot<'_, T> {
    /// Says where it points, without following.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.word.load(Ordering::Relaxed)).finish()
    }
}

// SAFETY: it holds one reference, which it reports; the word is atomic, so any thread may look.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Slot<'gc, T> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        // ORDERING: pairs with the releases of the writers: whoever scans the object next sees its contents.
        t.address(self.word.load(Ordering::Acquire).addr());
    }
}
// SAFETY: one word at offset 0, null or a reference.
unsafe impl<'gc, T: Trace<'gc>> Shaped<'gc> for Slot<'gc, T> {
    const SHAPE: Shape = Shape::WORD;
    const HASH: u64 = hash_site("greyset", "Slot", 0, 0);
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for Slot<'static, T> {
    type At<'gc> = Slot<'gc, T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Slot<'gc, T> {
    type Static = Slot<'static, T::Static>;
}
