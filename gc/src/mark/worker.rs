//! The marker: the stack of grey objects, and where more come from.
//!
//! 1. Objects from the stack are scanned in batches (`scan`); what was white goes on the stack.
//! 2. When the stack is empty: the own deque, a chunk of the root table, the global queue, another marker's deque.
//!
//! The stack is a segment of its own plus a deque of full ones that others steal from. Large arrays are scanned part by part:
//! the rest goes back on the stack ([`Grey::rest`]). The same loop runs on marker threads, in
//! assists and under the stepping driver; it never waits and never changes a phase.

use crate::barrier::{Grey, Segment, Shade};
use crate::heap::Shared;
use crate::mark::counters::MarkCounters;
use crate::mark::kernel::Kernels;
use crossbeam_deque::{Stealer, Worker};
use greyset_sync::{Fault, Point, fault, point};

/// Objects an assist scans between looks at how much it has done and how long it took: some µs if each is a miss of the caches.
const ASSIST_STEP: usize = 64;
/// Elements of an array scanned at a time: so many references that others find enough to take.
const ROWS_AT_ONCE: usize = 1024;
/// The same in an assist: some 10 us if each is a miss of the caches.
const ROWS_IN_ASSIST: usize = 256;
/// Empty segments a marker keeps for itself.
const SPARES: usize = 8;

/// Whether a marker has anything left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Progress {
    /// The budget was used up; there may be more.
    More,
    /// Nothing to do anywhere.
    Empty,
}

/// What an assist did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) struct Assisted {
    /// Bytes of the objects scanned.
    pub(crate) bytes: u64,
    /// Whether it has had grey objects in its hands.
    pub(crate) took: bool,
    /// Whether it ended because its time was up.
    pub(crate) late: bool,
}

/// A stack of grey objects and the loop that empties it.
pub(crate) struct Marker {
    pub(super) top: Box<Segment>,
    deque: Worker<Box<Segment>>,
    #[allow(clippy::vec_box, reason = "segments travel boxed: 4 KiB each")]
    spare: Vec<Box<Segment>>,
    pub(super) kernels: Kernels,
    busy: bool,
    pub(super) shade: Shade,
    pub(super) cycle: u32,
    /// Elements of an array that it scans at a time.
    pub(super) rows_at_once: usize,
    /// Elements scanned in this turn of the loop.
    pub(super) rows_scanned: usize,
    /// What it did since the last flush.
    pub(crate) counters: MarkCounters,
    pub(super) deferred: Vec<Grey>,
}

impl Marker {
    /// A marker with nothing to do.
    pub(crate) fn new() -> Marker {
        Marker {
            top: Segment::new(),
            deque: Worker::new_lifo(),
            spare: Vec::new(),
            kernels: Kernels::new(),
            busy: false,
            shade: Shade::new(greyset_alloc::Colour::A),
            cycle: 0,
            rows_at_once: ROWS_AT_ONCE,
            rows_scanned: 0,
            counters: MarkCounters::default(),
            deferred: Vec::new(),
        }
    }

    /// A marker for the assists of a mutator, which looks at the clock more often.
    pub(crate) fn for_assists() -> Marker {
        Marker { rows_at_once: ROWS_IN_ASSIST, ..Marker::new() }
    }

    /// The half of its deque that others steal from.
    pub(crate) fn stealer(&self) -> Stealer<Box<Segment>> {
        self.deque.stealer()
    }

    /// Takes over the colours of the running cycle.
    pub(crate) fn tune(&mut self, shared: &Shared) {
        self.shade = Shade::new(shared.published.white());
        self.cycle = shared.published.cycle();
    }

