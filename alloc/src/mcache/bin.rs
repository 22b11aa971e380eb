//! A bin: a cache's current run for one type (and, for types of variable length, one size class).
//!
//! The bin's fields are plain cells of the thread that owns the cache. All that is shared about a run, its colour bytes, is
//! in the span, which belongs to the cache while a bin holds it.

use super::Refilled;
use crate::asan;
use crate::colour::Colour;
use crate::mheap::{HandedOut, MHeap};
use crate::size_class::SizeClass;
use crate::span::Span;
use crate::span::strip::{self, Finder};
use crate::type_info::{SpanFlags, TINY, TypeInfo};
use crate::unit::{SpanClassId, SpanId};
use greyset_sync::{Fault, Point, fault, point, tiny};
use std::cell::Cell;
use std::ptr::NonNull;

/// Slots of tiny values are shared in units of this.
const TINY_SLOT: usize = 16;

/// What identifies a bin's contents, in one word so that the fast path has one comparison.
///
/// # Invariants
/// The address of a `TypeInfo`; for types of variable length with the size class + 1 in the top byte, which is 0 in every
/// address (debug builds assert it on the slow path); 0 for none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub(crate) struct Key(usize);

impl Key {
    pub(crate) const NONE: Key = Key(0);
    const CLASS_SHIFT: u32 = usize::BITS - 8;

    /// For a type of fixed size.
    #[inline(always)]
    pub(crate) fn fixed(info: &'static TypeInfo) -> Key {
        Key(std::ptr::from_ref(info).addr())
    }

    /// For a type of variable length in slots of `class`.
    #[inline(always)]
    pub(crate) fn sized(info: &'static TypeInfo, class: SizeClass) -> Key {
        Key(std::ptr::from_ref(info).addr() | (class.index() + 1) << Key::CLASS_SHIFT)
    }
}

/// What an allocation asks a cache for.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) key: Key,
    pub(crate) bin: usize,
    /// The type whose spans serve it: `TINY` for tiny values.
    pub(crate) info: &'static TypeInfo,
    pub(crate) size_class: SizeClass,
    /// Bytes to take from the run.
    pub(crate) step: usize,
    /// Alignment within the run (1: any multiple of the slot).
    pub(crate) align: usize,
}

impl Request {
    /// For a value of type `info`, of `size` bytes if the type's length is variable.
    pub(crate) fn new(info: &'static TypeInfo, size: usize) -> Request {
        if info.is_tiny() {
            let (step, size_class) = (info.tiny_size(), SizeClass::of_size(TINY_SLOT));
            return Request {
                key: Key::fixed(&TINY),
                bin: TINY.bin(),
                info: &TINY,
                size_class,
                step,
                align: step,
            };
        }
        let size_class = SizeClass::of(if info.size == 0 { size } else { info.size }, info.align);
        let (key, bin) = match info.size {
            0 => (Key::sized(info, size_class), info.sized_bin(size_class)),
            _ => (Key::fixed(info), info.bin()),
        };
        debug_assert!(std::ptr::from_ref(info).addr() >> Key::CLASS_SHIFT == 0);
        Request { key, bin, info, size_class, step: size_class.slot(), align: 1 }
    }
}

/// Most slots of `slot` bytes a run of `bytes` bytes may have, at least one. A power of two, so that no division is needed, if `bytes`
/// is one.
const fn most_slots(slot: usize, bytes: usize) -> usize {
    let most = bytes >> slot.next_power_of_two().trailing_zeros();
    if most == 0 { 1 } else { most }
}

/// A run and where it comes from.
///
/// # Invariants
/// 1. `next <= limit`, both in the span or both null. The slots from `next` (rounded up to a slot) to `limit` are coloured
///    and hold no object; they belong to this bin.
/// 2. The span, if any, is `Cached` by this bin alone; its slots before the run hold objects or are not Free.
/// 3. `rest` has passed the run and everything before it.
/// 4. `class` is the class of `key`, or none yet.
#[derive(Debug)]
pub(crate) struct Bin {
    pub(crate) key: Cell<Key>,
    next: Cell<*mut u8>,
    limit: Cell<*mut u8>,
    rest: Cell<Finder>,
    span: Cell<SpanId>,
    class: Cell<SpanClassId>,
}

