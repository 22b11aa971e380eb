//! Ephemerons: the `WeakMap`s met by the markers of a cycle.
//!
//! A marker that meets a `WeakMap` registers it instead of scanning it. Before the stacks count as empty, the values of
//! entries with black keys are shaded, until a pass finds nothing new (Hayes 1997). In phase Clear entries with white keys
//! are removed.

use crate::barrier::Shade;
use crate::handle::Stamp;
use crate::heap::Shared;
use crate::mark::Marker;
use crate::trace::{EdgeSink, EphemeronTable, Outcome, Purpose, Tracer};
use greyset_sync::atomic::{AtomicBool, Ordering};
use greyset_sync::{Fault, Mutex, Point, Rank, fault, point};
use std::ptr::NonNull;

/// A registered table.
///
/// # Invariants
/// It lies in an object that a marker of this cycle has turned black, so it stays where it is until after phase Clear,
/// when the list is forgotten.
#[derive(Clone, Copy)]
struct Table(NonNull<dyn EphemeronTable>);

// SAFETY: tables are parts of heap objects, which any thread may look at (`Trace`); they guard their entries by a lock.
unsafe impl Send for Table {}

impl Table {
    fn get(&self) -> &dyn EphemeronTable {
        // SAFETY: by the type's invariant the table is there.
        unsafe { self.0.as_ref() }
    }
}

/// The tables met in this cycle.
pub(crate) struct Ephemerons {
    met: Mutex<Vec<Table>>,
    /// Traced in this cycle: of interest only with a rule broken.
    traced: AtomicBool,
}

impl Ephemerons {
    /// None met.
    pub(crate) fn new() -> Ephemerons {
        Ephemerons { met: Mutex::new(Rank::Mark, Vec::new()), traced: AtomicBool::new(false) }
    }

    /// A marker has met a table. It may meet it twice (two markers that race): harmless.
    pub(crate) fn register(&self, table: NonNull<dyn EphemeronTable>) {
        self.met.lock().push(Table(table));
    }

    fn tables(&self) -> Vec<Table> {
        self.met.lock().clone()
    }

    /// Whether none has been met.
    pub(crate) fn is_empty(&self) -> bool {
        self.met.lock().is_empty()
    }

    /// One pass: shades the values of entries with black keys. True if a table was locked and has to be tried again.
    pub(crate) fn trace(&self, shared: &Shared, marker: &mut Marker) -> bool {
        let tables = self.tables();
        if tables.is_empty() || fault(Fault::EphemeronsOnce) && self.traced.swap(true, Ordering::Relaxed) {
            return false;
        }
        point(Point::EphemeronTrace);
        let shade = Shade::new(shared.published.white());
        let is_marked = |key: usize| !shade.is_white(shared.space(), key);
        let mut locked = false;
        for table in tables {
            let mut sink = marker.sink(shared);
            let purpose = Purpose::Mark { cycle: shared.published.cycle() };
            let outcome = Tracer::run(&mut sink as &mut dyn EdgeSink, purpose, |t| {
                table.get().trace_values(&is_marked, t);
            });
            locked |= outcome == Outcome::Deferred;
        }
        locked
    }

    /// Removes entries with white keys. False if a table was locked: call again.
    pub(crate) fn clear(&self, shared: &Shared, is_white: &dyn Fn(usize) -> bool) -> bool {
        let is_marked = |key: usize| !is_white(key);
        let is_live = |stamp: Stamp| shared.mutators.stamp_is_live(stamp);
        self.tables().iter().all(|table| table.get().clear_dead(&is_marked, &is_live))
    }

    /// The cycle is over: no table is kept.
    pub(crate) fn forget(&self) {
        self.traced.store(false, Ordering::Relaxed);
        self.met.lock().clear();
    }
}
