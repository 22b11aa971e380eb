//! `WordSlot`: a mutable field for one-word values of which some are references: NaN boxes, tagged pointers.
//!
//! The barrier is that of [`Slot`](crate::Slot); a value that is no reference shades nothing.

use crate::barrier::Barrier;
use crate::handle::slot::shade_change;
use crate::mutator::Mutator;
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site, mix};
use greyset_sync::atomic::{AtomicU64, Ordering};
use greyset_sync::{Fault, Point, fault, point};
use std::fmt;
use std::marker::PhantomData;

/// A value that fits a word and may be a reference.
///
/// [`Nan`](crate::Nan) and [`Tagged`](crate::Tagged) are ready to use.
///
/// # Safety
/// `from_bits(value.to_bits())` is the same value.
pub unsafe trait Word<'gc>: Branded<'gc, Static: WordKey> + Copy {
    /// The value as a word.
    fn to_bits(self) -> u64;

    /// The value of a word.
    ///
    /// # Safety
    /// `bits` came from `to_bits` of a value that is still valid: a reference in it has the invariants of a `Gc<'gc, _>`.
    unsafe fn from_bits(bits: u64) -> Self;
}

/// The key of a family of [`Word`]s: how the collector reads one.
///
/// # Safety
/// `reference(value.to_bits())` is the address of the object the value refers to, with its provenance exposed, and 0 if it
/// refers to none; a value refers to one object at most. `trace` reports the same.
pub unsafe trait WordKey: Managed {
    /// The address of the object a word refers to; 0 for none.
    fn reference(bits: u64) -> usize;
}

/// The address of the object that the word of a `V` refers to; 0 for none.
#[inline(always)]
fn reference<'gc, V: Branded<'gc, Static: WordKey>>(bits: u64) -> usize {
    <V::Static as WordKey>::reference(bits)
}

/// A mutable field of one-word values.
///
/// All that is said of [`Slot`](crate::Slot) holds here too.
///
/// ```
/// use greyset::{Array, Heap, Nan, NanView, WordSlot};
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let registers = m.alloc_array(8, |_| WordSlot::new(Nan::<String>::nil()));
///     registers[0].store(m, Nan::float(1.5));
///     registers[1].store(m, Nan::object(m.alloc("text".to_string())));
///     assert!(matches!(registers[0].load(m).view(), NanView::Float(1.5)));
///     assert!(matches!(registers[1].load(m).view(), NanView::Object(text) if *text == "text"));
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
///
/// # Invariants
/// The word came from `to_bits` of a `V` with the brand `'gc`, valid whenever a window is open.
#[repr(transparent)]
pub struct WordSlot<'gc, V> {
    word: AtomicU64,
    brand: PhantomData<(Invariant<'gc>, *mut V)>,
}

impl<'gc, V: Word<'gc>> WordSlot<'gc, V> {
    /// A slot that holds `value`.
    #[inline]
    pub fn new(value: V) -> WordSlot<'gc, V> {
        WordSlot { word: AtomicU64::new(value.to_bits()), brand: PhantomData }
    }

    /// What the slot holds.
    #[inline]
    pub fn load(&self, m: &'gc Mutator) -> V {
        let _ = m;
        point(Point::SlotLoad);
        // ORDERING: pairs with the releases in `store`, `swap` and `compare_exchange`: the object's contents are visible.
        self.adopt(self.word.load(Ordering::Acquire))
    }

    /// Puts `value` in the place of what the slot holds.
    #[inline]
    pub fn store(&self, m: &'gc Mutator, value: V) {
        if m.barrier() == Barrier::Off {
            point(Point::SlotSwap);
            // ORDERING: pairs with the acquire in `load`: publishes the contents of an object in `value`.
            self.word.store(value.to_bits(), Ordering::Release);
        } else {
            self.swap_marking(m, value.to_bits());
        }
    }

    /// Puts `value` in the place of what the slot holds, which it returns.
    #[inline]
    pub fn swap(&self, m: &'gc Mutator, value: V) -> V {
        self.adopt(self.swap_marking(m, value.to_bits()))
    }

    /// Puts `new` in the place of `current`, if the slot holds exactly that word.
    ///
    /// # Errors
    /// What the slot held instead. It is unchanged.
    pub fn compare_exchange(&self, m: &'gc Mutator, current: V, new: V) -> Result<V, V> {
        point(Point::SlotSwap);
        let (current, new) = (current.to_bits(), new.to_bits());
        // ORDERING: acquire-release, pairs with `load` (contents of `new`) and with the writer of what is found.
        match self.word.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(old) => {
                if fault(Fault::ExchangeUnshaded) {
                    return Ok(self.adopt(old));
                }
                self.shade_change(m, old, new);
                Ok(self.adopt(old))
            }
            Err(found) => Err(self.adopt(found)),
        }
    }

    /// The swap of modes Both and Deletion. Right in every mode.
    fn swap_marking(&self, m: &Mutator, new: u64) -> u64 {
        point(Point::SlotSwap);
        if m.mode().splits_writes() {
            return self.split_write(m, new);
        }
        // ORDERING: acquire-release, pairs with `load` (contents of `new`) and with the writer of what is found.
        let old = self.word.swap(new, Ordering::AcqRel);
        self.shade_change(m, old, new);
        old
    }

    /// With a rule broken: what no slot write may be.
    #[cold]
    fn split_write(&self, m: &Mutator, new: u64) -> u64 {
        let old = self.word.load(Ordering::Relaxed);
        point(Point::SlotSwap);
        self.word.store(new, Ordering::Relaxed);
        self.shade_change(m, old, new);
        old
    }

    #[inline]
    fn shade_change(&self, m: &Mutator, old: u64, new: u64) {
        shade_change(m, std::ptr::from_ref(self).addr(), reference::<V>(old), reference::<V>(new));
    }

    #[inline]
    fn adopt(&self, bits: u64) -> V {
        // SAFETY: the type's invariant, and a window is open: every caller has a mutator of brand `'gc`.
        unsafe { V::from_bits(bits) }
    }
}

impl<'gc, V: Word<'gc> + Default> Default for WordSlot<'gc, V> {
    fn default() -> Self {
        WordSlot::new(V::default())
    }
}

impl<V> fmt::Debug for WordSlot<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WordSlot({:#018x})", self.word.load(Ordering::Relaxed))
    }
}

// SAFETY: it holds one value, whose reference it reports (`WordKey`); the word is atomic, so any thread may look.
unsafe impl<'gc, V: Branded<'gc, Static: WordKey>> Trace<'gc> for WordSlot<'gc, V> {
    #[inline]
    fn trace(&self, t: &mut Tracer<'gc>) {
        // ORDERING: pairs with the releases of the writers: whoever scans the object next sees its contents.
        t.address(reference::<V>(self.word.load(Ordering::Acquire)));
    }
}
// SAFETY: always traced by a call, unless no value ever is a reference: the word is not a plain pointer.
unsafe impl<'gc, V: Branded<'gc, Static: WordKey>> Shaped<'gc> for WordSlot<'gc, V> {
    const SHAPE: Shape = Shape::Leaf.either(V::SHAPE);
    const HASH: u64 = mix(hash_site("greyset", "WordSlot", 0, 0), V::HASH);
}
// SAFETY: `V` stands for its family by the contract of `Managed`.
unsafe impl<V: WordKey> Managed for WordSlot<'static, V> {
    type At<'gc> = WordSlot<'gc, V::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, V: Branded<'gc, Static: WordKey>> Branded<'gc> for WordSlot<'gc, V> {
    type Static = WordSlot<'static, V::Static>;
}
