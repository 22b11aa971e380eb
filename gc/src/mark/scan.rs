//! The marker's loop, and how one object is scanned.
//!
//! Nothing here waits for memory if it can be helped: the objects of a batch are fetched when they are popped and scanned a
//! turn later; the colour bytes of the references met in a turn are fetched then and tested in the next one. Both lists live
//! in the frame of the loop and are empty outside of it (the two-stage prefetch of MMTk's and OCaml 5's markers).

use crate::barrier::{Grey, Shade, Shaded, size_of_object};
use crate::handle::WeakTable;
use crate::heap::Shared;
use crate::mark::Marker;
use crate::mark::kernel::{Kernel, for_each_word, load_word, prefetch, type_of};
use crate::panics::caught;
use crate::trace::{EdgeSink, GcType, Outcome, Purpose, Rows, Shape, Tracer, Words};
use greyset_alloc::View;
use greyset_sync::atomic::{AtomicU8, Ordering};
use greyset_sync::{Point, point, tiny, told};
use std::sync::Arc;

/// Objects taken from the stack in one turn of the loop.
const BATCH: usize = 32;
/// Room for the references of a batch: a power of two, so that an index is masked instead of checked.
const ROOM: usize = (BATCH * Words::MAX).next_power_of_two();
/// Elements of an array that count as one object where objects are counted: a look at the clock must not wait for an array of leaves.
const ROWS_AS_ONE: usize = 4;
/// References of an array whose colour bytes are fetched at a time.
const ROWS_AHEAD: usize = 64;
const _: () = assert!(ROWS_AHEAD + Words::MAX < ROOM);

/// References met, each with what it leads to: the object and its colour byte.
struct Met<'a> {
    objects: [Grey; ROOM],
    colours: [&'a AtomicU8; ROOM],
    len: usize,
    /// Some of the objects hold no references.
    leaves: bool,
}

impl<'a> Met<'a> {
    /// Nothing met; `none` is the byte of no object.
    fn new(none: &'a AtomicU8) -> Met<'a> {
        Met { objects: [Grey::NONE; ROOM], colours: [none; ROOM], len: 0, leaves: false }
    }
}

/// Objects taken from the stack.
struct Batch {
    objects: [Grey; BATCH],
    len: usize,
}

impl Batch {
    fn new() -> Batch {
        Batch { objects: [Grey::NONE; BATCH], len: 0 }
    }

    fn objects(&self) -> &[Grey] {
        &self.objects[..self.len]
    }
}

impl Marker {
    /// Scans at most `limit` objects, rounded up to whole batches; returns how many, the elements of arrays counted by [`ROWS_AS_ONE`]. Less
    /// than `limit` only when the stack is empty.
    pub(super) fn drain(&mut self, shared: &Shared, limit: usize) -> usize {
        let view = shared.space().view();
        let none = AtomicU8::new(0);
        let mut met = Met::new(&none);
        let (mut children, mut leaves) = ([0; ROOM], [Grey::NONE; ROOM]);
        let (mut now, mut next) = (Batch::new(), Batch::new());
        let mut taken = 0;
        loop {
            next.len = 0;
            if taken < limit {
                self.fetch(view, &mut next);
            }
            taken += next.len;
            if now.len + next.len + met.len == 0 {
                break;
            }
            let found = self.scan(shared, view, now.objects(), &mut children);
            self.follow(view, &met, &none, &mut leaves);
            // SAFETY: `scan` has loaded them from reference words of live objects, and left out nulls.
            unsafe { meet(view, &children[..found], &mut met) };
            std::mem::swap(&mut now, &mut next);
            taken += std::mem::take(&mut self.rows_scanned) / ROWS_AS_ONE;
            if shared.queue.anyone_hungry() {
                self.share(shared);
            }
        }
        self.kernels.count(&mut self.counters);
        taken
    }

    /// Takes a batch from the stack and has its objects fetched.
    #[inline(always)]
    fn fetch(&mut self, view: View<'_>, batch: &mut Batch) {
        let most = tiny(BATCH, 1);
        while batch.len < most {
            let Some(items) = self.pop_many(most - batch.len) else { break };
            for (place, &item) in batch.objects[batch.len..].iter_mut().zip(items) {
                prefetch(item.addr(view));
                *place = item;
            }
            batch.len += items.len();
        }
    }

