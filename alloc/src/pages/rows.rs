//! An index of rows of free pages by their length: best fit in constant time for short rows.
//!
//! Rows up to 64 pages hang in a list for each length, with a bit mask of the lists that hold any; links are in the page
//! entries of the rows' first pages. Longer rows are in an ordered set. Knows nothing of neighbours: coalescing is done by
//! the page heap.

use crate::space::{Backing, PageEntry, Table};
use crate::unit::PageNo;
use std::collections::BTreeSet;

/// A row of pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Row {
    pub(crate) start: PageNo,
    pub(crate) pages: u32,
}

impl Row {
    /// No row.
    pub(crate) const NONE: Row = Row { start: PageNo(0), pages: 0 };

    pub(crate) fn end(self) -> PageNo {
        self.start.plus(self.pages)
    }
}

/// Longest row that has a list of its own length.
const SHORT: u32 = 64;
/// No row.
const END: u32 = u32::MAX;

/// Rows of free pages with the same backing.
///
/// # Invariants
/// 1. A row is in the list of its length if that is at most `SHORT`, else in `long`; its first and last page entries say
///    its backing and length, and the entries between are blank.
/// 2. Bit `n - 1` of `some` is set if and only if the list of length `n` is not empty.
/// 3. `pages` is the sum of all lengths.
#[derive(Debug)]
pub(crate) struct Rows {
    backing: Backing,
    lists: [u32; SHORT as usize],
    some: u64,
    long: BTreeSet<(u32, PageNo)>,
    pages: usize,
}

impl Rows {
    pub(crate) fn new(backing: Backing) -> Rows {
        Rows { backing, lists: [END; SHORT as usize], some: 0, long: BTreeSet::new(), pages: 0 }
    }

    /// Sum of the rows' lengths.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// A row of at least `pages` pages, none shorter will do; it stays in the index.
    pub(crate) fn best(&self, pages: u32) -> Option<Row> {
        if pages <= SHORT {
            let fitting = self.some >> (pages - 1);
            if fitting != 0 {
                let pages = pages + fitting.trailing_zeros();
                return Some(Row { start: PageNo(self.lists[pages as usize - 1]), pages });
            }
        }
        self.long.range((pages, PageNo(0))..).next().map(|&(pages, start)| Row { start, pages })
    }

    /// Adds a row and writes its page entries.
    pub(crate) fn insert(&mut self, table: &Table<PageEntry>, row: Row) {
        let first = table.at(row.start.index());
        first.set_free(self.backing, row.pages);
        if row.pages > 1 {
            table.at(row.end().index() - 1).set_free(self.backing, row.pages);
        }
        self.pages += row.pages as usize;
        if row.pages > SHORT {
            self.long.insert((row.pages, row.start));
            return;
        }
        let list = &mut self.lists[row.pages as usize - 1];
        let next = std::mem::replace(list, row.start.0);
        first.set_links(next, END);
        if next != END {
            let (after, _) = table.at(next as usize).links();
            table.at(next as usize).set_links(after, row.start.0);
        }
        self.some |= 1 << (row.pages - 1);
    }

    /// Takes a row out and blanks its page entries.
    pub(crate) fn remove(&mut self, table: &Table<PageEntry>, row: Row) {
        self.pages -= row.pages as usize;
        let first = table.at(row.start.index());
        if row.pages > SHORT {
            let was_there = self.long.remove(&(row.pages, row.start));
            debug_assert!(was_there, "{row:?} is not in the index");
        } else {
            let (next, previous) = first.links();
            if next != END {
                let (after, _) = table.at(next as usize).links();
                table.at(next as usize).set_links(after, previous);
            }
            if previous != END {
                let (_, before) = table.at(previous as usize).links();
                table.at(previous as usize).set_links(next, before);
            } else {
                self.lists[row.pages as usize - 1] = next;
                if next == END {
                    self.some &= !(1 << (row.pages - 1));
                }
            }
        }
        first.clear();
        table.at(row.end().index() - 1).clear();
    }

    /// For tests of the verification.
    #[cfg(all(test, not(loom)))]
    pub(super) fn count_a_page_too_many(&mut self) {
        self.pages += 1;
    }

    /// All rows, in no order.
    pub(crate) fn for_each(&self, table: &Table<PageEntry>, mut f: impl FnMut(Row)) {
        for (at, &list) in self.lists.iter().enumerate() {
            let mut start = list;
            while start != END {
                f(Row { start: PageNo(start), pages: at as u32 + 1 });
                start = table.at(start as usize).links().0;
            }
        }
        self.long.iter().for_each(|&(pages, start)| f(Row { start, pages }));
    }
}
