//! The marker: one readable loop that turns grey objects black.
//!
//! 1. Pop an address from the stack, prefetch the object, put it into the ring.
//! 2. Take the oldest of the ring and scan it: for each reference, shade; what was white goes on the stack.
//! 3. When stack and ring are empty: a chunk of the root table, the own deque, the global queue, another marker's deque.
//!
//! The stack is a segment of its own plus a deque of full ones that others steal from. Large arrays are scanned part by part:
//! the rest goes back on the stack as an address with its lowest bit set. The same loop runs on marker threads, in
//! assists and under the stepping driver; it never waits and never changes a phase.

use crate::barrier::{Segment, Shade, Shaded};
use crate::heap::Shared;
use crate::mark::counters::MarkCounters;
use crate::mark::kernel::{Kernel, OFFSETS, for_each_word, load_word, prefetch, type_of};
use crate::trace::{EdgeSink, EphemeronTable, GcType, Outcome, Purpose, Rows, Shape, Tracer};
use crossbeam_deque::{Stealer, Worker};
use greyset_alloc::View;
use greyset_sync::atomic::{AtomicU8, Ordering};
use greyset_sync::{Fault, Point, fault, point, tiny};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// Objects prefetched ahead of their scan.
const RING: usize = 16;
/// References whose colour bytes are fetched ahead of the test.
const MEETINGS: usize = 8;
/// Elements of an array scanned at a time.
const ROWS_AT_ONCE: usize = 1024;
/// Tag of an address that stands for the rest of an array.
const REST: usize = 1;

/// Whether a marker has anything left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Progress {
    /// The budget was used up; there may be more.
    More,
    /// Nothing to do anywhere.
    Empty,
}

/// A stack of grey objects and the loop that empties it.
pub(crate) struct Marker {
    top: Box<Segment>,
    deque: Worker<Box<Segment>>,
    #[allow(clippy::vec_box, reason = "segments travel boxed: 4 KiB each")]
    spare: Vec<Box<Segment>>,
    /// References met and not followed yet: their colour bytes are on the way. 0 is an empty place.
    met: [usize; MEETINGS],
    next: usize,
    /// Objects prefetched and not scanned yet; 0 is an empty place.
    ring: [usize; RING],
    head: usize,
    kernel: Kernel,
    busy: bool,
    shade: Shade,
    cycle: u32,
    /// What it did since the last flush.
    pub(crate) counters: MarkCounters,
    deferred: Vec<usize>,
}

