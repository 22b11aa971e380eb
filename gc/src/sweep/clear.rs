//! Phase Clear, in steps. Marking has ended: what is white is unreachable for every mutator.
//!
//! 1. `WeakMap` entries with white keys go.
//! 2. Weak slots with white targets are cleared, by compare-and-swap.
//! 3. Finalizable white objects are marked through; `WeakMap`s met there are run to a fixpoint and lose what is still
//!    white.
//! 4. Cleanups of what is white still become due.
//! 5. Finalizable objects go to their queues, where mutators may take them: not before all they reach is black.
//!
//! If a `trace` panicked nothing of this happens: what is white may be reachable. Instead every white object is turned black
//! where it lies, so that the sweep frees nothing and the next flip finds every object in one colour; until then a weak handle gives
//! white objects, too, since it will give them later. If one panics in 3 the same is done instead of 4.

use crate::barrier::Shade;
use crate::heap::Shared;
use crate::mark::{Marker, Progress};
use crate::stats::Event;
use crate::sweep::registry::Finalizable;
use crate::zeal::{Asks, count};
use greyset_sync::atomic::{Ordering, fence};
use greyset_sync::{Fault, Point, fault, point, told};

/// Where clearing is.
enum Stage {
    Ephemerons,
    Weak { chunk: usize },
    Finalize,
    MarkThrough,
    EphemeronsAgain,
    Cleanups,
    KeepAll,
    Done,
}

/// Phase Clear of one cycle.
pub(crate) struct Clearing {
    stage: Stage,
    /// Taken for their queues and not delivered yet.
    finalizable: Vec<Finalizable>,
}

/// What a step of clearing did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Cleared {
    /// Step again.
    More,
    /// A `WeakMap` or `Lock` is held by a mutator: step again later.
    Locked,
    /// Sweep may be published.
    Done,
}

/// Whether there is nothing to clear: no `WeakMap` met, no weak slot in use, nothing registered.
fn is_trivial(shared: &Shared) -> bool {
    shared.weaks.in_use() == 0 && shared.registry.is_empty() && shared.ephemerons.is_empty()
}

/// With zeal for it, all of step 2 at once, under the cycle lock in which Decide has found that marking has ended: an upgrade that
/// comes later sees phase Clear.
pub(crate) fn clear_weak_early(shared: &Shared) {
    if !shared.zeal.asks(Asks::CLEAR_WEAK_EARLY) {
        return;
    }
    let shade = Shade::new(shared.published.white());
    let is_white = |addr: usize| shade.is_white(shared.space(), addr);
    let mut chunk = 0;
    while clear_weak(shared, chunk, &is_white, || {
        count(&shared.zeal.done.weak_cleared);
    }) {
        chunk += 1;
    }
}

/// Clears the weak slots of a chunk whose targets are white; false when there is no such chunk.
fn clear_weak(shared: &Shared, chunk: usize, is_white: &dyn Fn(usize) -> bool, cleared: impl Fn()) -> bool {
    shared.weaks.for_each_in(chunk, |entry, addr| {
        if is_white(addr) {
            point(Point::WeakClear);
            if fault(Fault::WeakClearedByStore) {
                return entry.store(0);
            }
            told(|| format!("clears a weak slot on {addr:#x}"));
            // A target stored meanwhile stays.
            if entry.clear_if(addr) {
                cleared();
            }
        }
    })
}

impl Clearing {
    /// Clearing from the start; in a cycle that is given up everything white is turned black instead.
    pub(crate) fn new(shared: &Shared, given_up: bool) -> Clearing {
        if given_up {
            report_panic(shared);
        }
        let stage = match given_up {
            true => Stage::KeepAll,
            false if fault(Fault::SweepBeforeClear) => Stage::Done,
            false if is_trivial(shared) => Stage::Done,
            false => Stage::Ephemerons,
        };
        Clearing { stage, finalizable: Vec::new() }
    }

    /// Whether nothing is left to clear and nothing to deliver.
    pub(crate) fn is_at_its_end(&self) -> bool {
        matches!(self.stage, Stage::Done) && self.finalizable.is_empty()
    }

