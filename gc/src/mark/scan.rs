//! The marker's loop, and how one object is scanned.
//!
//! Nothing here waits for memory if it can be helped: the objects of a batch are fetched when they are popped and scanned a
//! turn later; the colour bytes of the references met in a turn are fetched then and tested in the next one. Both lists live
//! in the frame of the loop and are empty outside of it (the two-stage prefetch of MMTk's and OCaml 5's markers).

use crate::barrier::{Shade, Shaded};
use crate::heap::Shared;
use crate::mark::Marker;
use crate::mark::counters::MarkCounters;
use crate::mark::kernel::{Kernel, for_each_word, load_word, prefetch, type_of};
use crate::trace::{EdgeSink, EphemeronTable, GcType, Outcome, Purpose, Rows, Shape, Tracer, Words};
use greyset_alloc::{SpanFlags, View};
use greyset_sync::atomic::{AtomicU8, Ordering};
use greyset_sync::{Point, point, tiny};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// Objects taken from the stack in one turn of the loop.
const BATCH: usize = 32;
/// Room for the references of a batch: a power of two, so that an index is masked instead of checked.
const ROOM: usize = (BATCH * Words::MAX).next_power_of_two();
/// Elements of an array scanned at a time.
const ROWS_AT_ONCE: usize = 1024;
/// Tag of an address that stands for the rest of an array.
const REST: usize = 1;
/// Tag of a reference met that leads to an object without references.
const LEAF: usize = 1;

/// References met, each with what it leads to: the object, tagged [`LEAF`] if it is one, and its colour byte.
struct Met<'a> {
    bases: [usize; ROOM],
    colours: [&'a AtomicU8; ROOM],
    len: usize,
}

impl Marker {
    /// Scans at most `limit` objects, rounded up to whole batches; returns how many. Less than `limit` only when the stack is
    /// empty.
    pub(super) fn drain(&mut self, shared: &Shared, limit: usize) -> usize {
        let view = shared.space().view();
        let none = AtomicU8::new(0);
        let mut met = Met { bases: [0; ROOM], colours: [&none; ROOM], len: 0 };
        let mut children = [0; ROOM];
        let mut batch = [0; BATCH];
        let mut held = self.fetch(&mut batch);
        let mut scanned = 0;
        while held > 0 || met.len > 0 {
            let found = self.scan(shared, view, &batch[..held], &mut children);
            scanned += held;
            self.follow(view, &met);
            held = if scanned < limit { self.fetch(&mut batch) } else { 0 };
            meet(view, &children[..found], &mut met);
            if shared.queue.anyone_hungry() {
                self.share(shared);
            }
        }
        self.kernels.count(&mut self.counters);
        scanned
    }

    /// Takes a batch from the stack and has its objects fetched; returns how many.
    #[inline(always)]
    fn fetch(&mut self, batch: &mut [usize; BATCH]) -> usize {
        let mut held = 0;
        while held < tiny(BATCH, 1) {
            let Some(items) = self.pop_many(tiny(BATCH, 1) - held) else { break };
            for (place, &item) in batch[held..].iter_mut().zip(items) {
                prefetch(item);
                *place = item;
            }
            held += items.len();
        }
        held
    }

    /// Puts the references of a batch of objects into `children`; returns how many there are.
    #[inline(never)]
    fn scan(
        &mut self,
        shared: &Shared,
        view: View<'_>,
        batch: &[usize],
        children: &mut [usize; ROOM],
    ) -> usize {
        let mut found = 0;
        for &item in batch {
            point(Point::Scan);
            let kind = view.kind(item);
            if self.kernels.of(kind).is_none() && !self.scan_slow(shared, item) {
                continue;
            }
            let Some(kernel) = self.kernels.of(kind) else { continue };
            kernel.scanned += 1;
            let mut meet = |offset: u16| {
                // SAFETY: `item` is the base of a live object of the kernel's class: it was reached over a reference and shaded.
                // The offsets name its reference words. (Rests of arrays have no kernel.)
                let child = unsafe { load_word(item + offset as usize) };
                // SAFETY: a batch has at most `BATCH` objects of at most `Words::MAX` words each, and `ROOM` holds as many.
                let place = unsafe { children.get_unchecked_mut(found) };
                // A null is overwritten by the next: whether there is one is anybody's guess, and a branch would be one.
                *place = child;
                found += usize::from(child != 0);
            };
            let (pairs, last) = kernel.offsets();
            for &[first, second] in pairs {
                meet(first);
                meet(second);
            }
            if let Some(last) = last {
                meet(last);
            }
        }
        found
    }