    /// Scans up to `budget` objects, taking work wherever there is some. After `Empty` it counts as idle.
    ///
    /// Only while tracing is open. A thread that comes late, when marking has ended or before the next one has begun, takes
    /// nothing: it counts as busy before it looks whether tracing is open, and Decide closes tracing before it looks whether
    /// anyone is busy, so one of the two sees the other. Only then does it take over the colours: it may have slept until
    /// the next cycle traces, and with the colours of the one before it would take white for black.
    pub(crate) fn run(&mut self, shared: &Shared, budget: usize) -> Progress {
        if self.start(shared) {
            if fault(Fault::LateTunedFirst) {
                self.tune(shared);
                point(Point::QueueLook);
            }
            if !shared.published.tracing() && !fault(Fault::LateBlind) {
                return self.stop(shared);
            }
            if !fault(Fault::LateTunedFirst) {
                self.tune(shared);
            }
        }
        self.work(shared, budget)
    }

    /// As [`Marker::run`], for the collector itself in phase Clear, when tracing is closed to everybody else.
    pub(crate) fn run_in_clear(&mut self, shared: &Shared, budget: usize) -> Progress {
        if self.start(shared) {
            self.tune(shared);
        }
        self.work(shared, budget)
    }

    /// Counts as busy; true if it did not before, and so has nothing in its hands.
    fn start(&mut self, shared: &Shared) -> bool {
        let fresh = !self.busy;
        if fresh {
            self.busy = true;
            let early = if fault(Fault::MarkerBusyLate) { shared.queue.take(&self.deque) } else { None };
            shared.queue.become_busy();
            if let Some(segment) = early {
                self.recycle_top(segment);
            }
        }
        fresh
    }

    /// Nothing is left, in hands or deque.
    fn stop(&mut self, shared: &Shared) -> Progress {
        self.counters.flush_as_credit(shared);
        self.busy = false;
        shared.queue.become_idle();
        Progress::Empty
    }

    fn work(&mut self, shared: &Shared, budget: usize) -> Progress {
        let mut left = budget;
        loop {
            left = left.saturating_sub(self.drain(shared, left));
            if left == 0 {
                self.counters.flush_as_credit(shared);
                if fault(Fault::MarkerIdleEarly) {
                    let _ = self.stop(shared);
                }
                return Progress::More;
            }
            if !self.find_work(shared) {
                break;
            }
        }
        self.stop(shared)
    }

    /// Scans until at least `bytes` of objects have been scanned or the queue is empty, then hands everything back.
    /// For an assist of so many bytes, or until the heap's clock is at `until`: `own` is what the caller's buffer held.
    pub(crate) fn assist(
        &mut self,
        shared: &Shared,
        own: Option<Box<Segment>>,
        bytes: u64,
        until: u64,
    ) -> Assisted {
        self.tune(shared);
        // Counts as busy: else the collector would take what is in these hands for nothing, ask a round and find it dirty.
        shared.queue.become_busy();
        let mut assisted = Assisted { bytes: 0, took: own.is_some(), late: false };
        if let Some(own) = own {
            self.retire_top(shared);
            self.recycle_top(own);
        }
        while assisted.bytes < bytes && !assisted.late {
            let before = self.counters.scanned;
            let scanned = self.drain(shared, ASSIST_STEP);
            assisted.bytes += self.counters.scanned - before;
            if scanned < ASSIST_STEP {
                // Roots too: the threads may not have woken up yet, and until somebody has begun there is nothing to pop.
                if !self.top_from_queue(shared) && !self.roots(shared) {
                    break;
                }
                assisted.took = true;
            }
            assisted.late = shared.stats.clock.nanos() >= until;
        }
        self.hand_back(shared);
        self.counters.flush(shared);
        shared.queue.become_idle();
        assisted
    }

    /// Shades a chunk of the root table. False if all are taken.
    fn roots(&mut self, shared: &Shared) -> bool {
        let Some(chunk) = shared.root_cursor.take() else { return false };
        let view = shared.space().view();
        shared.roots.for_each_in(chunk, |_, addr| self.mark(view, addr));
        shared.root_cursor.finish();
        true
    }

