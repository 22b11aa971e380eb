//! Sweeping: from the colours that marking left to Free slots and free pages.
//!
//! 1. `begin_sweep` starts a new generation: every span is of an older one now and counts as unswept.
//! 2. Caches put their spans back; until all have, nothing is swept (a mutator may still be upgrading a weak reference).
//! 3. `open_sweep` says that they have. From here on nobody adds to the sets of the old parity.
//! 4. Sweepers pop spans from those sets, which is the claim: `sweep_some` goes over all classes, a refill over its own.
//! 5. A claimed span's dead slots are shown to the collector where the type has drop glue or the collector asks; then white
//!    becomes Free, live slots are counted, and the span goes to a set of the new parity, to the claimer, or to the page
//!    heap.
//! 6. When no span of the old generation is left, the sweep is done and the next may begin.
//!
//! A thread that has read where sweeping stands may sleep before it pops a span. A mutator cannot sleep over step 2 of the
//! next sweep, since it has to flush there; until then the set it pops from can only hold spans that are swept or new, which
//! it recognises by their generation and puts back. Any other sweeper could sleep longer, so `begin_sweep` waits for
//! all passes of `sweep_some` that began before it: with nothing left to sweep, a moment.
//!
//! Lazy sweeping on allocation is R. J. M. Hughes's ("A semi-incremental garbage collection algorithm", 1982).

use super::MHeap;
use super::hand_out::HandedOut;
use crate::asan;
use crate::colour::Colour;
use crate::span::strip::{self, Swept};
use crate::span::{DeadSlots, Place, Span};
use crate::type_info::SpanFlags;
use crate::unit::SpanClassId;
use greyset_sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use greyset_sync::{CachePadded, Fault, Point, fault, point, thread};
use std::cell::Cell;
use std::mem::ManuallyDrop;

/// What the collector does before the slots of a span become Free.
pub trait Reclaim: Sync {
    /// The span's dead slots, before they become Free. Runs drop glue where the type has any (background only).
    ///
    /// May unwind: the slots become Free nevertheless, so a value that was not dropped by then is leaked.
    fn reclaim(&self, span: &Span, dead: DeadSlots<'_>);

    /// Whether [`Reclaim::reclaim`] wants to see dead slots of types without drop glue, too.
    fn wants_dead(&self) -> bool {
        false
    }
}

/// Who sweeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A mutator: never spans of types with drop glue, so never user code.
    Mutator,
    /// The background sweeper, or whoever stands in for it: all spans.
    Background,
}

/// What a call of [`MHeap::sweep_some`] achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct SweepProgress {
    /// Pages of the spans this call swept.
    pub pages: usize,
    /// What is left.
    pub left: SweepLeft,
}

/// What is left to sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SweepLeft {
    /// Nothing: every span is swept.
    Nothing,
    /// Spans that this role may sweep.
    Some,
    /// Nothing that this role can claim now: other threads hold the rest, or the sweep is not open yet, or only spans with
    /// drop glue are left for a mutator, or 16,383 calls are under way.
    Others,
}

/// Pages that the allocations of one mutator have swept, until it asks.
#[derive(Default)]
pub(crate) struct SweptPages(Cell<u32>);

impl SweptPages {
    pub(crate) fn add(&self, pages: u32) {
        self.0.set(self.0.get().saturating_add(pages));
    }

    pub(crate) fn take(&self) -> u32 {
        self.0.take()
    }
}

/// Where sweeping stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SweepState {
    pub(crate) generation: u32,
    pub(crate) white: Colour,
    pub(crate) open: bool,
}

// The state word: white (2 bits), open (1 bit), passes under way of even and of odd generations (14 bits each), generation.
const OPEN: u64 = 1 << 2;
const PASSES_SHIFT: [u32; 2] = [3, 17];
const PASSES_MASK: u64 = (1 << 14) - 1;
const PASSES: u64 = PASSES_MASK << PASSES_SHIFT[0] | PASSES_MASK << PASSES_SHIFT[1];
const GENERATION_SHIFT: u32 = 32;

/// How many passes of generations of this parity are under way.
fn passes(word: u64, parity: usize) -> u64 {
    word >> PASSES_SHIFT[parity] & PASSES_MASK
}

impl SweepState {
    /// As a word without passes.
    fn pack(self) -> u64 {
        let open = if self.open { OPEN } else { 0 };
        u64::from(self.generation) << GENERATION_SHIFT | open | u64::from(self.white.byte())
    }

    fn unpack(word: u64) -> SweepState {
        SweepState {
            generation: (word >> GENERATION_SHIFT) as u32,
            white: Colour::of(word as u8),
            open: word & OPEN != 0,
        }
    }