/// The same bin, of whose contents the compiler knows nothing: what is added to `next` then is added in memory, by one
/// instruction.
///
/// A processor that renames memory (Intel's since Golden Cove) follows a row of such additions without waiting for its store
/// buffer, which it does between a store and the load of the next allocation when the sum comes from a register: 1.2 ns an
/// allocation instead of 2.4 in a loop of nothing else.
#[inline(always)]
#[cfg_attr(
    all(target_arch = "x86_64", not(miri)),
    expect(clippy::pointers_in_nomem_asm_block, reason = "the pointer is only passed through")
)]
pub(super) fn forget(bin: &Bin) -> &Bin {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let mut pointer = std::ptr::from_ref(bin);
        // SAFETY: no instruction at all; the pointer comes out as it went in.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags));
        }
        // SAFETY: the pointer is that of `bin`, borrowed for as long.
        unsafe { &*pointer }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    bin
}

/// How far ahead of an allocation memory is fetched, in bytes.
const AHEAD: usize = 1024;

/// Has the cache line [`AHEAD`] of `next` fetched, for an allocation to come: stores wait for their lines one after the other, and
/// the processor's own guesses end at each page. As HotSpot does for its allocation buffers.
#[inline(always)]
fn fetch_ahead(next: *mut u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory and faults on no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(AHEAD).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = next;
}

impl Bin {
    pub(crate) const fn new(key: Key) -> Bin {
        Bin {
            key: Cell::new(key),
            next: Cell::new(std::ptr::null_mut()),
            limit: Cell::new(std::ptr::null_mut()),
            rest: Cell::new(Finder::START),
            span: Cell::new(SpanId::NONE),
            class: Cell::new(SpanClassId::NONE),
        }
    }

    /// Takes `step` bytes, at least 1, from the run.
    #[inline(always)]
    pub(crate) fn bump(&self, step: usize) -> Option<NonNull<u8>> {
        assert!(step > 0); // at compile time, for a type of fixed size
        let next = self.next.get();
        if next.wrapping_add(step) > self.limit.get() {
            return None;
        }
        fetch_ahead(next);
        let next_again = &forget(self).next;
        next_again.set(next_again.get().wrapping_add(step));
        asan::unpoison(next, step);
        // SAFETY: were `next` null, so would `limit` be (invariant 1), and the sum would be above it.
        Some(unsafe { NonNull::new_unchecked(next) })
    }

    /// Takes `step` bytes from the run at a multiple of `align`, a power of two.
    #[inline(always)]
    pub(crate) fn bump_aligned(&self, step: usize, align: usize) -> Option<NonNull<u8>> {
        let next = self.next.get();
        let next = next.map_addr(|addr| addr.wrapping_add(align - 1) & !(align - 1));
        let after = next.wrapping_add(step);
        if after > self.limit.get() {
            return None;
        }
        self.next.set(after);
        asan::unpoison(next, step);
        NonNull::new(next)
    }

    /// [`Bin::take_step`] for what `request` asks for.
    pub(crate) fn take_for(
        &self,
        heap: &MHeap,
        colour: Colour,
        request: &Request,
        run: usize,
    ) -> Option<Refilled> {
        self.take_step(heap, colour, request.step, request.align, run)
    }

    /// Takes what `request` asks for from the run.
    pub(crate) fn bump_for(&self, request: &Request) -> Option<NonNull<u8>> {
        self.bump_aligned(request.step, request.align)
    }

    /// Exchanges key and contents with another bin.
    pub(crate) fn swap(&self, other: &Bin) {
        self.key.swap(&other.key);
        self.next.swap(&other.next);
        self.limit.swap(&other.limit);
        self.rest.swap(&other.rest);
        self.span.swap(&other.span);
        self.class.swap(&other.class);
    }

    pub(crate) fn class(&self) -> SpanClassId {
        self.class.get()
    }

    pub(crate) fn set_class(&self, class: SpanClassId) {
        self.class.set(class);
    }

    /// Whether it holds a span.
    pub(crate) fn has_span(&self) -> bool {
        self.span.get().is_some()
    }

    /// Starts allocating in a span that belongs to the cache.
    pub(crate) fn adopt(&self, heap: &MHeap, span: HandedOut) {
        debug_assert!(!self.has_span());
        let HandedOut { id, is_empty } = span;
        let span = heap.span(id);
        let start = heap.space().pointer(span.addr());
        self.span.set(id);
        self.next.set(start);
        self.limit.set(start);
        self.rest.set(if is_empty { Finder::of_empty(span.slots()) } else { Finder::START });
    }

    /// A slot of the run, or the first of the span's next run, of up to `run` bytes, if this one is used up; `None` if the
    /// span is, too. For bins whose values take a slot each.
    #[inline]
    pub(crate) fn take(&self, heap: &MHeap, colour: Colour, run: usize) -> Option<Refilled> {
        if !self.has_span() {
            return None;
        }
        let slot = heap.span(self.span.get()).slot();
        self.take_step(heap, colour, slot, 1, run)
    }

