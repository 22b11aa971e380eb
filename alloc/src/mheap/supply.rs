//! The supply of pages: taken under the memory limit, given back to the system.
//!
//! What counts against the limit is what the process holds because of this heap: pages with memory behind them (used or
//! free), the touched parts of the tables, and what the client reported as external and as tables of its own. Memory is
//! asked of the system only where a request needs pages without memory; when that would break the limit, free pages with
//! memory are released first, and only then does the request fail. What another thread is just giving to the system is
//! neither free nor used: a request waits for it before it fails.
//!
//! The lock is never held while the system is called.

use super::{MHeap, PageState};
use crate::error::{Obstacle, OutOfMemory};
use crate::pages::{Plan, Row};
use crate::registry::Central;
use crate::space::{Backing, ClassInfo, PageEntry};
use crate::span::Span;
use crate::strips::SLAB;
use crate::unit::{PAGE_SIZE, PageNo, SpanId, StripNo};
use greyset_sync::atomic::Ordering;
use greyset_sync::{MutexGuard, thread};
use std::array;
use std::io;

/// What a span is made of, besides its class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) row: Row,
    pub(super) strip: StripNo,
    pub(super) id: SpanId,
}

/// What a call of [`MHeap::release`] achieved.
#[derive(Debug, Default)]
#[must_use]
pub struct ReleaseProgress {
    /// Pages given back.
    pub pages: usize,
    /// Bytes of the colour table given back besides: colours of spans that are no more.
    pub colours: usize,
    /// Free pages that still have memory behind them.
    pub left: usize,
    /// What the system said when it refused; the pages it refused stay committed.
    pub error: Option<io::Error>,
}

impl ReleaseProgress {
    /// Whether nothing was given back.
    pub fn is_nothing(&self) -> bool {
        self.pages == 0 && self.colours == 0
    }
}

/// Counters of pages and spans.
pub(crate) struct PageStats {
    pub(crate) resident: usize,
    pub(crate) free: usize,
    pub(crate) released: usize,
    pub(crate) used: usize,
    pub(crate) spans: usize,
    pub(crate) colours: usize,
    pub(crate) colours_idle: usize,
}

/// Most pages given back with one call of the system (half a MiB), so that it is never busy with one for long.
const RELEASE_STEP: usize = 64;

/// Bytes of tables that come with a page.
const PER_PAGE: usize = size_of::<PageEntry>() + size_of::<u32>();

/// What counts against the limit, of the four things that do. The last is the client's word, which no sum has to trust.
pub(crate) fn sum_in_use(committed: u64, metadata: u64, external: u64, client: u64) -> u64 {
    [metadata, external, client].into_iter().fold(committed, u64::saturating_add)
}

/// Most bytes in use that a span with `fresh` pages without memory can add.
fn most_added(fresh: u32) -> u64 {
    (fresh as usize * (PAGE_SIZE + PER_PAGE) + SLAB + size_of::<Span>()) as u64
}

/// What keeps a span from being made.
#[derive(Clone, Copy)]
struct Lack {
    obstacle: Obstacle,
    limit: u64,
    in_use: u64,
    /// Pages to give back that would help.
    over: usize,
}

impl Lack {
    fn error(self, pages: u32) -> OutOfMemory {
        let Lack { obstacle, limit, in_use, .. } = self;
        OutOfMemory { requested: pages as usize * PAGE_SIZE, in_use, limit, obstacle }
    }
}

/// Memory on its way to the system, counted in [`PageState::leaving`] until this is dropped: when it is free again, or the
/// call unwinds.
struct Leaving<'a>(&'a MHeap);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.pages.lock().leaving -= 1;
    }
}

impl PageState {
    /// Bytes of tables that are in use, as far as this lock guards them.
    fn metadata(&self, known_spans: u32, classes: u32) -> u64 {
        let a_class = size_of::<ClassInfo>() + size_of::<Central>() + 64; // and its share of the hash table
        let bytes = self.heap.top().index() * PER_PAGE
            + self.strips.resident()
            + self.strips.bytes()
            + self.heap.bytes()
            + known_spans as usize * size_of::<Span>()
            + classes as usize * a_class;
        bytes as u64
    }
}