    /// Parity of swept spans.
    pub(crate) fn parity(self) -> usize {
        parity(self.generation)
    }

    /// Parity of unswept spans.
    pub(crate) fn old_parity(self) -> usize {
        1 - self.parity()
    }
}

/// Which of two sets or counters belongs to a generation.
pub(crate) fn parity(generation: u32) -> usize {
    (generation & 1) as usize
}

#[derive(Default)]
struct Count {
    spans: AtomicUsize,
    pages: AtomicUsize,
}

/// The sweep's shared state.
///
/// # Invariants
/// 1. `counts[p]` are the spans in use, and their pages, whose generation has parity `p`; a span being swept counts as the
///    generation it had.
/// 2. `begin` and `open` are called by one thread at a time.
pub(crate) struct Sweeping {
    state: AtomicU64,
    counts: [CachePadded<Count>; 2],
    /// For each role, the class to look at next: the old sets of all lower classes (that the role may sweep) are empty.
    cursors: [AtomicU32; 2],
    /// Objects ever swept, and their bytes.
    freed: [AtomicU64; 2],
}

impl Sweeping {
    pub(crate) fn new() -> Sweeping {
        let first = SweepState { generation: 0, white: Colour::FREE, open: false };
        Sweeping {
            state: AtomicU64::new(first.pack()),
            counts: Default::default(),
            cursors: [AtomicU32::new(1), AtomicU32::new(1)],
            freed: Default::default(),
        }
    }

    pub(crate) fn state(&self) -> SweepState {
        // ORDERING: pairs with the release changes in `begin` and `open`: who sees the sweep open sees the spans that the
        // caches put back before.
        SweepState::unpack(self.state.load(Ordering::Acquire))
    }

    /// Starts a pass: the generation it is of does not end before it. `None` when as many are under way as the word can count,
    /// which takes drop glue that sweeps within drop glue that sweeps.
    fn pass(&self) -> Option<Pass<'_>> {
        let mut word = self.state.load(Ordering::Relaxed);
        loop {
            let state = SweepState::unpack(word);
            if passes(word, state.parity()) == PASSES_MASK {
                return None;
            }
            let one = 1 << PASSES_SHIFT[state.parity()];
            // ORDERING: acquires what `begin` and `open` released, as `state` does; its own order with `begin` comes from
            // both changing one word.
            match self.state.compare_exchange_weak(word, word + one, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Pass { sweeping: self, state }),
                Err(now) => word = now,
            }
        }
    }

    /// The next generation, closed; returns when no pass of the one before is left.
    fn begin(&self, white: Colour) {
        let mut word = self.state.load(Ordering::Relaxed);
        let old = loop {
            let old = SweepState::unpack(word);
            let generation = old.generation.wrapping_add(1);
            let new = SweepState { generation, white, open: false }.pack() | (word & PASSES);
            // ORDERING: pairs with the acquire loads in `state` and `pass`.
            match self.state.compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => break old.parity(),
                Err(now) => word = now,
            }
        };
        // ORDERING: pairs with the release subtraction at a pass's end: what the passes did is done.
        while passes(self.state.load(Ordering::Acquire), old) != 0 {
            thread::yield_now();
        }
        for cursor in &self.cursors {
            cursor.store(1, Ordering::Relaxed);
        }
    }

    /// Opens the sweep that has begun.
    fn open(&self) {
        // ORDERING: pairs with the acquire loads in `state` and `pass`.
        self.state.fetch_or(OPEN, Ordering::Release);
    }

    /// A span of `pages` pages now has a generation of this parity.
    pub(crate) fn enter(&self, parity: usize, pages: u32) {
        self.counts[parity].spans.fetch_add(1, Ordering::Relaxed);
        self.counts[parity].pages.fetch_add(pages as usize, Ordering::Relaxed);
    }

    /// A span of `pages` pages has no generation of this parity any more.
    pub(crate) fn leave(&self, parity: usize, pages: u32) {
        // ORDERING: both pair with the acquire loads in `spans` and `pages`: who sees no span left sees all of their sweeping,
        // and who sees no page left sees no span left.
        self.counts[parity].spans.fetch_sub(1, Ordering::Release);
        self.counts[parity].pages.fetch_sub(pages as usize, Ordering::Release);
    }

    /// Spans in use whose generation has this parity.
    pub(crate) fn spans(&self, parity: usize) -> usize {
        // ORDERING: pairs with the release subtraction in `leave`.
        self.counts[parity].spans.load(Ordering::Acquire)
    }

    /// Their pages.
    pub(crate) fn pages(&self, parity: usize) -> usize {
        // ORDERING: pairs with the release subtraction in `leave`.
        self.counts[parity].pages.load(Ordering::Acquire)
    }
}