    /// As [`Bin::take`], for `step` bytes at a multiple of `align`.
    #[inline]
    pub(crate) fn take_step(
        &self,
        heap: &MHeap,
        colour: Colour,
        step: usize,
        align: usize,
        run: usize,
    ) -> Option<Refilled> {
        if let Some(ptr) = self.bump_aligned(step, align) {
            return Some(Refilled { ptr, bytes: 0, objects: 0 });
        }
        let (objects, slot) = self.next_run(heap, colour, run)?;
        let ptr = self.bump_aligned(step, align)?;
        if heap.zeal.one_slot_runs() {
            // Nothing is left in it, for tiny values either.
            self.next.set(self.limit.get());
        }
        Some(Refilled { ptr, bytes: objects * slot, objects })
    }

    /// Takes the next run of the span, the one before being used up, and colours it: the number of its slots, and their
    /// size.
    #[inline]
    fn next_run(&self, heap: &MHeap, colour: Colour, run: usize) -> Option<(usize, usize)> {
        if !self.has_span() {
            return None;
        }
        let span = heap.span(self.span.get());
        debug_assert!(self.unused(span).is_empty(), "a run with room in it is given up");
        let (strip, slot) = (span.strip(heap.space()), span.slot());
        point(Point::RunTake);
        let mut rest = self.rest.get();
        let run = rest.next_run(strip, tiny(heap.zeal.run_slots(most_slots(slot, run)), 3));
        self.rest.set(rest);
        let run = run?;
        heap.zeal.handed_out(heap.space(), span, run.clone());
        strip::fill(&strip[run.clone()], colour.byte());
        // INVARIANT: 1, coloured before anything can be allocated in it.
        self.next.set(heap.space().pointer(span.addr() + run.start * slot));
        self.limit.set(heap.space().pointer(span.addr() + run.end * slot));
        Some((run.len(), slot))
    }

    /// Puts a used-up span, which has no Free slot left, into its class's full set.
    pub(crate) fn retire(&self, heap: &MHeap) {
        let id = self.span.replace(SpanId::NONE);
        if id.is_some() {
            self.next.set(std::ptr::null_mut());
            self.limit.set(std::ptr::null_mut());
            heap.put_full(heap.span(id));
        }
    }

    /// Slots of the run without an object, as indices; a tiny slot that is partly used has one.
    fn unused(&self, span: &Span) -> std::ops::Range<usize> {
        let (next, limit) = (self.next.get().addr(), self.limit.get().addr());
        let next =
            if span.flags().contains(SpanFlags::TINY) { next.next_multiple_of(TINY_SLOT) } else { next };
        span.index_of(next)..span.index_of(limit)
    }

    /// Colours what is left of the run. New tiny values get slots of their own from here on: the slot that is partly used
    /// keeps the colour of the values in it.
    pub(crate) fn recolour(&self, heap: &MHeap, colour: Colour) {
        if !self.has_span() {
            return;
        }
        point(Point::RunRecolour);
        let span = heap.span(self.span.get());
        let unused = self.unused(span);
        strip::fill(&span.strip(heap.space())[unused.clone()], colour.byte());
        self.next.set(heap.space().pointer(span.object_addr(unused.start)));
    }

    /// What is left of the run becomes Free and the span goes back to its class: bytes given back.
    pub(crate) fn flush(&self, heap: &MHeap) -> u64 {
        if !self.has_span() {
            return 0;
        }
        point(Point::RunFlush);
        let span = heap.span(self.span.replace(SpanId::NONE));
        let (unused, strip) = (self.unused(span), span.strip(heap.space()));
        if !fault(Fault::RunNotReturned) {
            strip::fill(&strip[unused.clone()], Colour::FREE.byte());
        }
        self.next.set(std::ptr::null_mut());
        self.limit.set(std::ptr::null_mut());
        if unused.is_empty() && !self.rest.get().has_more(strip) {
            heap.put_full(span);
        } else {
            heap.put_partial(span);
        }
        (unused.len() * span.slot()) as u64
    }

    /// Slots of the run without an object: those that a flush would give back.
    pub(crate) fn reserved_slots(&self, heap: &MHeap) -> usize {
        if self.has_span() { self.unused(heap.span(self.span.get())).len() } else { 0 }
    }

    /// Calls `f` with the address of every slot of the run without an object.
    pub(crate) fn for_each_reserved(&self, heap: &MHeap, f: &mut impl FnMut(usize)) {
        if self.has_span() {
            let span = heap.span(self.span.get());
            self.unused(span).for_each(|index| f(span.object_addr(index)));
        }
    }

    /// Bytes of the run without an object.
    pub(crate) fn reserved(&self) -> usize {
        self.limit.get().addr() - self.next.get().addr()
    }
}