impl MHeap {
    /// Sets the most bytes the heap may hold: committed pages, tables in use, and what [`MHeap::external`] and
    /// [`MHeap::client_tables`] say. `None`: no limit. Takes effect with the next page that is committed; pages the heap holds
    /// already are not taken from it.
    pub fn set_limit(&self, bytes: Option<u64>) {
        self.limit.store(bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Sets the bytes above which free pages are given back before others are committed, a few at a time; nothing fails.
    pub fn set_soft_limit(&self, bytes: Option<u64>) {
        self.soft_limit.store(bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Bytes that count against the limit.
    pub fn in_use(&self) -> u64 {
        self.in_use_locked(&self.pages.lock())
    }

    /// The first page that was never used.
    pub(crate) fn top(&self) -> PageNo {
        self.pages.lock().heap.top()
    }

    /// All rows of free pages.
    pub(crate) fn free_rows(&self) -> Vec<(Backing, Row)> {
        let mut rows = Vec::new();
        self.pages
            .lock()
            .heap
            .for_each_free(self.space.page_table(), |backing, row| rows.push((backing, row)));
        rows
    }

    /// Bytes of the strips in use.
    pub(crate) fn strip_bytes(&self) -> usize {
        self.pages.lock().strips.used()
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|&limit| limit != u64::MAX)
    }

    /// Counters of pages and spans, and bytes of metadata, all of one moment.
    pub(crate) fn page_stats(&self) -> (PageStats, u64) {
        let state = self.pages.lock();
        let heap = &state.heap;
        let (used, spans) =
            ((0..2).map(|parity| self.sweeping.pages(parity)), (0..2).map(|p| self.sweeping.spans(p)));
        let stats = PageStats {
            resident: heap.resident(),
            free: heap.free_committed(),
            released: heap.free_released(),
            used: used.sum(),
            spans: spans.sum(),
            colours: state.strips.resident(),
            colours_idle: state.strips.idle(),
        };
        (stats, self.metadata_locked(&state))
    }

    /// Whether an empty heap would have a row of so many pages, below the limit.
    pub(super) fn could_hold(&self, pages: u32) -> bool {
        let bytes = pages as usize * PAGE_SIZE;
        pages <= self.space.page_count() && bytes as u64 <= self.limit.load(Ordering::Relaxed)
    }

    fn in_use_locked(&self, state: &PageState) -> u64 {
        let committed = (state.heap.resident() * PAGE_SIZE) as u64;
        sum_in_use(
            committed,
            self.metadata_locked(state),
            self.external.bytes(),
            self.client.load(Ordering::Relaxed),
        )
    }

    pub(super) fn metadata_locked(&self, state: &PageState) -> u64 {
        state.metadata(self.known_spans.load(Ordering::Relaxed), self.registry.count())
    }

    /// Gives a few free pages back if `pages` more would pass the soft limit.
    fn ease(&self, pages: u32) {
        let soft = self.soft_limit.load(Ordering::Relaxed);
        if soft == u64::MAX {
            return;
        }
        let state = self.pages.lock();
        let fresh = state.heap.plan(self.space.page_table(), pages).map_or(0, |plan| plan.fresh);
        let wanted = self.in_use_locked(&state).saturating_add(most_added(fresh));
        drop(state);
        if fresh > 0 && wanted > soft {
            let over = (wanted - soft).div_ceil(PAGE_SIZE as u64).min(RELEASE_STEP as u64);
            let _ = self.release(over as usize);
        }
    }

    /// Pages, a strip of `strip_len` colour bytes, and a number for a span. Gives free pages back if that helps, and waits for
    /// what others are giving back.
    pub(super) fn take_parts(&self, pages: u32, strip_len: usize) -> Result<Parts, OutOfMemory> {
        self.ease(pages);
        let (mut is_all_given, mut is_refused) = (false, false);
        loop {
            let mut state = self.pages.lock();
            let lack = match self.plan(&state, pages) {
                Ok(plan) => match state.strips.take(strip_len) {
                    Some(strip) => return self.take(state, plan, strip).map_err(|lack| lack.error(pages)),
                    None => self.lack(&state, Obstacle::Table, 0),
                },
                Err(lack) => lack,
            };
            let is_more_coming = state.leaving > 0;
            drop(state);
            if !is_all_given {
                // A piece, and another look: an allocation should not give back a heap for a row that one piece frees.
                let given = self.release(lack.over.min(RELEASE_STEP));
                is_refused |= given.error.is_some();
                is_all_given = given.is_nothing();
            } else if is_more_coming {
                #[cfg(all(test, not(loom)))]
                tests::waits();
                thread::yield_now();
                // A system that refuses is not asked again: those who need memory would wait for each other's vain calls.
                is_all_given = is_refused;
            } else {
                return Err(lack.error(pages));
            }
        }
    }

    /// Where so many pages would come from, below the limit.
    fn plan(&self, state: &PageState, pages: u32) -> Result<Plan, Lack> {
        let Some(plan) = state.heap.plan(self.space.page_table(), pages) else {
            // Committed and released neighbours do not join: all free pages of one kind may do.
            return Err(self.lack(state, Obstacle::Reservation, usize::MAX));
        };
        if plan.fresh > 0 {
            let wanted = self.in_use_locked(state).saturating_add(most_added(plan.fresh));
            let limit = self.limit.load(Ordering::Relaxed);
            if wanted > limit {
                let over = (wanted - limit).div_ceil(PAGE_SIZE as u64) as usize;
                return Err(self.lack(state, Obstacle::Limit, over));
            }
        }
        Ok(plan)
    }

    fn lack(&self, state: &PageState, obstacle: Obstacle, over: usize) -> Lack {
        let limit = match obstacle {
            Obstacle::Limit | Obstacle::System => self.limit.load(Ordering::Relaxed),
            Obstacle::Reservation => self.space.len() as u64,
            Obstacle::Table => self.space.colour_table().entries() as u64,
        };
        Lack { obstacle, limit, in_use: self.in_use_locked(state), over }
    }

    /// The parts of a span: what `plan` has just found, and a strip.
    fn take(&self, mut state: MutexGuard<'_, PageState>, plan: Plan, strip: StripNo) -> Result<Parts, Lack> {
        let row = state.heap.take(self.space.page_table(), plan);
        let id = self.take_number(&mut state);
        drop(state);
        let parts = Parts { row, strip, id };
        if self.commit(row, plan.fresh).is_err() {
            let mut state = self.pages.lock();
            self.give_uncommitted(&mut state, parts, plan.fresh);
            return Err(self.lack(&state, Obstacle::System, 0));
        }
        Ok(parts)
    }

    /// Tells the system that the last `fresh` pages of `row` are about to be used.
    fn commit(&self, row: Row, fresh: u32) -> io::Result<()> {
        if fresh == 0 {
            return Ok(());
        }
        self.os.commit(self.space.memory(), self.space.place_of(row.end().minus(fresh), fresh))
    }

    fn take_number(&self, state: &mut PageState) -> SpanId {
        if state.unused.is_some() {
            let id = state.unused;
            state.unused = SpanId(self.span(id).link().load(Ordering::Relaxed));
            return id;
        }
        let id = SpanId(self.known_spans.load(Ordering::Relaxed) + 1);
        self.known_spans.store(id.0, Ordering::Relaxed);
        id
    }

    fn give_number(&self, state: &mut PageState, id: SpanId) {
        self.span(id).link().store(state.unused.0, Ordering::Relaxed);
        state.unused = id;
    }

    /// Takes the parts of a span back, whose page entries are blank.
    pub(super) fn give_parts(&self, parts: Parts) {
        let mut state = self.pages.lock();
        state.strips.give(parts.strip);
        self.give_number(&mut state, parts.id);
        state.heap.give(self.space.page_table(), parts.row, Backing::Committed);
    }

    /// Takes parts back of whose pages the last `fresh` could not be committed.
    fn give_uncommitted(&self, state: &mut PageState, parts: Parts, fresh: u32) {
        state.strips.give(parts.strip);
        self.give_number(state, parts.id);
        let table = self.space.page_table();
        let Row { start, pages } = parts.row;
        if pages > fresh {
            state.heap.give(table, Row { start, pages: pages - fresh }, Backing::Committed);
        }
        let row = Row { start: parts.row.end().minus(fresh), pages: fresh };
        state.heap.give(table, row, Backing::Released);
    }

    /// How often memory has been given back to the system so far, `None` while some is on its way, which no table knows then: between
    /// two answers that are the same number none was. A short lock.
    pub fn releases(&self) -> Option<u64> {
        let state = self.pages.lock();
        (state.leaving == 0).then_some(state.left)
    }

    /// Gives up to `max_pages` free pages back to the system, long rows at high addresses first, and up to as many idle pieces of the
    /// colour table. Cost: a call of the system for each half a MiB of pages, in up to 64 rows, and for each 64 idle pieces.
    pub fn release(&self, max_pages: usize) -> ReleaseProgress {
        let mut progress = ReleaseProgress::default();
        progress.error = self.release_all(max_pages, &mut progress).err();
        self.with_rest(progress)
    }

    /// As [`MHeap::release`], with one call of the system at most: up to 64 pages, or if there are none, or none are wanted, up to 64
    /// pieces of the colour table. A call takes some 30 us, and 1 us for each page: every processor has to forget the addresses.
    pub fn release_once(&self, max_pages: usize) -> ReleaseProgress {
        let mut progress = ReleaseProgress::default();
        progress.error = self.release_either(max_pages, &mut progress).err();
        self.with_rest(progress)
    }

    fn with_rest(&self, mut progress: ReleaseProgress) -> ReleaseProgress {
        progress.left = self.pages.lock().heap.free_committed();
        progress
    }

    fn release_all(&self, max_pages: usize, progress: &mut ReleaseProgress) -> io::Result<()> {
        while progress.pages < max_pages {
            if self.release_pages(max_pages - progress.pages, progress)? == 0 {
                break;
            }
        }
        let mut left = max_pages;
        while left > 0 {
            let slabs = RELEASE_STEP.min(left);
            left -= slabs;
            if self.release_colours(slabs, progress)? < slabs {
                break;
            }
        }
        Ok(())
    }

    fn release_either(&self, max_pages: usize, progress: &mut ReleaseProgress) -> io::Result<()> {
        if max_pages == 0 || self.release_pages(max_pages, progress)? == 0 {
            self.release_colours(RELEASE_STEP, progress)?;
        }
        Ok(())
    }

    /// Says that memory just taken is on its way to the system.
    fn leave(&self, state: &mut PageState) -> Leaving<'_> {
        #[cfg(all(test, not(loom)))]
        tests::leaves();
        state.leaving += 1;
        state.left += 1;
        Leaving(self)
    }

    /// Gives back up to `most` pages, and no more than [`RELEASE_STEP`], with one call: how many.
    fn release_pages(&self, most: usize, progress: &mut ReleaseProgress) -> io::Result<usize> {
        let table = self.space.page_table();
        let mut rows = [Row::NONE; RELEASE_STEP];
        let room = self.os.ranges_at_once().clamp(1, RELEASE_STEP);
        let mut state = self.pages.lock();
        let count = state.heap.take_highest(table, RELEASE_STEP.min(most) as u32, &mut rows[..room]);
        if count == 0 {
            return Ok(0);
        }
        let leaving = self.leave(&mut state);
        drop(state);
        let rows = &rows[..count];
        let place = |row: &Row| self.space.place_of(row.start, row.pages);
        let places: [_; RELEASE_STEP] = array::from_fn(|at| rows.get(at).map_or(0..0, place));
        // SAFETY: the rows were free, and until they are given back to the page heap below nobody else can get them, so
        // nobody uses these pages (MHeap invariant 1).
        let result = unsafe { self.os.release(self.space.memory(), &places[..count]) };
        let gone = result.as_ref().map_or_else(|error| error.released, |()| count);
        let mut state = self.pages.lock();
        for (at, &row) in rows.iter().enumerate() {
            let backing = if at < gone { Backing::Released } else { Backing::Committed };
            state.heap.give(table, row, backing);
        }
        drop(state);
        drop(leaving);
        let pages = rows[..gone].iter().map(|row| row.pages as usize).sum();
        progress.pages += pages;
        result.map_err(|error| error.source)?;
        Ok(pages)
    }

    /// Gives back up to `most` idle slabs, and no more than [`RELEASE_STEP`], with one call: how many.
    fn release_colours(&self, most: usize, progress: &mut ReleaseProgress) -> io::Result<usize> {
        let mut state = self.pages.lock();
        let mut slabs = state.strips.take_idle(RELEASE_STEP.min(most));
        if slabs.is_empty() {
            // Nothing is on its way, and nobody should wait for it.
            return Ok(0);
        }
        let leaving = self.leave(&mut state);
        drop(state);
        slabs.sort_unstable();
        let table = self.space.colour_table();
        let place =
            |row: &[u32]| table.place_of(row[0] as usize * SLAB..(row[0] as usize + row.len()) * SLAB);
        let places: Vec<_> = slabs.chunk_by(|a, b| a + 1 == *b).map(place).collect();
        // SAFETY: the slabs have no strips, and until they are given back below they get none, so nobody uses their bytes.
        let result = unsafe { self.os.release(table.memory(), &places) };
        let gone = result.as_ref().map_or_else(|error| error.released, |()| places.len());
        let gone = places[..gone].iter().map(|place| place.len() / SLAB).sum();
        let mut state = self.pages.lock();
        for (at, &slab) in slabs.iter().enumerate() {
            state.strips.give_idle(slab, at < gone);
        }
        drop(state);
        drop(leaving);
        progress.colours += gone * SLAB;
        result.map_err(|error| error.source)?;
        Ok(gone)
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
