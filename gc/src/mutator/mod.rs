//! Mutators: threads (or tasks) of the embedding program, as the heap sees them.
//!
//! - [`MutatorHandle`] attaches one; it is parked unless [`MutatorHandle::enter`] runs.
//! - [`Mutator`] is what a window has: allocation, safepoints, collection on demand.
//! - `word` is how it is asked and parks, `list` who is attached, `answer` what it does when asked, `slow` what
//!   allocation does when a run is used up, `assist` how it pays for allocation during marking; `watched` is for the simulator.
//!
//! A mutator never waits for another mutator, nor for the collector: it answers handshakes by itself, and where the
//! collector has taken its allocation cache to answer in its stead it goes on with a new one. An allocation far above the goal
//! rests for a moment while the collector's threads have something to finish, and goes on (`assist`).

mod answer;
mod assist;
mod external;
mod handle;
mod list;
mod slow;
#[cfg(feature = "sim")]
mod watched;
mod word;

pub(crate) use answer::{answer_for, with_parked_caches};
pub use handle::MutatorHandle;
pub(crate) use handle::is_entered;
pub(crate) use list::{List, Mutators, Record};
pub(crate) use word::Asked;

use crate::barrier::{Barrier, Grey, Mode, SEGMENT_LEN, Segment, Shade, Shaded};
use crate::handle::{Gc, Open, Stamp};
use crate::heap::{Owner, Shared};
use crate::mark::Marker;
use crate::roots::EntryRef;
use crate::trace::{Branded, GcType, gc_type};
use crate::zeal::{Ring, count};
use greyset_alloc::{Cache, Colour, SizeClass, Space};
use greyset_sync::{Fault, Point, fault, point};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// A thread's access to the heap during a window: it exists only as `&mut Mutator` inside
/// [`MutatorHandle::enter`].
///
/// Methods that take `&self` keep every [`Gc`] alive; those that take `&mut self` are safepoints, over which the borrow
/// checker lets no `Gc` live.
///
/// # Invariants
/// 1. `cache` points to a boxed `Cache` that this mutator owns, except between `park` and `unpark`.
/// 2. `mode`, `shade` and `colour` are those of the last answered handshake (`record.mode()`).
/// 3. Objects in `buffer` are black and grey for nobody else.
pub struct Mutator {
    cache: Cell<NonNull<Cache>>,
    record: Arc<Record>,
    mode: Cell<Mode>,
    /// What slots look at, by `mode`.
    barrier: Cell<Barrier>,
    colour: Cell<Colour>,
    shade: Cell<Shade>,
    worked: Cell<bool>,
    pub(crate) buffer: RefCell<Box<Segment>>,
    /// Grey objects at which the buffer is handed over.
    buffer_len: usize,
    owner: Arc<Owner>,
    /// The owner that a `Root` is recognised by at a glance: this heap's, or null if zeal wants to look at each.
    known: *const Owner,
    /// Scan work owed (positive) or paid in advance (negative), in bytes.
    debt: Cell<i64>,
    /// Bytes allocated above the ceiling since the last rest.
    unbraked: Cell<usize>,
    /// Bytes taken since the last assist.
    unassisted: Cell<usize>,
    /// Pages owed to the sweep, in 1/1024.
    sweep_debt: Cell<i64>,
    marker: RefCell<Option<Box<Marker>>>,
    pub(crate) entries: RefCell<Vec<EntryRef>>,
    open: Open,
    /// Its slot writes, if they are kept.
    ring: Option<Arc<Ring>>,
    not_send: PhantomData<*mut ()>,
}