    /// Marks what was met a turn ago.
    #[inline(always)]
    fn follow(&mut self, view: View<'_>, met: &Met<'_>) {
        let (mut bases, mut colours) = (&met.bases[..met.len % ROOM], &met.colours[..met.len % ROOM]);
        while !bases.is_empty() {
            self.make_room();
            let Marker { top, counters, shade, .. } = self;
            let room = top.room();
            let now = room.len().min(bases.len());
            let (bases_now, colours_now);
            (bases_now, bases) = bases.split_at(now);
            (colours_now, colours) = colours.split_at(now);
            let grey = darken_all(*shade, bases_now, colours_now, room, |leaf| count_leaf(counters, view, leaf));
            top.grow(grey);
        }
    }

    /// Shades the object `addr` lies in; what was white and can hold references goes on the stack.
    #[inline(always)]
    pub(crate) fn mark(&mut self, view: View<'_>, addr: usize) {
        match self.shade.shade(view, addr) {
            Shaded::Already => {}
            Shaded::Leaf { size } => self.counters.leaves(1, size),
            Shaded::Grey { base } => self.push(base),
        }
    }

    /// An object of a class that has no kernel at hand: true if it has one now and is to be scanned with it, false if it has
    /// been scanned.
    #[inline(never)]
    fn scan_slow(&mut self, shared: &Shared, item: usize) -> bool {
        let view = shared.space().view();
        if item & REST != 0 {
            self.scan_rest(shared, view, item & !REST);
            return false;
        }
        let page = view.page(item);
        let ty = type_of(view.space().class(page));
        let size = crate::barrier::size_of_object(view.space(), page, item);
        if let Shape::Words(words) = &ty.shape {
            self.kernels.put(Kernel::new(page.kind(), size, words), &mut self.counters);
            return true;
        }
        self.counters.scan_many(1, size);
        match &ty.shape {
            Shape::Leaf | Shape::Words(_) => {}
            Shape::Rows(rows) => self.scan_rows(shared, view, ty, rows, item, 0),
            Shape::Call => self.call(shared, ty, item, 0..0),
        }
        false
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

/// Finds the colour bytes of the objects met and has them fetched.
#[inline(never)]
fn meet<'a>(view: View<'a>, children: &[usize], met: &mut Met<'a>) {
    met.len = children.len();
    for ((&addr, base_of), colour_of) in children.iter().zip(&mut met.bases).zip(&mut met.colours) {
        let page = view.page(addr);
        let (colour, base) = view.locate(page, addr);
        prefetch(std::ptr::from_ref(colour).addr());
        let leaf = if page.flags().contains(SpanFlags::LEAF) { LEAF } else { 0 };
        *base_of = base | leaf;
        *colour_of = colour;
    }
}

/// Darkens what is white, and puts what of it can hold references into `room`, which is long enough for all; returns how many
/// those are. A function of its own, as are the other parts of a turn, so that each has the registers to itself.
#[inline(never)]
fn darken_all(
    shade: Shade,
    bases: &[usize],
    colours: &[&AtomicU8],
    room: &mut [usize],
    mut leaf: impl FnMut(usize),
) -> usize {
    let mut grey = 0;
    for (&base, &colour) in bases.iter().zip(colours) {
        if !shade.darken(colour) {
            continue;
        }
        if base & LEAF != 0 {
            leaf(base & !LEAF);
        } else {
            debug_assert!(grey < room.len());
            // SAFETY: of the references looked at so far, at most all but this one were grey, and `room` is as long as all.
            let place = unsafe { room.get_unchecked_mut(grey) };
            *place = base;
            grey += 1;
        }
    }
    grey
}

#[inline(always)]
fn count_leaf(counters: &mut MarkCounters, view: View<'_>, base: usize) {
    counters.leaves(1, crate::barrier::size_of_object(view.space(), view.page(base), base));
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