    /// One bounded step.
    pub(crate) fn step(&mut self, shared: &Shared, marker: &mut Marker, budget: usize) -> Cleared {
        let shade = Shade::new(shared.published.white());
        let space = shared.space();
        let is_white = |addr: usize| shade.is_white(space, addr);
        self.stage = match self.stage {
            Stage::Ephemerons => {
                if !fault(Fault::EphemeronsNotCleared) && !shared.ephemerons.clear(shared, &is_white) {
                    return Cleared::Locked;
                }
                if fault(Fault::WeakClearedLate) { Stage::Finalize } else { Stage::Weak { chunk: 0 } }
            }
            Stage::Weak { chunk } => match clear_weak(shared, chunk, &is_white, || {}) {
                true => Stage::Weak { chunk: chunk + 1 },
                false if fault(Fault::WeakClearedLate) => Stage::Cleanups,
                false => Stage::Finalize,
            },
            Stage::Finalize => {
                self.finalizable = shared.registry.take_finalizable(is_white);
                marker.tune(shared);
                if fault(Fault::CleanupEarly) {
                    shared.registry.take_cleanups(is_white);
                }
                // ORDERING: pairs with the acquire fence in `Weak::upgrade`: who sees an object that turned black from here on
                // sees its weak slots cleared.
                fence(Ordering::Release);
                for object in &self.finalizable {
                    if !fault(Fault::FinalizableNotMarked) {
                        marker.mark(space.view(), object.target);
                    }
                }
                if fault(Fault::FinalizedEarly) {
                    shared.registry.deliver(shared, &mut self.finalizable);
                }
                Stage::MarkThrough
            }
            Stage::MarkThrough => return self.mark_through(shared, marker, budget),
            Stage::EphemeronsAgain => {
                if !fault(Fault::EphemeronsNotCleared) && !shared.ephemerons.clear(shared, &is_white) {
                    return Cleared::Locked;
                }
                if fault(Fault::WeakClearedLate) { Stage::Weak { chunk: 0 } } else { Stage::Cleanups }
            }
            Stage::Cleanups => {
                shared.registry.take_cleanups(is_white);
                Stage::Done
            }
            Stage::KeepAll => {
                shared.alloc.for_each_span(|span| shade.blacken(span.colours(space)));
                shared.pace.kept_all.store(true, Ordering::Relaxed);
                Stage::Done
            }
            Stage::Done => {
                shared.registry.deliver(shared, &mut self.finalizable);
                shared.ephemerons.forget();
                return Cleared::Done;
            }
        };
        Cleared::More
    }

    /// 3. The collector's own marker scans what finalizable objects reach; mutators cannot reach any of it yet.
    fn mark_through(&mut self, shared: &Shared, marker: &mut Marker, budget: usize) -> Cleared {
        // ORDERING: as in stage Finalize; this step may run on another thread than that one.
        fence(Ordering::Release);
        if marker.run_in_clear(shared, budget) == Progress::More {
            return Cleared::More;
        }
        if shared.queue.retry_deferred() {
            return Cleared::Locked;
        }
        marker.tune(shared);
        let more = shared.ephemerons.trace(shared, marker);
        let found = marker.has_found();
        marker.hand_back(shared);
        marker.counters.flush(shared);
        if !(more || found) {
            // Weak slots of what is white are cleared by now: nobody gets it any more.
            self.stage = if take_panic(shared) {
                report_panic(shared);
                Stage::KeepAll
            } else {
                Stage::EphemeronsAgain
            };
        }
        Cleared::More
    }
}

/// Whether a `trace` has panicked since the cycle began, or since this was asked.
pub(crate) fn take_panic(shared: &Shared) -> bool {
    shared.trace_panicked.swap(false, Ordering::Relaxed) && !fault(Fault::TracePanicIgnored)
}

/// Counts and reports that a cycle frees nothing. Not under the cycle's lock: sinks are the program's.
fn report_panic(shared: &Shared) {
    shared.stats.trace_panics.fetch_add(1, Ordering::Relaxed);
    shared.emit(&Event::TracePanic { cycle: u64::from(shared.published.cycle()), type_name: None });
}