impl Mutator {
    /// Allocates `value`. Never a safepoint; never waits for the collector (far above the goal it may rest for `assist_max`, 50 µs at most).
    ///
    /// Cost: a bump of a pointer in the current run of the type; every few hundred objects a new run is taken, which may
    /// sweep a span and pay for marking that is under way.
    ///
    /// # Panics
    /// When the hard limit (or the machine's memory) is exhausted. Use [`Mutator::try_alloc`] to get the value back instead.
    /// A type that is aligned to more than 4096 bytes is rejected when the program is built.
    #[inline(always)]
    pub fn alloc<'gc, T: Branded<'gc>>(&'gc self, value: T) -> Gc<'gc, T> {
        match self.bump::<T>() {
            Some(place) => self.fill(place, value),
            None => self.alloc_slow(gc_type::<T::Static>(), value),
        }
    }

    #[inline(always)]
    fn bump<'gc, T: Branded<'gc>>(&'gc self) -> Option<NonNull<u8>> {
        let info = &gc_type::<T::Static>().base;
        // SAFETY: invariant 1; a window is open, since there is a `&Mutator`.
        let cache = unsafe { self.cache.get().as_ref() };
        cache.alloc(info)
    }

    /// Writes `value` to a slot taken for it.
    #[inline(always)]
    fn fill<'gc, T: Branded<'gc>>(&'gc self, place: NonNull<u8>, value: T) -> Gc<'gc, T> {
        let place = place.cast::<T>();
        // SAFETY: the slot was taken for a `T` from this mutator's own run: nobody else sees it, and it is large and
        // aligned enough (`slot_size`).
        unsafe { place.write(value) };
        // SAFETY: it holds a `T` now, in the colour this mutator's mode asks for, and lives at least until the window's end.
        unsafe { Gc::from_ptr(place) }
    }

    /// What slots do when they are written.
    #[inline(always)]
    pub(crate) fn barrier(&self) -> Barrier {
        self.barrier.get()
    }

    /// Where slot writes are kept, if they are.
    pub(crate) fn ring(&self) -> Option<&Ring> {
        self.ring.as_deref()
    }

    /// Number and name, and the number of the window, for reports.
    pub(crate) fn name_and_window(&self) -> ((u32, String), u32) {
        ((self.record.id(), self.record.name().to_owned()), self.record.window())
    }

    /// The mode last answered.
    #[inline(always)]
    pub(crate) fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// Number of the running cycle; 0 before the first.
    #[inline]
    pub(crate) fn cycle(&self) -> u32 {
        self.shared().published.cycle()
    }

    /// Shades the object that `addr` lies in, onto this mutator's buffer. 0 is no object. Only while marking.
    #[cold]
    #[inline(never)]
    pub(crate) fn shade(&self, addr: usize) {
        if addr == 0 || self.mode.get() == Mode::Off {
            return;
        }
        let shared = self.shared();
        match self.shade.get().shade(shared.space().view(), addr) {
            Shaded::Already => {}
            Shaded::Leaf { size } => {
                self.count_marked(size);
                // Nothing to scan, but a key of an ephemeron may have become black: the running round is not clean.
                self.worked.set(!fault(Fault::LeafSilent));
            }
            Shaded::Grey(grey) => self.push_grey(grey),
        }
    }

    /// Runs a write that is part of a bulk change. With a rule broken: as if no cycle ran.
    #[inline(always)]
    pub(crate) fn bulk<R>(&self, write: impl FnOnce() -> R) -> R {
        if !fault(Fault::BulkUnshaded) {
            return write();
        }
        let barrier = self.barrier.replace(Barrier::Off);
        let result = write();
        self.barrier.set(barrier);
        result
    }

    fn count_marked(&self, size: usize) {
        use greyset_sync::atomic::Ordering::Relaxed;
        let pace = &self.shared().pace;
        pace.marked_objects.fetch_add(1, Relaxed);
        pace.marked_bytes.fetch_add(size as u64, Relaxed);
    }

    fn push_grey(&self, grey: Grey) {
        point(Point::ShadePush);
        if fault(Fault::BlackThenQueue) && self.shared().published.phase() == crate::cycle::Phase::Terminate {
            let mut one = Segment::new();
            one.push(grey);
            return self.shared().queue.push(one);
        }
        let mut buffer = self.buffer.borrow_mut();
        let pushed = buffer.push(grey);
        debug_assert!(pushed, "a buffer is handed over when it becomes full");
        if buffer.len() >= self.buffer_len {
            if self.buffer_len < SEGMENT_LEN {
                count(&self.shared().zeal.done.small_buffers);
            }
            let full = std::mem::replace(&mut *buffer, self.shared().queue.fresh());
            drop(buffer);
            if fault(Fault::FullBufferSilent) {
                return self.shared().queue.push(full);
            }
            self.give(full);
        }
    }

    /// Identity of the current window, for the ownership of locks.
    pub(crate) fn stamp(&self) -> Stamp {
        self.record.stamp()
    }

    /// Whether a guard of the window `stamp` could still exist.
    pub(crate) fn stamp_is_live(&self, stamp: Stamp) -> bool {
        stamp == self.record.stamp() || self.shared().mutators.stamp_is_live(stamp)
    }

    /// What this mutator remembers of the locks it has open.
    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    /// The heap's address space.
    pub(crate) fn space(&self) -> &Space {
        self.shared().space()
    }

    /// Base address and type of the object `addr` lies in; `None` for tiny values, whose slots have no type of their own.
    pub(crate) fn object_at(&self, addr: usize) -> Option<(usize, &'static GcType)> {
        let (base, span) = self.space().object_base(addr)?;
        let tiny = span.flags().contains(greyset_alloc::SpanFlags::TINY);
        (!tiny).then(|| (base, crate::mark::type_of(self.space().class_info(span.class()))))
    }

    /// The heap, for handles that keep it alive.
    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }

    /// Whether `owner` is this mutator's heap; `false` also if zeal wants to look at each handle (`look_at_root`).
    #[inline(always)]
    pub(crate) fn knows(&self, owner: &Arc<Owner>) -> bool {
        std::ptr::eq(Arc::as_ptr(owner), self.known)
    }

    /// Whether zeal wants to look at each handle.
    #[inline(always)]
    pub(crate) fn knows_nobody(&self) -> bool {
        self.known.is_null()
    }

    /// Its next safepoint has something to do.
    pub(crate) fn step_soon(&self) {
        self.record.word.set_step();
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        self.owner.shared()
    }

    /// What this mutator knows of white and black.
    pub(crate) fn colours(&self) -> Shade {
        self.shade.get()
    }

    /// Marking work was done that leaves no trace in the buffer: the running round is not clean.
    pub(crate) fn note_work(&self) {
        self.worked.set(true);
    }

    /// The slot for an object of `ty`, a type of variable length, of `bytes` bytes: from the run, or by the slow path.
    ///
    /// # Errors
    /// When the hard limit or the machine's memory is exhausted.
    #[inline(never)]
    pub(crate) fn alloc_raw(
        &self,
        ty: &'static GcType,
        bytes: usize,
    ) -> Result<NonNull<u8>, crate::error::OutOfMemory> {
        // SAFETY: invariant 1; a window is open, since there is a `&Mutator`.
        let cache = unsafe { self.cache.get().as_ref() };
        match cache.bump_sized(&ty.base, SizeClass::of(bytes, ty.base.align)) {
            Some(place) => Ok(place),
            None => self.place(ty, bytes),
        }
    }
}
