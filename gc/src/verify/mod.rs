//! The verifier: an independent re-mark from the roots, as simple as possible, and a report that says who is to blame.
//!
//! It shares nothing with the marker but the types' own `trace`: a set of visited objects, a list, a loop. What it finds
//! reachable must be an allocated object, and once marking has ended it must be black. While no cycle runs, the rest (`rest`) checks
//! spans, colours, tables, free runs and accounts against each other.
//!
//! | who asks | the re-mark | the rest |
//! | --- | --- | --- |
//! | `Heap::verify`, `Stepper::verify` | in every phase; objects must be black from Sweep to Idle | in phase Idle |
//! | zeal's `verify`, each cycle | before sweeping begins; once more when all is swept | when all is swept |
//!
//! Mutators go on meanwhile, in windows or not. What is read while they do is atomic, or theirs alone and left out: what a mutator in a
//! window holds in its hands and what is left of its runs.

use crate::barrier::Shade;
use crate::cycle::Phase;
use crate::handle::{Stamp, WeakTable};
use crate::heap::Shared;
use crate::mark::type_of;
use crate::panics::caught;
use crate::trace::{EdgeSink, Purpose, Tracer};
use crate::zeal::{SlotWrite, count, state_of_unused};
use greyset_sync::atomic::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

mod collectable;
mod path;
mod rest;
#[cfg(all(test, not(loom)))]
mod tests;

pub use collectable::{assert_collectable, assert_collectable_in};
pub use path::{HeapPath, Holder, PathLink};

/// What a verification went over.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Verified {
    /// Root entries in use.
    pub roots: u64,
    /// Objects reached.
    pub objects: u64,
    /// References followed.
    pub edges: u64,
    /// Spans that were checked, with all else that is said about a heap at rest: colours, free runs, tables, accounts. `None` where
    /// that was not possible: a cycle runs, or mutators changed the tables each time they were looked at.
    pub spans: Option<u64>,
}

/// What is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blame {
    /// What should have been.
    pub rule: String,
    /// The shortest path from a root to the object; `None` if what is wrong is in the allocator's tables.
    pub path: Option<HeapPath>,
    /// With [`Zeal::Blame`](crate::Zeal::Blame), the writes to the slot that holds the reference, as far as they are remembered,
    /// oldest first.
    pub writes: Vec<SlotWrite>,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "heap verification failed: {}", self.rule)?;
        if let Some(path) = &self.path {
            path.fmt(f)?;
        }
        self.writes.iter().try_for_each(|write| writeln!(f, "  {write}"))
    }
}

impl std::error::Error for Blame {}

struct Walk<'a> {
    shared: &'a Shared,
    /// Each object reached, with what it was reached from.
    from: HashMap<usize, Holder>,
    /// Breadth first, so that paths are short.
    list: VecDeque<usize>,
    holder: Holder,
    seen: Verified,
    must_be_black: bool,
    shade: Shade,
    /// Each with the object it is part of.
    tables: Vec<(Holder, Arc<WeakTable>)>,
    blame: Option<Blame>,
}

impl Walk<'_> {
    fn reach(&mut self, addr: usize) {
        self.seen.edges += 1;
        if self.blame.is_some() {
            return;
        }
        let space = self.shared.space();
        let Some((base, span, colour)) = space.slot_at(addr) else {
            return self.fail(addr, format!("{addr:#x} is referred to and lies in no object of the heap"));
        };
        if self.from.contains_key(&base) {
            return;
        }
        let (name, leaf) = (span.info().name, span.flags().contains(greyset_alloc::SpanFlags::LEAF));
        self.from.insert(base, self.holder);
        if !colour.is_live() {
            let now = state_of_unused(colour);
            let rule = format!(
                "{addr:#x} is referred to and lies in no object of the heap: a {} was there, whose slot is {now}",
                name()
            );
            return self.fail(base, rule);
        }
        if self.must_be_black && !self.shade.is_black(space, base) {
            return self.fail(base, format!("{} at {base:#x} is reachable and was not marked", name()));
        }
        self.seen.objects += 1;
        if !leaf {
            self.list.push_back(base);
        }
    }

    fn fail(&mut self, addr: usize, rule: String) {
        let path = HeapPath::find(self.shared.space(), &self.from, self.holder, addr);
        let writes = path.slot().map_or(Vec::new(), |slot| self.shared.zeal.rings.writes_to(slot));
        self.blame = Some(Blame { rule, path: Some(path), writes });
    }

    fn scan(&mut self, base: usize) {
        let space = self.shared.space();
        let ty = type_of(space.class(space.page(base)));
        self.holder = Holder::Object(base);
        let traced = caught(|| {
            Tracer::run(self, Purpose::Verify, |tracer| {
                let object = std::ptr::with_exposed_provenance::<u8>(base);
                // SAFETY: `base` is the base of an allocated, non-leaf object of type `ty` (checked in `reach`), reached over
                // references, so it is initialised. No sweep frees it: callers hold the collector's lock (see `verify`), or are
                // in a window, which no sweep begins in, or are the collector.
                unsafe { ty.trace_all(object, tracer) }
            })
        });
        // A lock that is held hides its contents from this walk, and so does a `trace` that panics: the marker reports that.
        let _ = traced;
    }
}