impl Marker {
    /// A marker with nothing to do.
    pub(crate) fn new() -> Marker {
        Marker {
            top: Segment::new(),
            deque: Worker::new_lifo(),
            spare: Vec::new(),
            met: [0; MEETINGS],
            next: 0,
            ring: [0; RING],
            head: 0,
            kernel: Kernel::NONE,
            busy: false,
            shade: Shade::new(greyset_alloc::Colour::A),
            cycle: 0,
            counters: MarkCounters::default(),
            deferred: Vec::new(),
        }
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
    /// anyone is busy, so one of the two sees the other.
    pub(crate) fn run(&mut self, shared: &Shared, budget: usize) -> Progress {
        let fresh = self.start(shared);
        if fresh && !shared.published.tracing() {
            return self.stop(shared);
        }
        self.work(shared, budget)
    }

    /// As [`Marker::run`], for the collector itself in phase Clear, when tracing is closed to everybody else.
    pub(crate) fn run_in_clear(&mut self, shared: &Shared, budget: usize) -> Progress {
        let _ = self.start(shared);
        self.work(shared, budget)
    }

    /// Counts as busy; true if it did not before, and so has nothing in its hands.
    fn start(&mut self, shared: &Shared) -> bool {
        let fresh = !self.busy;
        if fresh {
            self.busy = true;
            let early = if fault(Fault::MarkerBusyLate) { shared.queue.take(&self.deque) } else { None };
            shared.queue.become_busy();
            self.tune(shared);
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
            left -= self.drain(shared, left);
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
    /// For an assist: the caller's buffer has been pushed to the queue or given as `own`.
    pub(crate) fn assist(&mut self, shared: &Shared, own: Option<Box<Segment>>, bytes: u64) -> u64 {
        self.tune(shared);
        if let Some(own) = own {
            self.retire_top(shared);
            self.top = own;
        }
        let mut done = 0;
        while done < bytes {
            let before = self.counters.scanned;
            let scanned = self.drain(shared, 64);
            done += self.counters.scanned - before;
            if scanned < 64 && !self.top_from_queue(shared) {
                break;
            }
        }
        self.hand_back(shared);
        self.counters.flush(shared);
        done
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
        self.follow_met(shared.space().view());
        for item in std::mem::replace(&mut self.ring, [0; RING]) {
            if item != 0 {
                self.push(item);
            }
        }
        self.retire_top(shared);
        while let Some(segment) = self.deque.pop() {
            shared.queue.push(segment);
        }
        self.report_deferred(shared);
    }

    /// Whether anything has turned black since the counters were flushed and the stack was empty.
    pub(crate) fn has_found(&self) -> bool {
        self.counters.objects > 0 || !self.top.is_empty() || !self.deque.is_empty()
    }

    fn retire_top(&mut self, shared: &Shared) {
        if !self.top.is_empty() {
            let fresh = self.spare.pop().unwrap_or_else(Segment::new);
            shared.queue.push(std::mem::replace(&mut self.top, fresh));
        }
    }

    fn recycle_top(&mut self, segment: Box<Segment>) {
        let empty = std::mem::replace(&mut self.top, segment);
        if self.spare.len() < 8 {
            self.spare.push(empty);
        }
    }

    fn report_deferred(&mut self, shared: &Shared) {
        if !self.deferred.is_empty() {
            shared.queue.defer(&mut self.deferred);
        }
    }

    /// Step 3: work from elsewhere. False when there is none.
    fn find_work(&mut self, shared: &Shared) -> bool {
        self.report_deferred(shared);
        if let Some(segment) = self.deque.pop() {
            self.recycle_top(segment);
            return true;
        }
        if let Some(chunk) = shared.root_cursor.take() {
            let view = shared.space().view();
            shared.roots.for_each_in(chunk, |_, addr| self.mark(view, addr));
            shared.root_cursor.finish();
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

    /// Steps 1 and 2, for at most `limit` objects; returns how many were scanned. Less than `limit` only when stack and ring
    /// are empty.
    fn drain(&mut self, shared: &Shared, limit: usize) -> usize {
        let view = shared.space().view();
        let (mut scanned, mut empty) = (0, 0);
        while scanned < limit {
            let fresh = self.pop().unwrap_or(0);
            prefetch(fresh);
            let item = std::mem::replace(&mut self.ring[self.head % RING], fresh);
            self.head = self.head.wrapping_add(1);
            if item == 0 {
                empty = if fresh == 0 { empty + 1 } else { 0 };
                if empty == RING {
                    if self.follow_met(view) {
                        empty = 0;
                        continue;
                    }
                    break;
                }
                continue;
            }
            empty = 0;
            point(Point::Scan);
            self.scan(shared, view, item);
            scanned += 1;
            if scanned % tiny(64, 2) == 0 && shared.queue.anyone_hungry() {
                self.share(shared);
            }
        }
        scanned
    }

    /// Marks all that has been met. True if that gave something to scan.
    fn follow_met(&mut self, view: View<'_>) -> bool {
        for addr in std::mem::replace(&mut self.met, [0; MEETINGS]) {
            if addr != 0 {
                self.mark(view, addr);
            }
        }
        !self.top.is_empty()
    }

    /// Gives half of the stack to whoever is hungry: the older half, from which more can be reached.
    fn share(&mut self, shared: &Shared) {
        if let Some(full) = self.deque.pop() {
            shared.queue.share(full);
        } else if self.top.len() >= 2 {
            shared.queue.share(self.top.split());
        }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<usize> {
        match self.top.pop() {
            Some(item) => Some(item),
            None => {
                let segment = self.deque.pop()?;
                self.recycle_top(segment);
                self.top.pop()
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, item: usize) {
        if !self.top.push(item) {
            self.push_slow(item);
        }
    }

    #[cold]
    fn push_slow(&mut self, item: usize) {
        let fresh = self.spare.pop().unwrap_or_else(Segment::new);
        let full = std::mem::replace(&mut self.top, fresh);
        self.deque.push(full);
        let pushed = self.top.push(item);
        debug_assert!(pushed, "a fresh segment has room");
    }

    /// Shades the object `addr` lies in; what was white and can hold references goes on the stack.
    #[inline(always)]
    pub(crate) fn mark(&mut self, view: View<'_>, addr: usize) {
        match self.shade.shade(view, addr) {
            Shaded::Already => {}
            Shaded::Leaf { size } => {
                self.counters.objects += 1;
                self.counters.bytes += size as u64;
            }
            Shaded::Grey { base } => self.push(base),
        }
    }

    #[inline(always)]
    fn scan(&mut self, shared: &Shared, view: View<'_>, item: usize) {
        let page = view.page(item);
        if page.kind() != self.kernel.kind || item & REST != 0 {
            return self.scan_slow(shared, view, item);
        }
        self.scan_words(view, item);
    }

    /// An object of the kernel's class.
    #[inline(always)]
    fn scan_words(&mut self, view: View<'_>, item: usize) {
        self.counters.scan(self.kernel.size);
        for at in 0..self.kernel.words {
            let offset = self.kernel.offsets[at % OFFSETS];
            // SAFETY: `item` is the base of a live object of the kernel's class: it was reached over a reference and shaded. The
            // offsets name its reference words.
            let child = unsafe { load_word(item + offset as usize) };
            if child != 0 {
                self.meet(view, child);
            }
        }
    }

    /// Fetches the colour byte of an object met in a scan, and marks the one met [`MEETINGS`] before it.
    #[inline(always)]
    fn meet(&mut self, view: View<'_>, addr: usize) {
        let page = view.page(addr);
        let colour: *const AtomicU8 = view.colour_at(page, addr);
        prefetch(colour.addr());
        let earlier = std::mem::replace(&mut self.met[self.next % MEETINGS], addr);
        self.next = self.next.wrapping_add(1);
        if earlier != 0 {
            self.mark(view, earlier);
        }
    }

    /// An object of another class than the one before, or one that is not scanned by fixed offsets.
    #[inline(never)]
    fn scan_slow(&mut self, shared: &Shared, view: View<'_>, item: usize) {
        if item & REST != 0 {
            return self.scan_rest(shared, view, item & !REST);
        }
        let page = view.page(item);
        let ty = type_of(view.space().class(page));
        let size = crate::barrier::size_of_object(view.space(), page);
        if let Shape::Words(words) = &ty.shape {
            self.kernel = Kernel::new(page, size, words);
            return self.scan_words(view, item);
        }
        self.counters.scan(size);
        match &ty.shape {
            Shape::Leaf | Shape::Words(_) => {}
            Shape::Rows(rows) => self.scan_rows(shared, view, ty, rows, item, 0),
            Shape::Call => self.call(shared, ty, item, 0..0),
        }
    }

    /// The rest of an array, from the row at `at`.
    #[cold]
    fn scan_rest(&mut self, shared: &Shared, view: View<'_>, at: usize) {
        let page = view.page(at);
        let base = view.space().base_of(page, at);
        let ty = type_of(view.space().class(page));
        if let Shape::Rows(rows) = &ty.shape {
            let first = (at - base - rows.header as usize) / rows.stride as usize;
            self.scan_rows(shared, view, ty, rows, base, first);
        }
    }

    fn scan_rows(
        &mut self,
        shared: &Shared,
        view: View<'_>,
        ty: &'static GcType,
        rows: &Rows,
        base: usize,
        first: usize,
    ) {
        // SAFETY: the first word of an array object is its length, written before the object is reachable.
        let len = unsafe { load_word(base) };
        let end = len.min(first + ROWS_AT_ONCE);
        let address = |row: usize| base + rows.header as usize + row * rows.stride as usize;
        if end < len {
            self.push(address(end) | REST);
        }
        match &rows.words {
            Some(words) => {
                for row in first..end {
                    // SAFETY: rows below `len` are live values with these words.
                    unsafe { for_each_word(words, address(row), |child| self.mark(view, child)) };
                }
            }
            None => self.call(shared, ty, base, first..end),
        }
    }

    /// Runs the type's own `trace`. A panic in it gives the cycle up; a taken lock puts the object off.
    #[inline(never)]
    fn call(&mut self, shared: &Shared, ty: &'static GcType, base: usize, rows: std::ops::Range<usize>) {
        let purpose = Purpose::Mark { cycle: self.cycle };
        let mut sink = MarkSink { marker: self, shared };
        let traced = catch_unwind(AssertUnwindSafe(|| {
            Tracer::run(&mut sink, purpose, |tracer| {
                let object = std::ptr::with_exposed_provenance::<u8>(base);
                // SAFETY: `base` is a live object of type `ty` (reached and shaded), in a window of the collector: its slot
                // is not reused before the next sweep.
                unsafe { (ty.trace)(object, rows, tracer) }
            })
        }));
        match traced {
            Ok(Outcome::Complete) => {}
            Ok(Outcome::Deferred) => self.deferred.push(base),
            // ORDERING: none needed: read under the cycle lock after the markers went idle (SeqCst in `GreyQueue`).
            Err(_) => shared.trace_panicked.store(true, Ordering::Relaxed),
        }
    }
}

impl Marker {
    /// A sink that marks, for tables of ephemerons.
    pub(crate) fn sink<'a>(&'a mut self, shared: &'a Shared) -> MarkSink<'a> {
        MarkSink { marker: self, shared }
    }
}

/// Where `trace` calls of a marker report to.
pub(crate) struct MarkSink<'a> {
    marker: &'a mut Marker,
    shared: &'a Shared,
}

impl EdgeSink for MarkSink<'_> {
    fn edges(&mut self, addresses: &[usize]) {
        let view = self.shared.space().view();
        for &addr in addresses {
            self.marker.mark(view, addr);
        }
    }

    fn stamp_is_live(&self, stamp: crate::handle::Stamp) -> bool {
        self.shared.mutators.stamp_is_live(stamp)
    }

    fn ephemeron_table(&mut self, table: NonNull<dyn EphemeronTable>) {
        self.shared.ephemerons.register(table);
    }
}
