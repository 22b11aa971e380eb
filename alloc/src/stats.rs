//! Numbers about a heap's memory: what is reserved, committed, free, used, and by which classes.
//!
//! Reads counters; never keeps any of its own.

use crate::mheap::{MHeap, sum_in_use};
use crate::size_class::SizeClass;
use crate::type_info::TypeInfo;
use crate::unit::{PAGE_SIZE, SpanClassId};

/// A heap's memory at some moment. Bytes, unless the name says pages.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AllocStats {
    /// Address space the settings asked for.
    pub reserve_asked: u64,
    /// Address space reserved for objects; less than asked if the system refused.
    pub reserved: u64,
    /// Memory behind pages, used or free: what the heap has taken from the system for objects and not given back.
    pub committed: u64,
    /// Memory of free pages that was given back.
    pub released: u64,
    /// Tables in use: page entries, colours, spans, classes.
    pub metadata: u64,
    /// Colours among them, in pieces of 4 KiB.
    pub colours: u64,
    /// Pieces of which no span has any: what could be given back.
    pub colours_idle: u64,
    /// What the client reported as external.
    pub external: u64,
    /// What the client reported as tables of its own.
    pub client: u64,
    /// What counts against the limit: committed, metadata, external, client.
    pub in_use: u64,
    /// The limit, if there is one.
    pub limit: Option<u64>,
    /// Pages of spans.
    pub pages_used: usize,
    /// Free pages with memory behind them.
    pub pages_free: usize,
    /// Free pages without memory behind them, below the highest page ever used.
    pub pages_released: usize,
    /// Spans in use.
    pub spans: usize,
    /// Pages of spans that the running sweep has not reached.
    pub pages_unswept: usize,
    /// Span classes seen so far.
    pub classes: usize,
    /// Whether huge pages were asked for and granted.
    pub huge_pages: bool,
}

/// What there is of one span class.
#[derive(Clone, Copy, Debug)]
pub struct ClassCensus {
    /// Its number.
    pub class: SpanClassId,
    /// The type.
    pub info: &'static TypeInfo,
    /// The size class.
    pub size_class: SizeClass,
    /// Spans.
    pub spans: usize,
    /// Bytes of their pages.
    pub bytes: usize,
    /// Objects alive after each span's last sweep. What was allocated since is not in it.
    pub live: usize,
    /// Bytes of their slots.
    pub live_bytes: usize,
}

impl MHeap {
    /// The heap's memory now. Cost: one short lock; walks nothing.
    pub fn stats(&self) -> AllocStats {
        let (heap, metadata) = self.page_stats();
        let external = self.external().bytes();
        let client = self.client_tables().load(greyset_sync::atomic::Ordering::Relaxed);
        let committed = (heap.resident * PAGE_SIZE) as u64;
        AllocStats {
            reserve_asked: self.asked(),
            reserved: self.space().len() as u64,
            committed,
            released: (heap.released * PAGE_SIZE) as u64,
            metadata,
            colours: heap.colours as u64,
            colours_idle: heap.colours_idle as u64,
            external,
            client,
            in_use: sum_in_use(committed, metadata, external, client),
            limit: self.limit(),
            pages_used: heap.used,
            pages_free: heap.free,
            pages_released: heap.released,
            spans: heap.spans,
            pages_unswept: self.unswept_pages(),
            classes: self.registry().count() as usize,
            huge_pages: self.space().has_huge_pages(),
        }
    }

    /// What there is of each span class, by class number. Walks all spans.
    pub fn census(&self) -> Vec<ClassCensus> {
        let mut census: Vec<ClassCensus> = (1..=self.registry().count())
            .map(|number| {
                let class = SpanClassId(number);
                let entry = self.space().class_info(class);
                let (info, size_class) = (entry.info(), entry.size_class());
                ClassCensus { class, info, size_class, spans: 0, bytes: 0, live: 0, live_bytes: 0 }
            })
            .collect();
        self.for_each_span(|span| {
            if let Some(row) = census.get_mut(span.class().index().wrapping_sub(1)) {
                row.spans += 1;
                row.bytes += span.bytes();
                row.live += span.live();
                row.live_bytes += span.live() * span.object_bytes();
            }
        });
        census
    }
}
