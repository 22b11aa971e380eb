//! Scan kernels: reading the references of one object by its shape.
//!
//! Most objects are scanned without a call: fixed offsets (`Words`) or rows of them (`Rows`). Only `Call` shapes run code of
//! the type. Every reference word is read atomically, because a mutator may be writing it.

use crate::mark::counters::MarkCounters;
use crate::trace::{GcType, Words};
use greyset_alloc::{ClassInfo, SpanClassId};
use greyset_sync::atomic::{AtomicUsize, Ordering};

/// The type of the objects in a span class.
#[inline(always)]
pub(crate) fn type_of(class: &ClassInfo) -> &'static GcType {
    let info: *const greyset_alloc::TypeInfo = class.info();
    // SAFETY: every span class of this heap is made from the `base` of a `GcType` (`Mutator::place` passes nothing else),
    // whose first field that is (`#[repr(C)]`), and it is `'static`. The tiny class of the allocator is never scanned nor
    // asked for its type: callers check `is_leaf` first.
    unsafe { &*info.cast::<GcType>() }
}

/// Room for the offsets of a kernel: a power of two, so that an index is masked instead of checked.
const OFFSETS: usize = (Words::MAX + 1).next_power_of_two();
/// No heap has so many classes.
const NO_CLASS: SpanClassId = SpanClassId(u32::MAX);

/// How objects of one class are scanned, copied to where the loop has it at hand.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Kernel {
    class: SpanClassId,
    /// How many reference words.
    words: usize,
    /// Their offsets in bytes: the first `words`.
    offsets: [u16; OFFSETS],
    /// Slot size in bytes.
    size: usize,
    /// Objects scanned with it and not counted yet.
    pub(crate) scanned: usize,
}

impl Kernel {
    /// The kernel of no class, not even of the one that stands for "none" ([`SpanClassId::NONE`]).
    const NONE: Kernel = Kernel { class: NO_CLASS, words: 0, offsets: [0; OFFSETS], size: 0, scanned: 0 };

    /// The kernel for objects of `size` bytes and this class, with these words.
    pub(crate) fn new(class: SpanClassId, size: usize, words: &Words) -> Kernel {
        let mut offsets = [0; OFFSETS];
        let given = words.offsets();
        offsets[..given.len()].copy_from_slice(given);
        Kernel { class, words: given.len(), offsets, size, scanned: 0 }
    }

    /// Offsets of the reference words, in bytes.
    #[inline(always)]
    pub(crate) fn offsets(&self) -> &[u16] {
        &self.offsets[..self.words % OFFSETS]
    }

    /// Adds what it has scanned to the counters, and starts again from 0.
    fn count(&mut self, counters: &mut MarkCounters) {
        counters.scan_many(std::mem::take(&mut self.scanned), self.size);
    }
}

/// Kernels at hand: a power of two.
const KERNELS: usize = 8;

/// The kernels of the classes met lately: each class has one place it can be in.
pub(crate) struct Kernels([Kernel; KERNELS]);

impl Kernels {
    /// None at hand.
    pub(crate) const fn new() -> Kernels {
        Kernels([Kernel::NONE; KERNELS])
    }

    /// The kernel for objects of this class, if it is at hand.
    #[inline(always)]
    pub(crate) fn of(&mut self, class: SpanClassId) -> Option<&mut Kernel> {
        let kernel = self.place(class);
        (kernel.class == class).then_some(kernel)
    }

    /// Where the kernel for this class is if it is at hand.
    #[inline(always)]
    fn place(&mut self, class: SpanClassId) -> &mut Kernel {
        &mut self.0[class.index() % KERNELS]
    }

    /// Puts a kernel in its place; what was there is counted.
    pub(crate) fn put(&mut self, kernel: Kernel, counters: &mut MarkCounters) {
        let place = self.place(kernel.class);
        place.count(counters);
        *place = kernel;
    }

    /// Adds what all have scanned to the counters.
    pub(crate) fn count(&mut self, counters: &mut MarkCounters) {
        for kernel in &mut self.0 {
            kernel.count(counters);
        }
    }
}

/// Loads the reference word at `addr`.
///
/// # Safety
/// `addr` is the address of a reference word of a live object, aligned, readable, and written only atomically while shared.
#[inline(always)]
pub(crate) unsafe fn load_word(addr: usize) -> usize {
    let word = std::ptr::with_exposed_provenance::<AtomicUsize>(addr);
    // SAFETY: handed on from the caller.
    let word = unsafe { &*word };
    // ORDERING: acquire pairs with the release stores and swaps of the slot types: the object behind is initialised.
    word.load(Ordering::Acquire)
}

/// Calls `mark` for each non-null reference among the words of a value at `at`.
///
/// # Safety
/// `at` is the address of a live value of a type with these words.
#[inline(always)]
pub(crate) unsafe fn for_each_word(words: &Words, at: usize, mut mark: impl FnMut(usize)) {
    for &offset in words.offsets() {
        // SAFETY: a shape names reference words of its type (`Shaped`), and the caller vouches for the value.
        let child = unsafe { load_word(at + offset as usize) };
        if child != 0 {
            mark(child);
        }
    }
}

/// Fetches the cache line of `addr` ahead of its use.
#[inline(always)]
pub(crate) fn prefetch(addr: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory and faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(addr)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = addr;
}
