//! Making spans of pages, and pages of spans.

use super::MHeap;
use super::supply::Parts;
use super::sweep::parity;
use crate::asan;
use crate::error::OutOfMemory;
use crate::pages::Row;
use crate::span::{NewSpan, Place, Span, strip, strip_len};
use crate::unit::{PAGE_SIZE, PageNo, SpanClassId, SpanId};
use greyset_sync::atomic::Ordering;

impl MHeap {
    /// A span of `pages` fresh pages, all slots Free, of the current generation; it belongs to the caller. Linear in its
    /// pages and slots.
    pub(crate) fn make_span(&self, class: SpanClassId, pages: u32) -> Result<SpanId, OutOfMemory> {
        let info = self.space.class_info(class);
        let slots = info.size_class().slots(pages as usize);
        let parts = self.take_parts(pages, strip_len(slots))?;
        let Parts { row, strip, id } = parts;
        let generation = self.sweeping.state().generation;
        let addr = self.space.page_addr(row.start);
        asan::poison(self.space.pointer(addr), pages as usize * PAGE_SIZE);
        strip::init(self.space.strip(strip, strip_len(slots)), slots);
        let bias = info.magic().bias(addr, strip);
        for page in row.start.0..row.end().0 {
            self.space.set_span_id(PageNo(page), id);
            let entry = self.space.page_table().at(page as usize);
            entry.set_span(info.magic(), bias, class, info.flags());
        }
        self.span(id).set(NewSpan { id, addr, pages, class, strip, slots, generation }, info);
        self.zeal.span_made(&self.space, self.span(id));
        self.sweeping.enter(parity(generation), pages);
        self.registry.central(class).spans.fetch_add(1, Ordering::Relaxed);
        debug_assert!(addr.is_multiple_of(PAGE_SIZE));
        Ok(id)
    }

    /// Takes a span back, which belongs to the caller, has no live objects and is no longer counted by generation: its pages,
    /// strip and number are free again.
    pub(crate) fn free_span(&self, span: &Span) {
        let (start, pages) = (self.space.page_no(span.addr()), span.pages());
        let parts = Parts { row: Row { start, pages }, strip: span.strip_no(), id: span.id() };
        span.set_place(Place::Unused);
        for page in start.0..start.0 + pages {
            self.space.page_table().at(page as usize).clear();
        }
        self.registry.central(span.class()).spans.fetch_sub(1, Ordering::Relaxed);
        self.give_parts(parts);
    }
}