    fn top_from_queue(&mut self, shared: &Shared) -> bool {
        match shared.queue.take_one() {
            Some(segment) => {
                self.recycle_top(segment);
                true
            }
            None => false,
        }
    }

    /// Everything still grey goes to the global queue.
    pub(crate) fn hand_back(&mut self, shared: &Shared) {
        self.retire_top(shared);
        while let Some(segment) = self.deque.pop() {
            shared.queue.push(segment);
        }
        self.report_deferred(shared);
        self.pass_spares_on(shared);
    }

    /// Goes, perhaps in the middle of its work: what it has goes to the others, and it counts as idle.
    pub(crate) fn leave(&mut self, shared: &Shared) {
        if self.busy {
            self.hand_back(shared);
            let _ = self.stop(shared);
        }
    }

    /// Whether anything has turned black since the counters were flushed and the stack was empty.
    pub(crate) fn has_found(&self) -> bool {
        self.counters.objects > 0 || self.has_items()
    }

    fn retire_top(&mut self, shared: &Shared) {
        if !self.top.is_empty() {
            let fresh = self.spare.pop().unwrap_or_else(Segment::new);
            shared.queue.push(std::mem::replace(&mut self.top, fresh));
        }
    }

    /// Goes on with `segment`; the one before is empty.
    fn recycle_top(&mut self, segment: Box<Segment>) {
        self.spare.push(std::mem::replace(&mut self.top, segment));
    }

    /// Leaves empty segments to the mutators, but for a few.
    fn pass_spares_on(&mut self, shared: &Shared) {
        let surplus = self.spare.len().saturating_sub(SPARES);
        self.spare.drain(..surplus).for_each(|empty| shared.queue.recycle(empty));
    }

    fn report_deferred(&mut self, shared: &Shared) {
        if !self.deferred.is_empty() {
            shared.queue.defer(&mut self.deferred);
        }
    }

    /// Step 2: work from elsewhere. False when there is none.
    fn find_work(&mut self, shared: &Shared) -> bool {
        self.report_deferred(shared);
        self.pass_spares_on(shared);
        if let Some(segment) = self.deque.pop() {
            self.recycle_top(segment);
            return true;
        }
        if self.roots(shared) {
            return true;
        }
        match shared.queue.take(&self.deque) {
            Some(segment) => {
                self.recycle_top(segment);
                true
            }
            None => false,
        }
    }

    /// Gives half of the stack to whoever is hungry: the older half, from which more can be reached.
    pub(super) fn share(&mut self, shared: &Shared) {
        if let Some(full) = self.deque.pop() {
            shared.queue.share(full);
        } else if self.top.len() >= 2 {
            shared.queue.share(self.top.split());
        }
    }

    /// Takes at most `most` objects from the stack; `None` if it is empty.
    #[inline(always)]
    pub(super) fn pop_many(&mut self, most: usize) -> Option<&[Grey]> {
        if self.top.is_empty() {
            let segment = self.deque.pop()?;
            self.recycle_top(segment);
        }
        Some(self.top.pop_many(most))
    }

    #[inline(always)]
    pub(super) fn push(&mut self, item: Grey) {
        if !self.top.push(item) {
            self.push_slow(item);
        }
    }

    #[cold]
    fn push_slow(&mut self, item: Grey) {
        self.make_room();
        let pushed = self.top.push(item);
        debug_assert!(pushed, "there is room now");
    }

    /// Sees to it that the top segment is not full.
    #[inline(always)]
    pub(super) fn make_room(&mut self) {
        if self.top.is_full() {
            self.retire_full();
        }
    }

    #[cold]
    fn retire_full(&mut self) {
        let fresh = self.spare.pop().unwrap_or_else(Segment::new);
        let full = std::mem::replace(&mut self.top, fresh);
        self.deque.push(full);
    }

    /// Whether the stack holds anything.
    pub(super) fn has_items(&self) -> bool {
        !self.top.is_empty() || !self.deque.is_empty()
    }
}
