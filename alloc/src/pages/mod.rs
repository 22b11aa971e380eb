//! The page heap: which pages are free, which have memory behind them, and who gets which.
//!
//! Free pages are kept as rows, committed and released ones apart, each kind indexed by length ([`rows`]) and coalesced
//! with neighbours of its own kind. Pages above `top` have never been used and are in no index. A request is served
//!
//! 1. from the lowest committed row that is long enough, of the few lowest, or the best fitting one (no new memory),
//! 2. else from the best fitting released row,
//! 3. else from `top` up, together with a free row that ends there.
//!
//! Pages are given back from the longest of the few highest rows, so that the heap stays dense at the low end.
//!
//! Everything here happens under one lock (`Rank::Pages`) and takes constant time for a row of up to 64 pages, logarithmic for
//! longer ones; what goes back is up to 64 rows at a time. It never calls the system: the caller commits and releases.
//!
//! Best fit with boundary tags is D. Knuth's (The Art of Computer Programming 1, 2.5); keeping released pages apart and
//! releasing from the top is what Go's page heap does.

mod bits;
mod rows;

pub(crate) use rows::Row;

use crate::space::{Backing, PageEntry, Table};
use crate::unit::PageNo;
use bits::PageSet;
use rows::Rows;

/// Rows from the top among which the longest is given back, and from the bottom among which the first is taken that is long enough.
const LOOKS: usize = 16;

/// Free and used pages of a heap.
///
/// # Invariants
/// 1. Every page below `top` is in exactly one of: a row of `committed`, a row of `released`, a span, or the hands of a
///    caller (between `take` and the span, or on its way to the system). Pages from `top` on have blank entries.
/// 2. No two rows of one kind are neighbours.
/// 3. `starts` holds the first pages of the committed rows.
/// 4. `resident` counts the pages below `top` that are not in `released`.
#[derive(Debug)]
pub(crate) struct PageHeap {
    committed: Rows,
    released: Rows,
    starts: PageSet,
    top: PageNo,
    end: PageNo,
    resident: usize,
}

/// Where a request would be served from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    source: Source,
    pages: u32,
    /// Pages that have no memory behind them yet.
    pub(crate) fresh: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    Row(Backing, Row),
    /// From `top` on, after a free row that ends there, if any.
    Top(Option<(Backing, Row)>),
}

impl PageHeap {
    /// A heap of `pages` pages, all of them never used.
    pub(crate) fn new(pages: u32) -> PageHeap {
        PageHeap {
            committed: Rows::new(Backing::Committed),
            released: Rows::new(Backing::Released),
            starts: PageSet::default(),
            top: PageNo(0),
            end: PageNo(pages),
            resident: 0,
        }
    }

    /// Finds a place for `pages` (at least 1) pages without taking it.
    pub(crate) fn plan(&self, table: &Table<PageEntry>, pages: u32) -> Option<Plan> {
        debug_assert!(pages > 0);
        if let Some(row) = self.lowest(table, pages).or_else(|| self.committed.best(pages)) {
            return Some(Plan { source: Source::Row(Backing::Committed, row), pages, fresh: 0 });
        }
        if let Some(row) = self.released.best(pages) {
            return Some(Plan { source: Source::Row(Backing::Released, row), pages, fresh: pages });
        }
        let below = self.row_ending_at(table, self.top);
        let joined = below.map_or(0, |(_, row)| row.pages);
        if self.end.0 - self.top.0 < pages - joined {
            return None;
        }
        let committed = if let Some((Backing::Committed, row)) = below { row.pages } else { 0 };
        Some(Plan { source: Source::Top(below), pages, fresh: pages - committed })
    }

    /// Takes what `plan` found; nothing may have happened in between.
    pub(crate) fn take(&mut self, table: &Table<PageEntry>, plan: Plan) -> Row {
        self.resident += plan.fresh as usize;
        match plan.source {
            Source::Row(backing, row) => {
                self.remove(table, backing, row);
                if row.pages > plan.pages {
                    let rest = Row { start: row.start.plus(plan.pages), pages: row.pages - plan.pages };
                    self.insert(table, backing, rest);
                }
                Row { start: row.start, pages: plan.pages }
            }
            Source::Top(below) => {
                let start = match below {
                    Some((backing, row)) => {
                        self.remove(table, backing, row);
                        row.start
                    }
                    None => self.top,
                };
                self.top = start.plus(plan.pages);
                Row { start, pages: plan.pages }
            }
        }
    }