impl EdgeSink for Walk<'_> {
    fn edges(&mut self, addresses: &[usize]) {
        for &addr in addresses {
            self.reach(addr);
        }
    }

    fn stamp_is_live(&self, stamp: Stamp) -> bool {
        self.shared.mutators.stamp_is_live(stamp)
    }

    fn ephemeron_table(&mut self, table: &Arc<WeakTable>) {
        self.tables.push((self.holder, Arc::clone(table)));
    }
}

/// Re-marks from the roots and compares; then checks what can be checked of a heap at rest, if no cycle runs.
///
/// Waits for the collector's step under way, never for a cycle.
pub(crate) fn verify(shared: &Shared) -> Result<Verified, Blame> {
    let _collector = shared.lock_collector();
    look(shared)
}

/// The caller holds the collector's lock.
///
/// No step of the collector is taken meanwhile, so the phase stays what it is, no sweep begins, and nothing is freed that can be
/// reached now: mutators and other sweepers free what is white since before sweeping began. Nor is what was reached a moment ago and
/// has been cut off since: it is black, or no sweep is under way.
fn look(shared: &Shared) -> Result<Verified, Blame> {
    // During Clear, what finalizable objects reach is marked only by and by.
    let marked = matches!(shared.published.phase(), Phase::Sweep | Phase::Idle);
    let mut walk = Walk::new(shared, marked);
    walk.walk_roots()?;
    if shared.published.phase() == Phase::Idle {
        walk.seen.spans = rest::check(&mut walk)?;
    }
    Ok(walk.seen)
}

impl<'a> Walk<'a> {
    fn new(shared: &'a Shared, must_be_black: bool) -> Walk<'a> {
        Walk {
            shared,
            from: HashMap::new(),
            list: VecDeque::new(),
            holder: Holder::Root,
            seen: Verified::default(),
            must_be_black,
            shade: Shade::new(shared.published.white()),
            tables: Vec::new(),
            blame: None,
        }
    }

    /// The re-mark: what it reaches must be allocated, and black if marking and clearing are over.
    fn walk_roots(&mut self) -> Result<(), Blame> {
        let shared = self.shared;
        let mut chunk = 0;
        while shared.roots.for_each_in(chunk, |_, addr| {
            self.seen.roots += 1;
            self.reach(addr);
        }) {
            chunk += 1;
        }
        // What open windows hold, if a simulator knows.
        #[cfg(feature = "sim")]
        for addr in greyset_sync::sim::hooks().map_or(Vec::new(), |hooks| (hooks.held)()) {
            self.holder = Holder::Window;
            self.reach(addr);
        }
        loop {
            while let Some(base) = self.list.pop_front() {
                self.scan(base);
                if let Some(blame) = self.blame.take() {
                    return Err(blame);
                }
            }
            if !ephemerons(self) {
                break;
            }
        }
        self.blame.take().map_or(Ok(()), Err)
    }
}

/// Follows the values of `WeakMap` entries whose keys have been reached. True if that gave something new.
fn ephemerons(walk: &mut Walk<'_>) -> bool {
    let before = walk.seen.objects;
    // What this pass reaches counts as a key in the next one.
    let reached: HashSet<usize> = walk.from.keys().copied().collect();
    let space = walk.shared.space();
    let is_live = |stamp: Stamp| walk.shared.mutators.stamp_is_live(stamp);
    let tables = std::mem::take(&mut walk.tables);
    for (holder, table) in &tables {
        walk.holder = *holder;
        // One that is locked hides its entries from this walk.
        let _ = table.for_each(is_live, |key, value| {
            if space.object_base(key).is_some_and(|(base, _)| reached.contains(&base)) {
                walk.reach(value);
            }
        });
    }
    walk.tables.extend(tables);
    walk.seen.objects > before
}

/// For `verify` as a setting, when marking and clearing are over: a wrong heap is reported and the process ends before anything is
/// freed. In a step of the collector.
pub(crate) fn check_or_die(shared: &Shared) {
    let mut walk = Walk::new(shared, true);
    match walk.walk_roots() {
        Ok(()) => {
            count(&shared.zeal.done.verifications);
            shared.zeal.done.objects_verified.fetch_add(walk.seen.objects, Ordering::Relaxed);
        }
        Err(blame) => die(shared, &blame),
    }
}

/// For `verify` as a setting, when all is swept and the phase is Idle: checks everything. In a step of the collector, so that the next
/// cycle does not begin meanwhile.
pub(crate) fn check_all_or_die(shared: &Shared) {
    // A simulator asks when its program is over. Steps more in each cycle would change every schedule that it has kept.
    #[cfg(feature = "sim")]
    if greyset_sync::sim::hooks().is_some() {
        return;
    }
    let done = &shared.zeal.done;
    match look(shared) {
        Ok(Verified { spans: Some(spans), .. }) => {
            count(&done.heaps_verified);
            done.spans_verified.fetch_add(spans, Ordering::Relaxed);
        }
        Ok(_) => _ = count(&done.heaps_not_verified),
        Err(blame) => die(shared, &blame),
    }
}

#[cold]
fn die(shared: &Shared, blame: &Blame) {
    #[cfg(feature = "sim")]
    if let Some(hooks) = greyset_sync::sim::hooks() {
        let lost = blame.path.as_ref().and_then(|path| path.links.last()).map_or(0, |link| link.addr);
        return (hooks.fail)(format!("{blame}{}", (hooks.blame)(lost)));
    }
    eprintln!("{blame}{}", shared.zeal_text().unwrap_or_default());
    std::process::abort();
}