    /// Puts the references of a batch of objects into `children`; returns how many there are.
    #[inline(never)]
    fn scan(
        &mut self,
        shared: &Shared,
        view: View<'_>,
        batch: &[Grey],
        children: &mut [usize; ROOM],
    ) -> usize {
        let mut found = 0;
        let mut meet = |base: usize, offset: u16| {
            // SAFETY: `base` is that of a live object of the kernel's class: it was reached over a reference and shaded. The
            // offsets name its reference words. (Rests of arrays have no kernel.)
            let child = unsafe { load_word(base + offset as usize) };
            // SAFETY: a batch has at most `BATCH` objects of at most `Words::MAX` words each, and `ROOM` holds as many.
            let place = unsafe { children.get_unchecked_mut(found) };
            // A null is overwritten by the next: whether there is one is anybody's guess, and a branch would be one.
            *place = child;
            found += usize::from(child != 0);
        };
        let mut rest = batch;
        let uniform = Grey::are_of_one_class(batch);
        while let [item, ..] = *rest {
            let Some(kernel) = self.kernels.of(item.class()) else {
                if !self.scan_slow(shared, item) {
                    rest = &rest[1..];
                }
                continue;
            };
            // Objects of one class come in rows.
            let same = || rest.iter().take_while(|next| next.class() == item.class()).count();
            let len = if uniform { rest.len() } else { same() };
            let row;
            (row, rest) = rest.split_at(len);
            kernel.scanned += row.len();
            let bases = row.iter().map(|item| {
                point(Point::Scan);
                told(|| format!("scans {:#x}: grey -> black", item.addr(view)));
                item.addr(view)
            });
            match *kernel.offsets() {
                [first, second] => bases.for_each(|base| {
                    meet(base, first);
                    meet(base, second);
                }),
                ref any => bases.for_each(|base| any.iter().for_each(|&offset| meet(base, offset))),
            }
        }
        found
    }

    /// Marks what was met a turn ago.
    #[inline(always)]
    fn follow(&mut self, view: View<'_>, met: &Met<'_>, elsewhere: &AtomicU8, leaves: &mut [Grey; ROOM]) {
        let (mut objects, mut colours) = (&met.objects[..met.len % ROOM], &met.colours[..met.len % ROOM]);
        while !objects.is_empty() {
            self.make_room();
            let room = self.top.room();
            let now = room.len().min(objects.len());
            let (objects_now, colours_now);
            (objects_now, objects) = objects.split_at(now);
            (colours_now, colours) = colours.split_at(now);
            let darken = if met.leaves { darken_all::<true> } else { darken_all::<false> };
            let (grey, leaf) = darken(self.shade, objects_now, colours_now, elsewhere, room, leaves);
            for object in room.iter().take(grey) {
                told(|| format!("shade({:#x}): white -> grey", object.addr(view)));
            }
            self.top.grow(grey);
            for leaf in leaves.iter().take(leaf) {
                let size = size_of_object(view.space(), leaf.class(), leaf.addr(view));
                self.counters.leaves(1, size);
            }
        }
    }

    /// Shades the object `addr` lies in; what was white and can hold references goes on the stack.
    #[inline(always)]
    pub(crate) fn mark(&mut self, view: View<'_>, addr: usize) {
        match self.shade.shade(view, addr) {
            Shaded::Already => {}
            Shaded::Leaf { size } => self.counters.leaves(1, size),
            Shaded::Grey(grey) => self.push(grey),
        }
    }

    /// An object of a class that has no kernel at hand: true if it has one now and is to be scanned with it, false if it has
    /// been scanned.
    #[inline(never)]
    fn scan_slow(&mut self, shared: &Shared, item: Grey) -> bool {
        let view = shared.space().view();
        if let Some(row) = item.as_rest(view) {
            self.scan_rest(shared, view, row);
            return false;
        }
        let (class, base) = (item.class(), item.addr(view));
        let ty = type_of(view.space().class_info(class));
        if let Shape::Rows(rows) = &ty.shape {
            self.scan_rows(shared, ty, rows, item, 0);
            return false;
        }
        let size = size_of_object(view.space(), class, base);
        if let Shape::Words(words) = &ty.shape {
            self.kernels.put(Kernel::new(class, size, words), &mut self.counters);
            return true;
        }
        self.counters.scan_many(1, size);
        if let Shape::Call = &ty.shape {
            self.call(shared, ty, item, 0..0);
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
            self.scan_rows(shared, ty, rows, Grey::new(view, page, base), first);
        }
    }

    fn scan_rows(&mut self, shared: &Shared, ty: &'static GcType, rows: &Rows, item: Grey, first: usize) {
        let view = shared.space().view();
        let base = item.addr(view);
        // SAFETY: the first word of an array object is its length, written before the object is reachable.
        let len = unsafe { load_word(base) };
        let end = len.min(first + self.rows_at_once);
        let address = |row: usize| base + rows.header as usize + row * rows.stride as usize;
        let from = if first == 0 { base } else { address(first) };
        let to = if end < len {
            self.push(Grey::rest(view, address(end)));
            address(end)
        } else {
            base + size_of_object(view.space(), item.class(), base)
        };
        // Each part for itself: counted at once, a large array would pay for assists that have yet to scan it.
        self.counters.scan_part(first == 0, to - from);
        self.rows_scanned += end - first;
        match &rows.words {
            // SAFETY: rows below `len` are live values with these words.
            Some(words) if (end - first) * words.offsets().len() > ROWS_AHEAD => unsafe {
                self.scan_words(view, words, (first..end).map(address));
            },
            Some(words) => {
                for row in first..end {
                    // SAFETY: as above. The lists of the two stages would cost more than so few misses.
                    unsafe { for_each_word(words, address(row), |child| self.mark(view, child)) };
                }
            }
            None => self.call(shared, ty, item, first..end),
        }
    }

