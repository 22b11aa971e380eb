//! The page heap against a model that knows each page by itself.

use super::*;
use crate::os::FakeOs;
use crate::space::Carver;
use proptest::prelude::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Page {
    Untouched,
    Committed,
    Released,
    Used,
}

struct Model {
    heap: PageHeap,
    table: Table<PageEntry>,
    pages: Vec<Page>,
    held: Vec<Row>,
}

#[derive(Clone, Debug)]
enum Step {
    Take(u32),
    Give(prop::sample::Index),
    GiveBack(u32),
}

fn steps(longest: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..=longest).prop_map(Step::Take),
        1 => prop::sample::select(vec![1u32, 4, 8]).prop_map(Step::Take),
        4 => any::<prop::sample::Index>().prop_map(Step::Give),
        1 => (1..=longest).prop_map(Step::GiveBack),
    ];
    prop::collection::vec(step, 0..300)
}

impl Model {
    fn new(pages: u32) -> Model {
        let bytes = Table::<PageEntry>::size(pages as usize);
        let table = Carver::reserve(&FakeOs::allocated(), bytes).expect("small").carve(pages as usize);
        Model {
            heap: PageHeap::new(pages),
            table,
            pages: vec![Page::Untouched; pages as usize],
            held: Vec::new(),
        }
    }

    fn slice(&mut self, row: Row) -> &mut [Page] {
        &mut self.pages[row.start.index()..row.end().index()]
    }

    fn take(&mut self, pages: u32) -> Result<(), TestCaseError> {
        let Some(plan) = self.heap.plan(&self.table, pages) else {
            let longest = self.longest_uniform();
            prop_assert!(longest < pages as usize, "{pages} pages refused, {longest} are free in a row");
            return Ok(());
        };
        let row = self.heap.take(&self.table, plan);
        prop_assert_eq!(row.pages, pages);
        let fresh = self.slice(row).iter().filter(|&&page| page != Page::Committed).count();
        prop_assert_eq!(fresh, plan.fresh as usize);
        prop_assert!(self.slice(row).iter().all(|&page| page != Page::Used), "a page given twice");
        let keeps = (pages - plan.fresh) as usize;
        prop_assert!(self.slice(row)[..keeps].iter().all(|&page| page == Page::Committed), "fresh ones last");
        // Committed pages are preferred wherever they are long enough.
        if plan.fresh == pages {
            let committed = self.longest(|page| page == Page::Committed);
            prop_assert!(committed < pages as usize, "{committed} committed pages were passed over");
        }
        self.slice(row).fill(Page::Used);
        self.held.push(row);
        Ok(())
    }

    fn give(&mut self, pick: prop::sample::Index) {
        if self.held.is_empty() {
            return;
        }
        let row = self.held.swap_remove(pick.index(self.held.len()));
        self.heap.give(&self.table, row, Backing::Committed);
        self.slice(row).fill(Page::Committed);
    }

    /// Pages given back in up to three rows, each the longest of the highest.
    fn release(&mut self, most: u32) -> Result<(), TestCaseError> {
        let mut free = Vec::new();
        self.heap.for_each_free(&self.table, |backing, row| {
            if backing == Backing::Committed {
                free.push(row);
            }
        });
        free.sort_by_key(|row| std::cmp::Reverse(row.start));
        let (mut expected, mut left) = (Vec::new(), most);
        while left > 0 && expected.len() < 3 {
            let looks = free.len().min(LOOKS);
            let highest = &mut free[..looks];
            let Some(longest) = highest.iter().map(|row| row.pages.min(left)).max().filter(|&n| n > 0) else {
                break;
            };
            let Some(best) = highest.iter_mut().find(|row| row.pages.min(left) == longest) else { break };
            best.pages -= longest;
            expected.push(Row { start: best.end(), pages: longest });
            left -= longest;
            free.retain(|row| row.pages > 0);
        }
        let mut rows = [Row::NONE; 3];
        let count = self.heap.take_highest(&self.table, most, &mut rows);
        prop_assert_eq!(&rows[..count], &expected[..]);
        for &row in &rows[..count] {
            self.heap.give(&self.table, row, Backing::Released);
            self.slice(row).fill(Page::Released);
        }
        Ok(())
    }

