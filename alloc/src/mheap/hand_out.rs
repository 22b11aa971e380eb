//! The mcentral: which span a cache gets next, and where a span goes that a cache puts back.
//!
//! A cache that has used up its span gets, of the same class,
//!
//! 1. a span with Free slots that is swept already,
//! 2. else, once the sweep is open and the type has no drop glue, the first span with Free slots (or none live at all) that
//!    sweeping a few of the class's own spans yields,
//! 3. else a new span of fresh pages, longer the more the class has,
//! 4. else, where no pages can be had, whichever sweeping all classes yields first: pages for a new span, or a span of its own
//!    class with Free slots.
//!
//! A large value gets a new span, or what step 4 yields.

use super::MHeap;
use super::sweep::{Reclaim, Role, SweptPages, parity};
use crate::error::OutOfMemory;
use crate::span::{Place, Span};
use crate::type_info::SpanFlags;
use crate::unit::{SpanClassId, SpanId};
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, Point, fault, point};

/// Spans without a Free slot that a refill sweeps before it takes fresh pages: bounds what one allocation can cost.
const SWEEP_TRIES: usize = 16;
/// Pages that an allocation sweeps at a time when there is no other way to get any.
const SWEEP_PAGES: usize = 256;
/// Up to the first number of spans a class gets the shortest ones, up to the second the middle ones.
const STAGE_ENDS: [u32; 2] = [4, 12];

/// A span for a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandedOut {
    pub(crate) id: SpanId,
    /// Whether all of its slots are Free.
    pub(crate) is_empty: bool,
}

impl MHeap {
    /// A span of `class` with at least one Free slot; it belongs to the caller. Adds the pages swept for it to `swept`.
    pub(crate) fn hand_out(
        &self,
        class: SpanClassId,
        reclaim: &dyn Reclaim,
        swept: &SweptPages,
    ) -> Result<HandedOut, OutOfMemory> {
        point(Point::SpanHandOut);
        let central = self.registry.central(class);
        if fault(Fault::HandedOutUnswept)
            && let Some(id) = central.partial[self.sweeping.state().old_parity()].pop(&self.space)
        {
            self.span(id).set_place(Place::Cached);
            return Ok(HandedOut { id, is_empty: false });
        }
        let found = self.take_partial(class).or_else(|| {
            let barred = self.space.class_info(class).flags().contains(SpanFlags::DROP);
            if barred { None } else { self.sweep_for(class, SWEEP_TRIES, reclaim, swept) }
        });
        let found = match found {
            Some(found) => found,
            None => self.or_sweep(0, reclaim, swept, || match self.grow(class) {
                Ok(id) => Ok(HandedOut { id, is_empty: true }),
                Err(error) => self.take_partial(class).ok_or(error),
            })?,
        };
        self.span(found.id).set_place(Place::Cached);
        Ok(found)
    }

    /// A span of `class`, a class of large values, of `pages` pages; it belongs to the caller. Adds the pages swept for it to
    /// `swept`.
    pub(crate) fn make_large(
        &self,
        class: SpanClassId,
        pages: u32,
        reclaim: &dyn Reclaim,
        swept: &SweptPages,
    ) -> Result<SpanId, OutOfMemory> {
        self.or_sweep(pages, reclaim, swept, || self.make_span(class, pages))
    }

    /// A swept span of `class` with Free slots.
    fn take_partial(&self, class: SpanClassId) -> Option<HandedOut> {
        let partial = &self.registry.central(class).partial[self.sweeping.state().parity()];
        partial.pop(&self.space).map(|id| HandedOut { id, is_empty: false })
    }

    /// What `attempt`, which needs a row of so many `pages`, yields. As long as it yields nothing, spans of all classes are
    /// swept for it, until none is left that a mutator may claim; adds their pages to `swept`. Nothing is swept for a row that
    /// an empty heap would not have.
    fn or_sweep<T>(
        &self,
        pages: u32,
        reclaim: &dyn Reclaim,
        swept: &SweptPages,
        attempt: impl Fn() -> Result<T, OutOfMemory>,
    ) -> Result<T, OutOfMemory> {
        let mut is_last = !self.could_hold(pages);
        loop {
            match attempt() {
                Err(_) if !is_last => {}
                result => return result,
            }
            // As many as it needs may be one row, which fewer cannot be: what is free is given back at each attempt.
            let most = SWEEP_PAGES.max(pages as usize);
            let done = self.sweep_some(Role::Mutator, most, reclaim).pages;
            swept.add(done as u32);
            // Once more even then: others may have swept the last ones since the attempt.
            is_last = done == 0;
        }
    }

    /// A new span of `class`.
    fn grow(&self, class: SpanClassId) -> Result<SpanId, OutOfMemory> {
        let spans = self.registry.central(class).spans.load(Ordering::Relaxed);
        let stage = STAGE_ENDS.iter().filter(|&&end| spans >= end).count();
        let size_class = self.space.class_info(class).size_class();
        let (wanted, least) = (size_class.span_pages(stage), size_class.span_pages(0));
        match self.make_span(class, wanted as u32) {
            // A shorter span may still fit below the limit or between others.
            Err(_) if least < wanted => self.make_span(class, least as u32),
            result => result,
        }
    }

    /// Takes a span back that has no Free slot.
    pub(crate) fn put_full(&self, span: &Span) {
        span.set_place(Place::Full);
        self.registry.central(span.class()).full[parity(span.generation())].push(&self.space, span.id());
    }

    /// Takes a span back that has Free slots.
    pub(crate) fn put_partial(&self, span: &Span) {
        span.set_place(Place::Partial);
        self.registry.central(span.class()).partial[parity(span.generation())].push(&self.space, span.id());
    }
}