    /// Marks what the rows of an array at these addresses refer to: as in [`Marker::drain`], a group's colour bytes are fetched
    /// while those of the group before are tested.
    ///
    /// # Safety
    /// At each address is a live value of a type with these words.
    unsafe fn scan_words(&mut self, view: View<'_>, words: &Words, rows: impl Iterator<Item = usize>) {
        let none = AtomicU8::new(0);
        let mut met = Met::new(&none);
        let (mut children, mut leaves, mut found) = ([0; ROOM], [Grey::NONE; ROOM], 0);
        let mut turn = |marker: &mut Marker, children: &[usize]| {
            marker.follow(view, &met, &none, &mut leaves);
            // SAFETY: they have been loaded from reference words of live objects, and are not null.
            unsafe { meet(view, children, &mut met) };
        };
        for row in rows {
            // SAFETY: the caller's promise.
            unsafe {
                for_each_word(words, row, |child| {
                    children[found] = child;
                    found += 1;
                });
            }
            if found >= ROWS_AHEAD {
                turn(self, &children[..found]);
                found = 0;
            }
        }
        turn(self, &children[..found]);
        turn(self, &[]);
    }

    /// Runs the type's own `trace`. A panic in it gives the cycle up; a taken lock puts the object off.
    #[inline(never)]
    fn call(&mut self, shared: &Shared, ty: &'static GcType, item: Grey, rows: std::ops::Range<usize>) {
        let purpose = Purpose::Mark { cycle: self.cycle };
        let base = item.addr(shared.space().view());
        let mut sink = MarkSink { marker: self, shared };
        let traced = caught(|| {
            Tracer::run(&mut sink, purpose, |tracer| {
                let object = std::ptr::with_exposed_provenance::<u8>(base);
                // SAFETY: `base` is a live object of type `ty` (reached and shaded), in a window of the collector: its slot
                // is not reused before the next sweep.
                unsafe { (ty.trace)(object, rows, tracer) }
            })
        });
        match traced {
            Some(Outcome::Complete) => {}
            Some(Outcome::Deferred) => self.deferred.push(item),
            // ORDERING: none needed: read under the cycle lock after the markers went idle (SeqCst in `GreyQueue`).
            None => shared.trace_panicked.store(true, Ordering::Relaxed),
        }
    }
}

/// Finds the colour bytes of the objects met and has them fetched.
///
/// # Safety
/// Each of `children` is the address of an object, or inside of one, that is not freed while this runs.
#[inline(never)]
unsafe fn meet<'a>(view: View<'a>, children: &[usize], met: &mut Met<'a>) {
    met.len = children.len();
    let mut all = Grey::NONE;
    for ((&addr, object), colour) in children.iter().zip(&mut met.objects).zip(&mut met.colours) {
        // SAFETY: the caller's promise.
        let (page, byte, base) = unsafe { view.find(addr) };
        prefetch(std::ptr::from_ref(byte).addr());
        *object = Grey::new(view, page, base);
        *colour = byte;
        all = all.union(*object);
    }
    met.leaves = all.is_leaf();
}

/// Darkens what is white. What of it can hold references goes into `room`, what cannot into `leaves`; returns how many went
/// where. Without `LEAVES` none of the objects is a leaf. A function of its own, as are the other parts of a turn, so that each has
/// the registers to itself.
///
/// `room` is at least as long as `objects`. `elsewhere` is the byte of no object.
#[inline(never)]
fn darken_all<const LEAVES: bool>(
    shade: Shade,
    objects: &[Grey],
    colours: &[&AtomicU8],
    elsewhere: &AtomicU8,
    room: &mut [Grey],
    leaves: &mut [Grey; ROOM],
) -> (usize, usize) {
    assert!(objects.len() <= room.len().min(ROOM));
    let (mut grey, mut leaf) = (0, 0);
    for (&object, &colour) in objects.iter().zip(colours) {
        let white = shade.darken_unforeseen(colour, elsewhere);
        let is_leaf = LEAVES && object.is_leaf();
        // Put into both, and counted in one: a branch would be anybody's guess.
        // SAFETY: of the objects before this one at most all were grey, and `room` is as long as all (asserted).
        let place = unsafe { room.get_unchecked_mut(grey) };
        *place = object;
        if LEAVES {
            // SAFETY: likewise, of leaves.
            let place = unsafe { leaves.get_unchecked_mut(leaf) };
            *place = object;
        }
        leaf += usize::from(white & is_leaf);
        grey += usize::from(white & !is_leaf);
    }
    (grey, leaf)
}

/// Where `trace` calls of a marker report to.
struct MarkSink<'a> {
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

    fn ephemeron_table(&mut self, table: &Arc<WeakTable>) {
        self.shared.ephemerons.register(table, self.marker.cycle);
    }
}