    fn longest(&self, wanted: impl Fn(Page) -> bool) -> usize {
        self.pages.split(|&page| !wanted(page)).map(<[Page]>::len).max().unwrap_or(0)
    }

    /// Rows of one kind do not join with the other's, but with untouched pages they do.
    fn longest_uniform(&self) -> usize {
        let kinds = [Page::Committed, Page::Released];
        let each = kinds.map(|kind| self.longest(|page| page == kind || page == Page::Untouched));
        each[0].max(each[1])
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut seen = self.pages.clone();
        let mut rows = Vec::new();
        self.heap.for_each_free(&self.table, |backing, row| rows.push((row, backing)));
        rows.sort_by_key(|(row, _)| row.start);
        for &(row, backing) in &rows {
            let page = if backing == Backing::Committed { Page::Committed } else { Page::Released };
            let pages = &mut seen[row.start.index()..row.end().index()];
            prop_assert!(pages.iter().all(|&seen| seen == page), "{row:?}");
            pages.fill(Page::Used);
        }
        let joined = rows.windows(2).all(|pair| pair[0].1 != pair[1].1 || pair[0].0.end() < pair[1].0.start);
        prop_assert!(joined, "neighbours of one kind are one row");
        prop_assert!(seen.iter().all(|page| matches!(page, Page::Used | Page::Untouched)));
        let count = |kind| self.pages.iter().filter(|&&page| page == kind).count();
        prop_assert_eq!(self.heap.free_committed(), count(Page::Committed));
        prop_assert_eq!(self.heap.free_released(), count(Page::Released));
        prop_assert_eq!(self.heap.resident(), count(Page::Committed) + count(Page::Used));
        prop_assert_eq!(self.heap.top().index(), self.pages.len() - count(Page::Untouched));
        Ok(())
    }

    fn run(&mut self, steps: Vec<Step>) -> Result<(), TestCaseError> {
        for step in steps {
            match step {
                Step::Take(pages) => self.take(pages)?,
                Step::Give(pick) => self.give(pick),
                Step::GiveBack(most) => self.release(most)?,
            }
            self.check()?;
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn short_rows_behave_as_the_model(steps in steps(12)) {
        Model::new(200).run(steps)?;
    }

    #[test]
    fn long_rows_behave_as_the_model(steps in steps(150)) {
        Model::new(1000).run(steps)?;
    }
}

/// A heap of rows of these lengths that are free, with a used page after each.
fn free_rows(lengths: &[u32]) -> Model {
    let mut model = Model::new(1000);
    for &pages in lengths {
        model.take(pages).expect("room");
        model.take(1).expect("room");
    }
    for at in 0..lengths.len() {
        let row = model.held[2 * at];
        model.heap.give(&model.table, row, Backing::Committed);
    }
    model
}

#[test]
fn the_lowest_row_is_taken_that_is_long_enough() {
    let mut model = free_rows(&[2, 5, 3, 4]);
    let mut take = |pages| {
        let plan = model.heap.plan(&model.table, pages).expect("room");
        model.heap.take(&model.table, plan).start.0
    };
    assert_eq!([take(3), take(4), take(2)], [3, 13, 0]);
}

/// Where none of the lowest rows will do, the one that fits best, wherever it lies.
#[test]
fn above_many_short_rows_the_best_fitting_one_is_taken() {
    let mut model = free_rows(&[&[1; LOOKS][..], &[5, 3]].concat());
    let plan = model.heap.plan(&model.table, 3).expect("room");
    let from = 2 * LOOKS as u32;
    assert_eq!(model.heap.take(&model.table, plan).start.0, from + 6, "the row of 3, not the one of 5");
    // And the longest of the highest is given back, from its end.
    let mut rows = [Row::NONE; 2];
    assert_eq!(model.heap.take_highest(&model.table, 4, &mut rows), 1);
    assert_eq!((rows[0].start.0, rows[0].pages), (from + 1, 4));
    // What one row has not comes from the next.
    assert_eq!(model.heap.take_highest(&model.table, 2, &mut rows), 2);
    assert_eq!(rows.map(|row| (row.start.0, row.pages)), [(from, 1), (from - 2, 1)]);
}