    /// Takes a row back, whose entries are blank, and joins it with its neighbours of the same kind.
    pub(crate) fn give(&mut self, table: &Table<PageEntry>, row: Row, backing: Backing) {
        if backing == Backing::Released {
            self.resident -= row.pages as usize;
        }
        let mut joined = row;
        if let Some((kind, below)) = self.row_ending_at(table, row.start)
            && kind == backing
        {
            self.remove(table, kind, below);
            joined = Row { start: below.start, pages: below.pages + joined.pages };
        }
        if row.end() < self.top
            && let Some((kind, pages)) = table.at(row.end().index()).read().free_row()
            && kind == backing
        {
            let above = Row { start: row.end(), pages };
            self.remove(table, kind, above);
            joined.pages += pages;
        }
        self.insert(table, backing, joined);
    }

    /// Takes up to `most` committed free pages in as many rows as `rows` has room for, from the ends of rows near the top, so that the
    /// caller can give them to the system and come back with [`PageHeap::give`]. How many rows.
    pub(crate) fn take_highest(&mut self, table: &Table<PageEntry>, most: u32, rows: &mut [Row]) -> usize {
        let (mut taken, mut left) = (0, most);
        for place in rows {
            if left == 0 {
                break;
            }
            let Some(row) = self.take_high(table, left) else { break };
            left -= row.pages;
            *place = row;
            taken += 1;
        }
        taken
    }

    /// Up to `most` pages from the end of the first of the [`LOOKS`] highest rows that has so many, or the longest of them: a row more
    /// costs the system more than a page.
    fn take_high(&mut self, table: &Table<PageEntry>, most: u32) -> Option<Row> {
        let mut row = self.committed_row(table, self.starts.last()?);
        let mut next = self.starts.before(row.start.0);
        for _ in 1..LOOKS {
            let Some(start) = next.filter(|_| row.pages < most) else { break };
            let other = self.committed_row(table, start);
            if other.pages > row.pages {
                row = other;
            }
            next = self.starts.before(start);
        }
        let Row { start, pages } = row;
        self.remove(table, Backing::Committed, row);
        if pages <= most {
            return Some(row);
        }
        let stay = pages - most;
        self.insert(table, Backing::Committed, Row { start, pages: stay });
        Some(Row { start: start.plus(stay), pages: most })
    }

    /// The first of the [`LOOKS`] lowest committed rows that has so many pages: what is in use gathers below, and what is free above,
    /// where it goes back in long rows.
    fn lowest(&self, table: &Table<PageEntry>, pages: u32) -> Option<Row> {
        let mut next = self.starts.from(0);
        for _ in 0..LOOKS {
            let row = self.committed_row(table, next?);
            if row.pages >= pages {
                return Some(row);
            }
            next = self.starts.from(row.start.0 + 1);
        }
        None
    }

    fn committed_row(&self, table: &Table<PageEntry>, start: u32) -> Row {
        let start = PageNo(start);
        let Some((Backing::Committed, pages)) = table.at(start.index()).read().free_row() else {
            unreachable!("invariant 3: a committed row starts at {start:?}");
        };
        Row { start, pages }
    }

    fn row_ending_at(&self, table: &Table<PageEntry>, end: PageNo) -> Option<(Backing, Row)> {
        let last = end.0.checked_sub(1)?;
        let (backing, pages) = table.at(last as usize).read().free_row()?;
        Some((backing, Row { start: PageNo(end.0 - pages), pages }))
    }

    fn insert(&mut self, table: &Table<PageEntry>, backing: Backing, row: Row) {
        match backing {
            Backing::Committed => {
                self.committed.insert(table, row);
                self.starts.insert(row.start.0);
            }
            Backing::Released => self.released.insert(table, row),
        }
    }

    fn remove(&mut self, table: &Table<PageEntry>, backing: Backing, row: Row) {
        match backing {
            Backing::Committed => {
                self.committed.remove(table, row);
                self.starts.remove(row.start.0);
            }
            Backing::Released => self.released.remove(table, row),
        }
    }

    /// Pages with memory behind them, free or used.
    pub(crate) fn resident(&self) -> usize {
        self.resident
    }

    /// Free pages with memory behind them.
    pub(crate) fn free_committed(&self) -> usize {
        self.committed.pages()
    }

    /// Free pages below the top without memory behind them.
    pub(crate) fn free_released(&self) -> usize {
        self.released.pages()
    }

    /// The first page that was never used.
    pub(crate) fn top(&self) -> PageNo {
        self.top
    }

    /// Bytes of its own tables (page entries not counted).
    pub(crate) fn bytes(&self) -> usize {
        self.starts.bytes()
    }

    /// For tests of the verification.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn count_a_released_page_too_many(&mut self) {
        self.released.count_a_page_too_many();
    }

    /// Calls `f` with every free row.
    pub(crate) fn for_each_free(&self, table: &Table<PageEntry>, mut f: impl FnMut(Backing, Row)) {
        self.committed.for_each(table, |row| f(Backing::Committed, row));
        self.released.for_each(table, |row| f(Backing::Released, row));
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
