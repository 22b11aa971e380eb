//! Allocation when the run is used up: the next run, the pay for it, and what to do when memory is short.
//!
//! 1. Sweep what the runs before this one owe, if sweeping is under way (proportional sweep).
//! 2. Pay for marking that is under way (`assist`).
//! 3. Take the next run (or a span of its own for a large object) and account for it.
//! 4. Ask for a cycle when the trigger is reached.
//!
//! Never a safepoint, never a wait for a phase: over the hard limit it returns an error.

use crate::barrier::Mode;
use crate::cycle::Phase;
use crate::error::{AllocError, OutOfMemory};
use crate::handle::Gc;
use crate::heap::Shared;
use crate::mutator::Mutator;
use crate::stats::{Cause, Event, LimitKind};
use crate::trace::{Branded, GcType, Shaped, gc_type};
use crate::zeal::Asks;
use greyset_alloc::{Cache, Obstacle, Role};
use greyset_sync::atomic::Ordering;
use greyset_sync::thread::yield_now;
use std::ptr::NonNull;
use std::time::Duration;

/// Pages that an allocation sweeps at most for what was allocated before it: some 20 µs.
const SWEPT_AT_ONCE: usize = 64;

impl Mutator {
    /// As [`Mutator::alloc`], but running out of memory is an error that gives the value back.
    ///
    /// Drop what can be dropped, call [`Mutator::collect`], try again, or raise the error in your own language. A type that is aligned
    /// to more than 4096 bytes is rejected when the program is built.
    ///
    /// # Errors
    /// When the hard limit (or the machine's memory) is exhausted.
    #[inline(always)]
    pub fn try_alloc<'gc, T: Branded<'gc>>(&'gc self, value: T) -> Result<Gc<'gc, T>, AllocError<T>> {
        match self.bump::<T>() {
            Some(place) => Ok(self.fill(place, value)),
            None => self.try_alloc_slow(gc_type::<T::Static>(), value),
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn alloc_slow<'gc, T: Branded<'gc>>(&'gc self, ty: &'static GcType, value: T) -> Gc<'gc, T> {
        match self.try_alloc_slow(ty, value) {
            Ok(gc) => gc,
            Err(error) => panic!("{error}"),
        }
    }

    #[cold]
    #[inline(never)]
    fn try_alloc_slow<'gc, T: Branded<'gc>>(
        &'gc self,
        ty: &'static GcType,
        value: T,
    ) -> Result<Gc<'gc, T>, AllocError<T>> {
        match self.place(ty, <T as Shaped>::OBJECT_SIZE) {
            Ok(place) => Ok(self.fill(place, value)),
            Err(error) => Err(AllocError::new(value, error)),
        }
    }

    /// A slot for an object of type `ty` and `bytes` bytes.
    pub(super) fn place(&self, ty: &'static GcType, bytes: usize) -> Result<NonNull<u8>, OutOfMemory> {
        let shared = self.shared();
        if shared.zeal.asks(Asks::ALLOCATIONS | Asks::JITTER) {
            self.zealous_allocation(bytes)?;
        }
        let phase = shared.published.phase();
        if phase != Phase::Idle && shared.driver.is_inline() {
            self.record.word.set_step();
        }
        let sweeping = phase == Phase::Sweep;
        if sweeping {
            self.sweep_share();
            if shared.alloc.unswept_pages() == 0 && shared.pace.is_late() {
                // The cycle is over; said at the next safepoint, rather than by a thread that has to wake up for it. Until
                // it is, no other can begin.
                self.record.word.set_step();
            }
        }
        // SAFETY: invariant 1 of `Mutator`; a window is open.
        let cache = unsafe { self.cache.get().as_ref() };
        let colour = self.colour.get();
        cache.take_runs(self.run_bytes());
        if shared.held_still.load(Ordering::Relaxed) {
            hold_still(shared);
        }
        let changing = self.record.changing();
        let reclaimer = shared.sweep.reclaimer(shared);
        let timer = if sweeping { shared.stats.clock.nanos() } else { 0 };
        let taken = if bytes > greyset_alloc::MAX_SMALL {
            cache.large(&shared.alloc, &reclaimer, &ty.base, bytes, colour)
        } else {
            cache.refill(&shared.alloc, &reclaimer, &ty.base, bytes, colour)
        };
        match cache.take_swept() {
            0 => {}
            swept if sweeping => self.has_swept(swept, shared.stats.clock.nanos() - timer),
            // Where memory is short something may be left to sweep in any phase: that is not timed.
            swept => self.has_swept(swept, 0),
        }
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                drop(changing);
                return Err(self.out_of_memory(error));
            }
        };
        if sweeping {
            self.owes_sweeping(taken.bytes);
        }
        shared.account_taken(taken.bytes, taken.objects);
        drop(changing);
        if self.mode.get() != Mode::Off {
            self.pay(taken.bytes);
        } else {
            self.brake(taken.bytes);
        }
        if shared.pace.is_triggered() {
            self.look_at_trigger();
        }
        if let Some(membership) = &shared.membership
            && membership.share() != shared.pace.memory_limit.load(Ordering::Relaxed)
            && let Some(mut collector) = shared.collector.try_lock()
        {
            // A heap that has never collected has no thread that looks.
            collector.pacing().adopt_share(shared);
        }
        Ok(taken.ptr)
    }

    /// Most bytes of the next run. While a cycle runs, or should, allocation pays and rests by the run; while it pays with marking, for no more
    /// than what one allocation may be charged with, so that the debt does not grow.
    fn run_bytes(&self) -> usize {
        let pace = &self.shared().pace;
        if self.mode.get() != Mode::Off {
            self.run_to_pay()
        } else if pace.is_triggered() || pace.is_above_ceiling() {
            Cache::SHORT_RUN
        } else {
            Cache::LONG_RUN
        }
    }

    /// Asks for a cycle if the trigger is reached and no cycle runs; takes its first step soon if no thread has by then.
    #[cold]
    pub(super) fn look_at_trigger(&self) {
        let shared = self.shared();
        let pace = &shared.pace;
        // Looked at again when the phase is known: a cycle may have ended since `place` did, and this one been set aside
        // meanwhile. A cycle that begins far below its trigger runs without assists, and ends with all the mutator could
        // allocate in its time counted as live.
        if shared.published.phase() == Phase::Idle && pace.is_triggered() {
            shared.driver.trigger_reached(shared);
            if pace.is_late() || shared.driver.is_inline() {
                self.record.word.set_step();
            }
        }
    }

    #[cold]
    pub(crate) fn out_of_memory(&self, error: greyset_alloc::OutOfMemory) -> OutOfMemory {
        let shared = self.shared();
        shared.stats.refusals.fetch_add(1, Ordering::Relaxed);
        shared.emit(&Event::LimitReached { kind: LimitKind::Hard, limit: error.limit, in_use: error.in_use });
        shared.driver.request_cycle(shared, Cause::Limit);
        let limit = (error.obstacle == Obstacle::Limit).then_some(error.limit);
        OutOfMemory { requested: error.requested as u64, limit, in_use: error.in_use }
    }

    /// Sweeps the pages that what was allocated owes, so that all is swept before the next cycle is due: [`SWEPT_AT_ONCE`] at most, the
    /// rest with the next run. What refills have swept is paid already.
    fn sweep_share(&self) {
        let shared = self.shared();
        let owed = self.sweep_debt.get() / 1024;
        let Ok(pages @ 1..) = usize::try_from(owed) else { return };
        let timer = shared.stats.clock.nanos();
        let reclaimer = shared.sweep.reclaimer(shared);
        let done = shared.alloc.sweep_some(Role::Mutator, pages.min(SWEPT_AT_ONCE), &reclaimer).pages;
        if done == 0 {
            // Others have what is left, or sweeping has not opened and nothing is owed yet.
            return self.sweep_debt.set(0);
        }
        let done = u32::try_from(done).unwrap_or(u32::MAX);
        self.has_swept(done, shared.stats.clock.nanos() - timer);
    }

    /// So many bytes were taken while sweeping is under way.
    fn owes_sweeping(&self, bytes: usize) {
        let owed = (bytes as f64 * self.shared().pace.sweep_ratio() * 1024.0) as i64;
        self.sweep_debt.set(self.sweep_debt.get().saturating_add(owed));
    }

    /// So many pages have been swept here in so many nanoseconds on the clock. Reading the processor's time would take as long as
    /// sweeping a page; what a page cannot have taken is another program's.
    fn has_swept(&self, pages: u32, ns: u64) {
        self.sweep_debt.set(self.sweep_debt.get().saturating_sub(1024 * i64::from(pages)));
        let most = Duration::from_micros(10 * u64::from(pages));
        self.shared().sweep.spent(Duration::from_nanos(ns).min(most));
    }
}

/// Waits for as long as a verifier takes that has been disturbed (`verify/rest.rs`); it waits for nobody.
#[cold]
#[inline(never)]
fn hold_still(shared: &Shared) {
    while shared.held_still.load(Ordering::Relaxed) {
        yield_now();
    }
}
