//! Answering handshakes: by the mutator at its safepoint, or by the collector in the stead of a parked one.
//!
//! In an answer a mutator holds no raw pointer. It hands its grey buffer over, takes the mode that is asked, and for
//! handshake 2 recolours, for handshake 3 flushes its runs. It waits for nobody, and the cost does not depend on the size
//! of the heap: at most one recolouring or flush of the runs in use.

use crate::barrier::{Mode, Segment, Shade};
use crate::cycle::{Request, Step};
use crate::heap::{Owner, Shared};
use crate::mutator::list::List;
use crate::mutator::word::ParkOutcome;
use crate::mutator::{Mutator, Record};
use crate::stats::thread_cpu_time;
use crate::zeal::Asks;
use greyset_alloc::Cache;
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, Point, fault, point, told};
use std::ptr;
use std::sync::Arc;

impl Request {
    /// The mode a handshake asks for; `None` for a round.
    pub(crate) fn mode(self) -> Option<Mode> {
        match self {
            Request::Both => Some(Mode::Both),
            Request::Deletion => Some(Mode::Deletion),
            Request::Round => None,
            Request::Off => Some(Mode::Off),
        }
    }
}

impl Mutator {
    /// A safepoint: the borrow proves that no `Gc` is alive. Answers what the collector asks.
    ///
    /// Cost: one relaxed load when nothing is asked. An answer takes a few hundred nanoseconds and waits for nobody.
    #[inline(always)]
    pub fn safepoint(&mut self) {
        if self.record.word.poll() {
            self.safepoint_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn safepoint_slow(&mut self) {
        let timer = thread_cpu_time();
        let step_due = self.record.word.take_step();
        if self.shared().zeal.asks(Asks::SAFEPOINTS) {
            self.zealous_safepoint();
        }
        match self.background() {
            Some(owner) => self.answer_and_advance(owner.shared()),
            None => {
                if step_due && self.shared().driver.is_inline() {
                    self.inline_step();
                }
                self.answer_if_asked();
            }
        }
        let spent = thread_cpu_time().saturating_sub(timer);
        self.shared().stats.safepoints.record_duration(spent);
    }

    /// Answers; having answered as the last one opens the way for the collector's next step, and if that is a short one, it
    /// is taken here. So a cycle need not wait for a thread to wake up between two handshakes.
    ///
    /// One step at a safepoint: what follows is done at the next. Nobody is woken: while a cycle runs the collector's thread
    /// looks by itself soon, and to wake it takes longer than all the rest.
    fn answer_and_advance(&mut self, shared: &Shared) {
        if self.record.word.is_asked() {
            self.answer(false);
        }
        // ORDERING: acquire, as in `Handshake::is_done`.
        if shared.pending.load(Ordering::Acquire) != 0 {
            return;
        }
        // Whoever holds it may have looked before the last answer came; see above.
        if let Some(mut collector) = shared.collector.try_lock()
            && collector.advance(shared) == Step::Worked
        {
            self.record.word.set_step();
        }
    }

    /// The heap, if it is driven by background threads.
    fn background(&self) -> Option<Arc<Owner>> {
        let driver = &self.shared().driver;
        (!driver.is_inline() && !driver.is_stepping()).then(|| Arc::clone(self.owner()))
    }

    /// Answers if there is a request.
    pub(crate) fn answer_if_asked(&mut self) {
        if self.record.word.is_asked() {
            self.answer(true);
        }
    }

    /// Answers the running handshake. No window is open (`&mut self`) and `ASKED` is set. With `wake` the last one to answer
    /// wakes the collector.
    pub(super) fn answer(&mut self, wake: bool) {
        point(Point::HandshakeAnswer);
        self.shared().zeal.jitter();
        let request = self.shared().published.request();
        self.close_window();
        self.hand_over(request);
        if let Some(mode) = request.mode() {
            self.record.set_mode(mode);
            self.take_mode(mode);
        }
        match request {
            Request::Both | Request::Round => {}
            Request::Deletion => self.recolour(),
            Request::Off if fault(Fault::NotFlushed) => {}
            Request::Off => self.flush_cache(),
        }
        self.record.word.answered();
        told(|| format!("has answered handshake {request:?}"));
        self.shared().one_answered(request, wake);
    }

    /// The window ends. If a guard of a `Lock` was forgotten in mode Both, what it left behind was not shaded: the running
    /// cycle must keep everything.
    fn close_window(&self) {
        if self.open.take_forgotten() && !fault(Fault::ForgottenGuardIgnored) {
            self.shared().trace_panicked.store(true, Ordering::Relaxed);
        }
        self.record.next_window();
    }

    /// Hands the grey buffer over; in a round, says whether this mutator was clean.
    fn hand_over(&mut self, request: Request) {
        if !fault(Fault::AnswerKeepsBuffer) {
            self.give_buffer();
        }
        let shared = self.owner.shared();
        if self.worked.replace(false) && request == Request::Round {
            // ORDERING: none needed: published by `one_answered` (acquire-release on `pending`).
            shared.dirty.store(true, Ordering::Relaxed);
        }
    }

    /// A buffer that holds anything goes to the global queue, and the running round is not clean.
    pub(crate) fn give_buffer(&self) {
        if let Some(segment) = self.take_buffer() {
            self.give(segment);
        }
    }

    /// What the buffer holds, if anything; it is empty then.
    pub(crate) fn take_buffer(&self) -> Option<Box<Segment>> {
        let mut buffer = self.buffer.borrow_mut();
        (!buffer.is_empty()).then(|| std::mem::replace(&mut *buffer, self.shared().queue.fresh()))
    }

    /// Pushes a segment to the global queue, which makes the running round not clean.
    pub(crate) fn give(&self, segment: Box<Segment>) {
        self.worked.set(true);
        let shared = self.shared();
        shared.queue.push(segment);
        shared.dirty.store(true, Ordering::Relaxed);
    }

    /// Takes over colours and barrier of a mode, as the cycle's published words say.
    pub(super) fn take_mode(&self, mode: Mode) {
        let published = &self.shared().published;
        if self.mode.replace(mode) != mode {
            // What one cycle left unpaid is no concern of the next, of which a parked mutator may have missed the beginning. Between
            // two modes of one cycle nothing is owed: marking is paid for in mode Deletion, sweeping in mode Off.
            self.debt.set(0);
            self.sweep_debt.set(0);
        }
        self.barrier.set(mode.barrier(self.ring.is_some()));
        self.shade.set(Shade::new(published.white()));
        self.colour.set(match mode {
            Mode::Off => published.live(),
            Mode::Both if fault(Fault::NewBlackInBoth) => published.white().other(),
            Mode::Both => published.white(),
            Mode::Deletion if fault(Fault::NewWhiteInDeletion) => published.white(),
            Mode::Deletion => published.white().other(),
        });
    }

    fn recolour(&mut self) {
        if fault(Fault::RunsNotRecoloured) {
            return;
        }
        point(Point::RunRecolour);
        // SAFETY: invariant 1 of `Mutator`; the window is closed but the mutator is not parked.
        let cache = unsafe { self.cache.get().as_ref() };
        let left = cache.reserved_bytes() as u64;
        self.shared().pace.recoloured.fetch_add(left, Ordering::Relaxed);
        cache.recolour(&self.shared().alloc, self.colour.get());
    }

    pub(super) fn flush_cache(&mut self) {
        // SAFETY: as in `recolour`.
        let cache = unsafe { self.cache.get().as_ref() };
        let _changing = self.record.changing();
        flush(self.shared(), cache);
    }

    /// Leaves the window: hands over the buffer, leaves the cache for the collector, parks. Answers first if asked.
    pub(super) fn park(&mut self) {
        point(Point::Park);
        self.shared().zeal.jitter();
        loop {
            if !fault(Fault::ParkKeepsBuffer) && !fault(Fault::DetachKeepsBuffer) {
                self.give_buffer();
            }
            self.close_window();
            let other = self.record.swap_cache(self.cache.get().as_ptr());
            if !other.is_null() {
                let _changing = self.record.changing();
                retire_cache(self.shared(), other);
            }
            match self.record.word.park(self.worked.get() && !fault(Fault::ParkForgetsWork)) {
                ParkOutcome::Parked => {
                    self.worked.set(false);
                    return;
                }
                ParkOutcome::AnswerFirst => {
                    self.fetch_cache();
                    self.answer(true);
                }
            }
        }
    }

    /// Opens a window: never waits. Takes over what the collector left, answers if it has not been answered for.
    pub(super) fn unpark(&mut self) {
        point(Point::Unpark);
        self.shared().zeal.jitter();
        let unparked = self.record.word.unpark();
        self.worked.set(unparked.worked);
        self.fetch_cache();
        if !fault(Fault::UnparkKeepsMode) {
            self.take_mode(self.record.mode());
        }
        if fault(Fault::ParkedRunsLate) {
            self.recolour();
        }
        if unparked.asked {
            self.answer(true);
        }
    }

    /// Takes the cache back, or a new one if the collector has it just now.
    fn fetch_cache(&mut self) {
        let cache = ptr::NonNull::new(self.record.swap_cache(ptr::null_mut()));
        self.cache.set(cache.unwrap_or_else(|| new_cache(self.shared())));
    }
}

/// A boxed cache as a pointer.
pub(super) fn new_cache(shared: &Shared) -> ptr::NonNull<Cache> {
    #[cfg(all(test, not(loom)))]
    tests::CACHES.set(tests::CACHES.get() + 1);
    ptr::NonNull::from(Box::leak(Box::new(Cache::new(&shared.alloc))))
}

/// Frees a cache that has been flushed; null is none.
pub(super) fn drop_cache(cache: *mut Cache) {
    if !cache.is_null() {
        #[cfg(all(test, not(loom)))]
        tests::CACHES.set(tests::CACHES.get() - 1);
        // SAFETY: caches are made by `new_cache` and travel by pointer; whoever swapped this one out owns it.
        drop(unsafe { Box::from_raw(cache) });
    }
}

/// Returns all runs and spans of a cache and accounts for what comes back.
pub(super) fn flush(shared: &Shared, cache: &Cache) {
    point(Point::RunFlush);
    let objects = cache.reserved_slots(&shared.alloc);
    let bytes = cache.flush(&shared.alloc);
    shared.account_returned(bytes, objects);
}

/// Takes the cache out that a mutator left when it parked, flushes it and puts it back, or frees it if the mutator has taken
/// another one meanwhile.
fn flush_parked(shared: &Shared, record: &Record) {
    let cache = record.swap_cache(ptr::null_mut());
    if !cache.is_null() {
        // SAFETY: swapped out, so it is ours alone (Record, column "collector").
        flush(shared, unsafe { &*cache });
        if !record.put_back(cache) {
            drop_cache(cache);
        }
    }
}

/// Shows the caches of all parked mutators, to the verifier, as they are. The caller holds the collector's lock: no handshake is
/// asked meanwhile, over which a cache must not be left as it is.
pub(crate) fn with_parked_caches(shared: &Shared, list: &List, mut look: impl FnMut(&Record, &Cache)) {
    for record in list.records() {
        let cache = record.swap_cache(ptr::null_mut());
        if cache.is_null() {
            continue;
        }
        // SAFETY: swapped out, so it is ours alone.
        look(record, unsafe { &*cache });
        let back = record.put_back(cache);
        if back && record.word.is_parked() {
            // It finds the cache there when it unparks.
            continue;
        }
        // The mutator runs, or has run, with another one. This one it takes when it parks, if we do not before.
        retire_cache(shared, if back { record.swap_cache(ptr::null_mut()) } else { cache });
    }
}

/// Flushes and frees a cache in whose place the mutator has taken another; null is none.
pub(super) fn retire_cache(shared: &Shared, cache: *mut Cache) {
    if !cache.is_null() {
        // SAFETY: as in `drop_cache`; nobody else has it.
        flush(shared, unsafe { &*cache });
        drop_cache(cache);
    }
}

/// Collector: answers in the stead of a parked mutator, completely, unless it unparks meanwhile and answers itself.
pub(crate) fn answer_for(shared: &Shared, record: &Record, request: Request) {
    point(Point::HandshakeAnswer);
    shared.zeal.jitter();
    match request {
        Request::Both | Request::Round => {}
        Request::Deletion if fault(Fault::ParkedRunsKept) => {}
        Request::Deletion | Request::Off if fault(Fault::ParkedRunsLate) => {}
        // The runs of a parked mutator go back rather than being recoloured: it may stay parked for long.
        Request::Deletion | Request::Off => {
            flush_parked(shared, record);
        }
    }
    let worked = record.word.parked_worked();
    // If the mutator unparks before the compare-and-swap below, it answers the same request itself before it opens its
    // window, so that it never runs in a mode it has not answered for.
    if let Some(mode) = request.mode() {
        record.set_mode(mode);
    }
    if worked && request == Request::Round {
        // ORDERING: none needed: published by `one_answered`.
        shared.dirty.store(true, Ordering::Relaxed);
    }
    if record.word.answer_parked() {
        told(|| format!("has answered handshake {request:?} for a parked mutator"));
        shared.one_answered(request, true);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Driver, Heap};
    use std::cell::Cell;

    thread_local! {
        /// Caches made on this thread less those freed on it.
        pub(super) static CACHES: Cell<isize> = const { Cell::new(0) };
    }

    /// The steps of `flush_parked`, with a whole detach between the first and the last.
    #[test]
    fn a_cache_put_back_after_its_mutator_has_gone_is_freed() {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let shared = heap.owner().shared();
        let handle = heap.mutator();
        let record = Arc::clone(&shared.mutators.lock().records()[0]);
        let cache = record.swap_cache(ptr::null_mut());
        drop(handle);
        assert_eq!(CACHES.get(), 1, "the mutator has made another one and freed that");
        assert!(record.put_back(cache));
        drop(record);
        assert_eq!(CACHES.get(), 0);
    }
}
