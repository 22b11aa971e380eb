//! Damage to a heap's tables, for tests of the verification.

use super::MHeap;
use crate::space::Backing;
use crate::unit::{SpanClassId, SpanId};

impl MHeap {
    /// Counts `spans` spans and `pages` pages too many.
    pub(crate) fn count_too_many(&self, spans: u32, pages: u32) {
        self.sweeping.enter(0, pages + 1);
        match spans {
            0 => self.sweeping.leave(0, 1),
            _ => (1..spans).for_each(|_| self.sweeping.enter(0, 0)),
        }
    }

    /// Counts a page with memory behind it too many.
    pub(crate) fn count_a_resident_page_too_many(&self) {
        let mut state = self.pages.lock();
        let table = self.space.page_table();
        let mut plan = state.heap.plan(table, 1).expect("a free page");
        plan.fresh += 1;
        let row = state.heap.take(table, plan);
        state.heap.give(table, row, Backing::Committed);
    }

    /// Counts a free page without memory too many.
    pub(crate) fn count_a_released_page_too_many(&self) {
        self.pages.lock().heap.count_a_released_page_too_many();
    }

    /// Puts a number into a set that no span has.
    pub(crate) fn put_nobody(&self, class: SpanClassId, half: usize) {
        let nobody = SpanId(self.known_spans.load(greyset_sync::atomic::Ordering::Relaxed) + 3);
        self.registry.central(class).partial[half].push(&self.space, nobody);
    }

    /// Takes a strip for no span.
    pub(crate) fn lose_a_strip(&self, len: usize) {
        self.pages.lock().strips.take(len).expect("room in the table");
    }

    /// Makes two free rows of one, and does not join them. Returns how many pages the first has.
    pub(crate) fn split_a_free_row(&self) -> u32 {
        let mut state = self.pages.lock();
        let table = self.space.page_table();
        let plan = state.heap.plan(table, 1).expect("a free page");
        let row = state.heap.take(table, plan);
        // The rest is hidden while the first page is given back.
        let rest = table.at(row.end().index());
        let (backing, pages) = rest.read().free_row().expect("a row of more than a page");
        let (next, previous) = rest.links();
        rest.clear();
        state.heap.give(table, row, backing);
        rest.set_free(backing, pages);
        rest.set_links(next, previous);
        row.pages
    }
}