/// A pass of `sweep_some`, of the generation that was current when it started.
struct Pass<'a> {
    sweeping: &'a Sweeping,
    state: SweepState,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let one = 1 << PASSES_SHIFT[self.state.parity()];
        // ORDERING: pairs with the acquire load in `begin`.
        self.sweeping.state.fetch_sub(one, Ordering::Release);
    }
}

/// A span that the holder has claimed to sweep. Dropping it sweeps the span and puts it where it belongs, also when the
/// collector's part unwinds.
struct Claim<'a> {
    heap: &'a MHeap,
    span: &'a Span,
    state: SweepState,
}

impl<'a> Claim<'a> {
    fn new(heap: &'a MHeap, span: &'a Span, state: SweepState) -> Claim<'a> {
        point(Point::SpanSweep);
        span.set_place(Place::Sweeping);
        Claim { heap, span, state }
    }

    /// Shows the dead slots to the collector, if it has to see them.
    fn show(&self, reclaim: &dyn Reclaim) {
        if self.span.flags().contains(SpanFlags::DROP) || reclaim.wants_dead() {
            let dead = DeadSlots::new(&self.heap.space, self.span, self.state.white);
            if dead.clone().next().is_some() {
                reclaim.reclaim(self.span, dead);
            }
        }
    }

    /// As [`Claim::show`] and the drop after it, in the wrong order.
    fn free_and_show(self, reclaim: &dyn Reclaim) {
        let (space, span, white) = (&self.heap.space, self.span, self.state.white);
        let colours = span.strip(space).iter().map(|byte| AtomicU8::new(byte.load(Ordering::Relaxed)));
        let colours: Vec<_> = colours.collect();
        drop(self);
        point(Point::SpanSweep);
        reclaim.reclaim(span, DeadSlots::in_strip(space, span, &colours, white));
    }

    /// White becomes Free; the span is of the new generation. `reused`: the span is kept even if none of its slots stays.
    fn sweep(&self, reused: bool) -> Swept {
        if fault(Fault::SweepKeepsOne) {
            let white = |byte: &&AtomicU8| Colour::of(byte.load(Ordering::Relaxed)) == self.state.white;
            if let Some(byte) = self.span.colours(&self.heap.space).iter().find(white) {
                byte.store(self.state.white.other().byte(), Ordering::Relaxed);
            }
        }
        if cfg!(greyset_asan) {
            let bytes = self.span.object_bytes();
            DeadSlots::new(&self.heap.space, self.span, self.state.white)
                .for_each(|dead| asan::poison(dead.ptr, bytes));
        }
        let limit = self.heap.limit.load(Ordering::Relaxed);
        let held = self.heap.zeal.before_sweep(&self.heap.space, self.span, self.state.white, limit);
        let strip = self.span.strip(&self.heap.space);
        let mut swept = strip::sweep(strip, self.state.white, reused || held > 0);
        swept.held = held;
        self.span.set_swept(self.state.generation, swept.live);
        let dead = swept.freed + swept.held;
        for (sum, more) in self.heap.sweeping.freed.iter().zip([dead, dead * self.span.object_bytes()]) {
            sum.fetch_add(more as u64, Ordering::Relaxed);
        }
        swept
    }

    /// Puts the swept span where it belongs, and only then counts it as swept: when the last one is counted, the next sweep
    /// may begin, and whatever is in a set then belongs there.
    fn settle(&self, swept: Swept, kept: bool) {
        let (sweeping, pages) = (&self.heap.sweeping, self.span.pages());
        let taken = swept.live + swept.held;
        if taken == 0 && !kept {
            self.heap.free_span(self.span);
        } else {
            sweeping.enter(self.state.parity(), pages);
            match taken == self.span.slots() {
                _ if kept => {}
                true => self.heap.put_full(self.span),
                false => self.heap.put_partial(self.span),
            }
        }
        sweeping.leave(self.state.old_parity(), pages);
    }

    /// Sweeps the span and keeps it if it has Free slots.
    fn keep(self) -> Option<HandedOut> {
        let claim = ManuallyDrop::new(self);
        let (swept, id) = (claim.sweep(true), claim.span.id());
        let has_room = swept.live + swept.held < claim.span.slots();
        claim.settle(swept, has_room);
        has_room.then_some(HandedOut { id, is_empty: swept.live + swept.held == 0 })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.settle(self.sweep(false), false);
    }
}

