//! The mcache: what one mutator allocates from without asking anybody.
//!
//! A cache has 128 [bins](bin::Bin), found by a constant of the type. An allocation compares the bin's key with the type's
//! address, adds, compares with the run's limit: no lock, no atomic, no metadata. When the run is used up, `refill` takes
//! the span's next run and colours it as a whole; when the span is used up, the next span of the class.
//!
//! Of types whose hashes fall on one bin, one has it; the others' bins are on a shelf, found by their key on the slow path,
//! at a few nanoseconds an allocation. Whichever needs a new run takes the place, so the busiest has it most of the time.
//!
//! A cache never frees anything while its mutator runs, and never waits, except for the page heap's short lock and, before an
//! allocation fails, for pages that another thread is just giving back to the system.
//!
//! Bump allocation in recycled rows of free memory is S. M. Blackburn's and K. S. McKinley's (Immix, 2008); the layers
//! mcache, mcentral, mheap are tcmalloc's.

mod bin;

use crate::asan;
use crate::colour::Colour;
use crate::error::{Obstacle, OutOfMemory};
use crate::mheap::MHeap;
use crate::mheap::sweep::{Reclaim, SweptPages};
use crate::size_class::SizeClass;
use crate::span::strip;
use crate::type_info::{TINY, TypeInfo};
use crate::unit::{SpanClassId, pages_for};
use bin::{Bin, Key, Request};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::ptr::NonNull;
use std::sync::Arc;

/// Bins of a cache.
pub const BINS: usize = 128;

/// What one mutator allocates from.
///
/// A cache belongs to the heap it was made for, and must be [flushed](Cache::flush) before it is dropped: a span it still
/// holds then would stay unswept for ever. `Send`, not `Sync`.
///
/// # Invariants
/// 1. The bin at an index has a key that belongs there, or none.
/// 2. A key is in its place among `bins` or on the shelf, not both.
pub struct Cache {
    bins: [Bin; BINS],
    shelf: RefCell<HashMap<Key, Bin, MixKeys>>,
    /// Most bytes of a run, a power of two.
    run_bytes: Cell<usize>,
    /// Pages that allocations have swept and [`Cache::take_swept`] has not told yet.
    swept: SweptPages,
    /// The heap it was made for.
    heap: Arc<()>,
}

// SAFETY: the pointers in the bins lead into the heap's memory, which belongs to no thread; the run they delimit belongs to
// whoever has the cache (Bin invariant 1).
unsafe impl Send for Cache {}

/// Hashes keys by one multiplication: they are addresses, nobody chooses them to collide.
#[derive(Clone, Copy, Default)]
struct MixKeys;

impl BuildHasher for MixKeys {
    type Hasher = Mixed;
    fn build_hasher(&self) -> Mixed {
        Mixed(0)
    }
}

struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_usize(byte as usize));
    }
    fn write_usize(&mut self, word: usize) {
        self.0 = (self.0 ^ word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// What a refill took, and its first slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refilled {
    /// The slot for the value, already taken from the run.
    pub ptr: NonNull<u8>,
    /// Bytes of the run taken, this slot included; 0 if the run had been taken (and accounted for) before.
    pub bytes: usize,
    /// Slots of the run taken.
    pub objects: usize,
}

impl Cache {
    /// Bytes of a run for one who pays by the run: what an allocation that refills may colour, and what a mutator takes before it
    /// looks around.
    pub const SHORT_RUN: usize = 16 << 10;
    /// Bytes of a run for one who pays nothing: no span of small slots has more than twice as many.
    pub const LONG_RUN: usize = 64 << 10;

    /// An empty cache for this heap. Takes 6 KiB, and nothing of the heap.
    pub fn new(heap: &MHeap) -> Cache {
        Cache {
            bins: [const { Bin::new(Key::NONE) }; BINS],
            shelf: RefCell::default(),
            run_bytes: Cell::new(Cache::SHORT_RUN),
            swept: SweptPages::default(),
            heap: Arc::clone(heap.identity()),
        }
    }

    /// Memory for a value of a type of fixed size: `bin` is [`TypeInfo::bin`], `slot` [`TypeInfo::slot`], both constants.
    /// `None`: [`Cache::refill`]. Not for tiny types. About eight instructions.
    #[inline(always)]
    pub fn bump(&self, info: &'static TypeInfo, bin: usize, slot: usize) -> Option<NonNull<u8>> {
        let bin = bin::forget(&self.bins[bin % BINS]);
        if bin.key.get() != Key::fixed(info) {
            return None;
        }
        bin.bump(slot)
    }

    /// Memory for a value of a type of variable length in a slot of `class`, which is [`SizeClass::of`] its size and the
    /// type's alignment. `None`: [`Cache::refill`], also always for [`SizeClass::LARGE`].
    #[inline(always)]
    pub fn bump_sized(&self, info: &'static TypeInfo, class: SizeClass) -> Option<NonNull<u8>> {
        let bin = &self.bins[info.sized_bin(class)];
        if bin.key.get() != Key::sized(info, class) {
            return None;
        }
        bin.bump(class.slot())
    }

    /// Memory for a tiny value ([`TypeInfo::is_tiny`]) of `size` bytes, its [`TypeInfo::tiny_size`]. The slot may be shared
    /// with other tiny values, but the value never straddles two. `None`: [`Cache::refill`] with the value's own type.
    #[inline(always)]
    pub fn bump_tiny(&self, size: usize) -> Option<NonNull<u8>> {
        debug_assert!(size.is_power_of_two() && size <= 8);
        let bin = &self.bins[TINY.bin()];
        if bin.key.get() != Key::fixed(&TINY) {
            return None;
        }
        bin.bump_aligned(size, size)
    }

    /// Memory for a value of a type of fixed size, tiny or not, at most [`crate::MAX_SMALL`] bytes: whichever of [`Cache::bump`]
    /// and [`Cache::bump_tiny`] is right, chosen at compile time where `info` is a constant.
    #[inline(always)]
    pub fn alloc(&self, info: &'static TypeInfo) -> Option<NonNull<u8>> {
        if info.is_tiny() {
            self.bump_tiny(info.tiny_size())
        } else {
            self.bump(info, info.bin(), info.slot())
        }
    }

    /// The slow path: memory for a value of type `info`, of `size` bytes if the type's length is variable. From the run if
    /// there is room in it after all (the fast path may have asked with another address of the type), else from the next run
    /// of the span, or of the next span of the class, or of a new span. A new run is coloured with `colour` as a whole.
    /// Over [`crate::MAX_SMALL`] bytes: as [`Cache::large`].
    ///
    /// Cost: 20 to 50 ns for a run of the same span, some 100 ns more for another span; may sweep a bounded number of spans
    /// of the class, showing their dead slots to `sweep` if that wants them.
    ///
    /// # Errors
    /// When no page can be had; the cache is as usable as before.
    ///
    /// # Panics
    /// When the cache belongs to another heap.
    #[cold]
    #[inline(never)]
    pub fn refill(
        &self,
        heap: &MHeap,
        sweep: &dyn Reclaim,
        info: &'static TypeInfo,
        size: usize,
        colour: Colour,
    ) -> Result<Refilled, OutOfMemory> {
        self.check(heap);
        let bin = &self.bins[info.bin()];
        if bin.key.get() == Key::fixed(info)
            && let Some(taken) = bin.take(heap, colour, self.run_bytes.get())
        {
            return Ok(taken); // the common case, without looking further
        }
        self.refill_slowly(heap, sweep, info, size, colour)
    }

    fn refill_slowly(
        &self,
        heap: &MHeap,
        sweep: &dyn Reclaim,
        info: &'static TypeInfo,
        size: usize,
        colour: Colour,
    ) -> Result<Refilled, OutOfMemory> {
        let request = Request::new(info, size);
        if request.size_class == SizeClass::LARGE {
            return self.large(heap, sweep, info, size, colour);
        }
        let bin = &self.bins[request.bin];
        if bin.key.get() != request.key {
            let shelved = self.shelf.borrow().get(&request.key).and_then(|bin| bin.bump_for(&request));
            if let Some(ptr) = shelved {
                return Ok(Refilled { ptr, bytes: 0, objects: 0 });
            }
            self.take_place(bin, request.key);
        }
        loop {
            if let Some(taken) = bin.take_for(heap, colour, &request, self.run_bytes.get()) {
                return Ok(taken);
            }
            bin.retire(heap);
            let class = self.class(bin, heap, &request)?;
            bin.adopt(heap, heap.hand_out(class, sweep, &self.swept)?);
        }
    }

    /// A span of its own for a value of `size` bytes, coloured `colour`. Linear in its pages (16 bytes of table each); the
    /// memory is as the last user left it. Where the pages cannot be had, sweeps until they can or nothing is left to sweep,
    /// showing dead slots to `sweep` as [`Cache::refill`] does.
    ///
    /// # Errors
    /// When the pages cannot be had even so.
    ///
    /// # Panics
    /// When the cache belongs to another heap.
    #[cold]
    pub fn large(
        &self,
        heap: &MHeap,
        sweep: &dyn Reclaim,
        info: &'static TypeInfo,
        size: usize,
        colour: Colour,
    ) -> Result<Refilled, OutOfMemory> {
        self.check(heap);
        let pages = pages_for(size.max(1));
        let Ok(pages) = u32::try_from(pages) else {
            let limit = heap.space().len() as u64;
            let (requested, in_use) = (size, heap.in_use());
            return Err(OutOfMemory { requested, in_use, limit, obstacle: Obstacle::Reservation });
        };
        let class = find_class(heap, info, SizeClass::LARGE)?;
        let span = heap.span(heap.make_large(class, pages, sweep, &self.swept)?);
        strip::fill(&span.strip(heap.space())[..1], colour.byte());
        let Some(ptr) = NonNull::new(heap.space().pointer(span.addr())) else {
            unreachable!("a span never starts at address 0");
        };
        let bytes = span.bytes();
        asan::unpoison(ptr.as_ptr(), bytes);
        heap.put_full(span);
        Ok(Refilled { ptr, bytes, objects: 1 })
    }

    /// Refills from now on take runs of so many bytes at most, rounded down to a power of two, unless a slot is longer; in the
    /// beginning it is [`Cache::SHORT_RUN`]. A run is what its owner takes, colours and accounts for at once.
    pub fn take_runs(&self, bytes: usize) {
        self.run_bytes.set(1 << bytes.max(1).ilog2());
    }

    /// Pages that allocations have swept since this was last asked: they count towards what the mutator owes the sweep.
    pub fn take_swept(&self) -> u32 {
        self.swept.take()
    }

    /// Handshake 2: colours what is left of every run. The slots in use keep their colour.
    ///
    /// # Panics
    /// When the cache belongs to another heap.
    pub fn recolour(&self, heap: &MHeap, colour: Colour) {
        self.check(heap);
        self.shelf.borrow().values().chain(&self.bins).for_each(|bin| bin.recolour(heap, colour));
    }

    /// Handshake 3, detach: what is left of every run becomes Free, and every span goes back to its class. Returns the bytes
    /// given back.
    ///
    /// # Panics
    /// When the cache belongs to another heap.
    pub fn flush(&self, heap: &MHeap) -> u64 {
        self.check(heap);
        let mut shelf = self.shelf.borrow_mut();
        let bytes = shelf.values().chain(&self.bins).map(|bin| bin.flush(heap)).sum();
        shelf.clear();
        bytes
    }

    /// Bytes taken in runs that hold no object yet: what a flush would give back, up to 15 bytes a tiny slot apart.
    pub fn reserved_bytes(&self) -> usize {
        self.shelf.borrow().values().chain(&self.bins).map(Bin::reserved).sum()
    }

    /// Calls `f` with the address of every slot taken in a run that holds no object yet. For verification.
    ///
    /// # Panics
    /// When the cache belongs to another heap.
    pub fn for_each_reserved(&self, heap: &MHeap, mut f: impl FnMut(usize)) {
        self.check(heap);
        self.shelf.borrow().values().chain(&self.bins).for_each(|bin| bin.for_each_reserved(heap, &mut f));
    }

    /// Slots taken in runs that hold no object yet: [`Refilled::objects`] that a flush would give back.
    pub fn reserved_slots(&self, heap: &MHeap) -> usize {
        self.check(heap);
        self.shelf.borrow().values().chain(&self.bins).map(|bin| bin.reserved_slots(heap)).sum()
    }

    /// Panics unless the cache belongs to `heap`: everything about runs would be wrong in another one.
    fn check(&self, heap: &MHeap) {
        assert!(Arc::ptr_eq(&self.heap, heap.identity()), "a cache used with another heap than its own");
    }

    /// Gives the bin of `key`, shelved or new, the place of `bin`, whose own goes on the shelf.
    fn take_place(&self, bin: &Bin, key: Key) {
        let mut shelf = self.shelf.borrow_mut();
        let other = shelf.remove(&key).unwrap_or(Bin::new(key));
        bin.swap(&other);
        if other.key.get() != Key::NONE {
            shelf.insert(other.key.get(), other);
        }
    }

    /// The class the bin allocates in.
    fn class(&self, bin: &Bin, heap: &MHeap, request: &Request) -> Result<SpanClassId, OutOfMemory> {
        if bin.class() == SpanClassId::NONE {
            bin.set_class(find_class(heap, request.info, request.size_class)?);
        }
        Ok(bin.class())
    }
}

fn find_class(heap: &MHeap, info: &'static TypeInfo, class: SizeClass) -> Result<SpanClassId, OutOfMemory> {
    heap.registry().class(heap.space(), info, class).ok_or_else(|| OutOfMemory {
        requested: class.slot(),
        in_use: heap.in_use(),
        limit: heap.space().max_classes() as u64,
        obstacle: Obstacle::Table,
    })
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.bins.iter().filter(|bin| bin.key.get() != Key::NONE).count();
        f.debug_struct("Cache")
            .field("bins", &used)
            .field("shelved", &self.shelf.borrow().len())
            .field("reserved_bytes", &self.reserved_bytes())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
