//! Ephemerons: the tables of the `WeakMap`s met in a cycle.
//!
//! A marker that meets a `WeakMap` registers its table instead of scanning it, and so does a mutator that captures or shades the
//! contents of a `Lock`. Before the stacks count as empty, the values of entries with black keys are shaded, until a pass
//! finds nothing new (Hayes 1997). In phase Clear entries with white keys are removed.
//!
//! Registering is no marking work, and a registration after the last pass asks for no other one: one that matters happens only
//! while something is grey, so that the rounds are not clean anyway (docs/PROTOCOL.md, "Why it is safe", 7). As work it would let a
//! program that goes on making maps keep marking from ending.

use crate::barrier::Shade;
use crate::handle::{Stamp, WeakTable};
use crate::heap::Shared;
use crate::mark::Marker;
use greyset_sync::atomic::{AtomicBool, Ordering};
use greyset_sync::{Fault, Mutex, Point, Rank, fault, point};
use std::sync::Arc;

/// The tables met in this cycle.
///
/// # Invariants
/// 1. A table that has been met is here until [`forget`](Ephemerons::forget), whatever becomes of its map; while the collector
///    goes over the list it has all of it in its hands, and what is met meanwhile is put behind.
/// 2. Entries of tables here lead to objects that have not been freed: the list is of one cycle, and what is white is not
///    swept before it is forgotten. (What is met after that has black keys and values only, and is forgotten at the next
///    flip.)
/// 3. What is taken out of the list is only by the collector, under its lock.
pub(crate) struct Ephemerons {
    met: Mutex<Vec<Arc<WeakTable>>>,
    /// Traced in this cycle: of interest only with a rule broken.
    traced: AtomicBool,
}

impl Ephemerons {
    /// None met.
    pub(crate) fn new() -> Ephemerons {
        Ephemerons { met: Mutex::new(Rank::Mark, Vec::new()), traced: AtomicBool::new(false) }
    }

    /// A table has been met in this cycle, in mode Both or by who marks or captures.
    ///
    /// It goes on the list before it counts as registered. So two that race put it there twice, which is harmless, and who takes
    /// it for registered can rely on it.
    pub(crate) fn register(&self, table: &Arc<WeakTable>, cycle: u32) {
        if !table.is_registered(cycle) {
            self.met.lock().push(Arc::clone(table));
            table.set_registered(cycle);
        }
    }

    /// Lets `look` have all tables.
    fn with_all<R>(&self, look: impl FnOnce(&[Arc<WeakTable>]) -> R) -> R {
        let mut tables = std::mem::take(&mut *self.met.lock());
        let result = look(&tables);
        let mut met = self.met.lock();
        tables.append(&mut met);
        *met = tables;
        result
    }

    /// Whether none has been met. Asked by the collector.
    pub(crate) fn is_empty(&self) -> bool {
        self.met.lock().is_empty()
    }

    /// One pass: shades the values of entries with black keys. True if a table was locked and has to be tried again.
    pub(crate) fn trace(&self, shared: &Shared, marker: &mut Marker) -> bool {
        if self.is_empty() || fault(Fault::EphemeronsOnce) && self.traced.swap(true, Ordering::Relaxed) {
            return false;
        }
        point(Point::EphemeronTrace);
        let shade = Shade::new(shared.published.white());
        let is_live = |stamp: Stamp| shared.mutators.stamp_is_live(stamp);
        let view = shared.space().view();
        self.with_all(|tables| {
            let mut locked = false;
            for table in tables {
                locked |= !table.for_each(is_live, |key, value| {
                    if !shade.is_white(shared.space(), key) {
                        marker.mark(view, value);
                    }
                });
            }
            locked
        })
    }

    /// Removes entries with white keys. False if a table was locked: call again.
    pub(crate) fn clear(&self, shared: &Shared, is_white: &dyn Fn(usize) -> bool) -> bool {
        let is_live = |stamp: Stamp| shared.mutators.stamp_is_live(stamp);
        self.with_all(|tables| tables.iter().all(|table| table.clear_dead(|key| !is_white(key), is_live)))
    }

    /// No table is kept: the cycle is over, or the next one is about to begin.
    pub(crate) fn forget(&self) {
        self.traced.store(false, Ordering::Relaxed);
        let tables = std::mem::take(&mut *self.met.lock());
        drop(tables);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_registered_once_a_cycle_and_kept_until_it_is_forgotten() {
        let ephemerons = Ephemerons::new();
        let table = Arc::new(WeakTable::new());
        for cycle in [1, 2] {
            for _ in 0..3 {
                ephemerons.register(&table, cycle);
            }
            assert_eq!(Arc::strong_count(&table), 2, "cycle {cycle}");
            ephemerons.forget();
            assert_eq!(Arc::strong_count(&table), 1, "cycle {cycle}");
        }
    }

    #[test]
    fn what_is_met_during_a_pass_is_put_behind() {
        let ephemerons = Ephemerons::new();
        let [a, b] = [(); 2].map(|()| Arc::new(WeakTable::new()));
        ephemerons.register(&a, 1);
        let seen = ephemerons.with_all(|tables| {
            ephemerons.register(&b, 1);
            ephemerons.register(&a, 1);
            tables.len()
        });
        assert_eq!((seen, ephemerons.with_all(<[_]>::len)), (1, 2));
    }
}