impl MHeap {
    /// Starts a new generation: from now on `white` objects are dead, and every span is unswept until it has been swept.
    ///
    /// Spans that caches hold stay theirs until they flush; nothing is swept before [`MHeap::open_sweep`].
    ///
    /// # Panics
    /// If the sweep before is not done, or `white` is not a colour of live objects.
    pub fn begin_sweep(&self, white: Colour) {
        let state = self.sweeping.state();
        assert!(white.is_live(), "white must be A or B");
        assert!(self.sweeping.spans(state.old_parity()) == 0, "the sweep before is not done");
        self.sweeping.begin(white);
    }

    /// Says that every cache has been flushed since [`MHeap::begin_sweep`]: from now on spans are swept.
    pub fn open_sweep(&self) {
        self.sweeping.open();
    }

    /// Sweeps spans until at least `pages` pages are done, or nothing is left that this role may claim. Cost: the colour
    /// bytes of the spans, 64 at a step, and what `reclaim` does.
    pub fn sweep_some(&self, role: Role, pages: usize, reclaim: &dyn Reclaim) -> SweepProgress {
        let Some(pass) = self.sweeping.pass() else {
            return SweepProgress { pages: 0, left: SweepLeft::Others };
        };
        let state = pass.state;
        let mut swept = 0;
        let mut more = state.open;
        while more && swept < pages {
            match self.claim_any(role, state) {
                Some(claim) => {
                    swept += claim.span.pages() as usize;
                    if fault(Fault::FreedBeforeGlue) {
                        claim.free_and_show(reclaim);
                    } else {
                        claim.show(reclaim);
                    }
                }
                None => more = false,
            }
        }
        let left = match self.sweeping.spans(state.old_parity()) {
            0 => SweepLeft::Nothing,
            _ if more => SweepLeft::Some,
            _ => SweepLeft::Others,
        };
        SweepProgress { pages: swept, left }
    }

    /// Claims an unswept span of any class this role may sweep.
    fn claim_any(&self, role: Role, state: SweepState) -> Option<Claim<'_>> {
        let cursor = &self.sweeping.cursors[role as usize];
        loop {
            let at = cursor.load(Ordering::Relaxed);
            if at > self.registry.count() {
                return None;
            }
            let class = SpanClassId(at);
            let barred =
                role == Role::Mutator && self.space.class_info(class).flags().contains(SpanFlags::DROP);
            if !barred && let Some(claim) = self.claim_of(class, state) {
                return Some(claim);
            }
            // The class's old sets are empty and stay so. Losing the race means that somebody else has said so.
            let _ = cursor.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Claims an unswept span of this class. `None` also if the next sweep has begun since `state` was read.
    fn claim_of(&self, class: SpanClassId, state: SweepState) -> Option<Claim<'_>> {
        let (central, old) = (self.registry.central(class), state.old_parity());
        let mut partial = true;
        let id = central.partial[old].pop(&self.space).or_else(|| {
            partial = false;
            central.full[old].pop(&self.space)
        })?;
        let span = self.span(id);
        if span.generation() == state.generation.wrapping_sub(1) {
            return Some(Claim::new(self, span, state));
        }
        // What was the old parity is the new one by now. The sweep is not open yet (see the module), so this is in time.
        if partial {
            self.put_partial(span)
        } else {
            self.put_full(span)
        }
        None
    }

    /// Claims and sweeps unswept spans of this class until one has Free slots, at most `tries` of them; adds their pages to
    /// `swept`. For types without drop glue.
    pub(super) fn sweep_for(
        &self,
        class: SpanClassId,
        tries: usize,
        reclaim: &dyn Reclaim,
        swept: &SweptPages,
    ) -> Option<HandedOut> {
        let state = self.sweeping.state();
        for _ in 0..tries {
            if !state.open {
                return None;
            }
            let claim = self.claim_of(class, state)?;
            claim.show(reclaim);
            swept.add(claim.span.pages());
            if let Some(kept) = claim.keep() {
                return Some(kept);
            }
        }
        None
    }

    /// Objects that sweeping has found dead, ever.
    pub fn swept_objects(&self) -> u64 {
        self.sweeping.freed[0].load(Ordering::Relaxed)
    }

    /// Bytes of the slots of [`MHeap::swept_objects`].
    pub fn swept_bytes(&self) -> u64 {
        self.sweeping.freed[1].load(Ordering::Relaxed)
    }

    /// Pages of spans that are not swept yet, those in caches and in the hands of sweepers included.
    pub fn unswept_pages(&self) -> usize {
        self.sweeping.pages(self.sweeping.state().old_parity())
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
