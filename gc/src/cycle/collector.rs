//! The collector's state machine: a cycle in steps, numbered as in `cycle/mod.rs`.

use crate::config::Gogc;
use crate::cycle::handshake::Handshake;
use crate::cycle::pacing::Pacing;
use crate::cycle::{Phase, Request};
use crate::heap::Shared;
use crate::mark::{Marker, Progress};
use crate::panics::must_not_unwind;
use crate::stats::Phase as Shown;
use crate::sweep::{Cleared, Clearing, clear_weak_early, take_panic};
use crate::zeal::{Asks, finalize_all};
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, Point, fault, point, tiny};

/// Objects the collector itself scans in a step (only what finalizable objects reach).
const CLEAR_BUDGET: usize = 4096;
/// More mutators than this are asked by the collector's thread, if it comes in time.
const MANY: usize = 32;

/// Dropped entries freed at a safepoint.
const FEW: usize = 256;

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Step {
    /// Something moved: step again.
    Worked,
    /// Waits for mutators to answer.
    AwaitMutators,
    /// Waits for markers to finish.
    AwaitMarkers,
    /// Waits for the sweepers.
    AwaitSweep,
    /// No cycle is wanted.
    Idle,
}

/// What a pass over the ephemeron tables came to.
enum Pass {
    /// No value was white whose key is black.
    Nothing,
    /// Markers have something to do.
    Found,
    /// A table was locked: try again.
    Locked,
}

enum State {
    Idle,
    /// 1: handshake 1 asked.
    Both(Handshake),
    /// 2: handshake 2 asked.
    Deletion(Handshake),
    /// 3.
    Mark,
    /// 4: a round asked, after `clean` clean ones.
    Round {
        handshake: Handshake,
        clean: u32,
    },
    /// 6.
    Clear(Box<Clearing>),
    /// 7: handshake 3 asked.
    Off(Handshake),
    /// 7: sweeping open.
    Sweep,
}

impl State {
    /// The phase as events show it.
    fn shown(&self) -> Shown {
        match self {
            State::Idle => Shown::Idle,
            State::Both(_) => Shown::Prepare,
            State::Deletion(_) => Shown::Begin,
            State::Mark => Shown::Mark,
            State::Round { .. } => Shown::Terminate,
            State::Clear(_) => Shown::Clear,
            State::Off(_) | State::Sweep => Shown::Sweep,
        }
    }
}

/// Whether the root table has been walked, no marker is busy and the queue is empty.
pub(crate) fn nothing_grey(shared: &Shared) -> bool {
    shared.root_cursor.is_done() && shared.queue.is_quiet()
}

/// Frees a few of the dropped entries, at a safepoint while the collector is idle; true if none is left.
fn free_few(shared: &Shared) -> bool {
    let any = || shared.roots.any_listed() || shared.weaks.any_listed();
    if !any() {
        return true;
    }
    // Who has the lock may be freeing them.
    let Some(_cycle) = shared.cycle_lock.try_lock() else { return false };
    if shared.published.phase() != Phase::Idle {
        return false;
    }
    if !fault(Fault::RootsFreedAtT2) {
        shared.roots.free_some(tiny(FEW, 1));
    }
    shared.weaks.free_some(tiny(FEW, 1));
    !any()
}

/// The collector of a heap. Whoever holds its lock may step it.
pub(crate) struct Collector {
    state: State,
    marker: Box<Marker>,
    pacing: Pacing,
}

impl Collector {
    /// A collector at rest.
    pub(crate) fn new(pacing: Pacing) -> Collector {
        Collector { state: State::Idle, marker: Box::new(Marker::new()), pacing }
    }

    /// Takes another GOGC.
    pub(crate) fn set_gogc(&mut self, shared: &Shared, gogc: Gogc) {
        self.pacing.set_gogc(shared, gogc);
    }

    /// Does one bounded piece of work. It never unwinds: the state is out of its place until it is done.
    pub(crate) fn step(&mut self, shared: &Shared) -> Step {
        must_not_unwind("a step of the collector", || match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => self.idle(shared),
            State::Both(handshake) => self.both(shared, handshake),
            State::Deletion(handshake) => self.deletion(shared, handshake),
            State::Mark => self.mark(shared),
            State::Round { handshake, clean } => self.round(shared, handshake, clean),
            State::Clear(clearing) => self.clear(shared, clearing),
            State::Off(handshake) => self.off(shared, handshake),
            State::Sweep => self.sweep(shared),
        })
    }

    /// A step at a mutator's safepoint, if the next one is short whatever the heap holds: handshakes of few mutators and what follows from
    /// their answers. So a cycle need not wait for a thread to wake up between two handshakes. Where it begins and ends, the two longest
    /// of these steps, it does wait, as long as it is not late. Nothing is marked or swept here: a safepoint is to cost microseconds,
    /// always.
    pub(crate) fn advance(&mut self, shared: &Shared) -> Step {
        // Each one asked costs some ten nanoseconds, and each that is parked, and answered for, a hundred or a flush.
        let few = shared.stats.asked_of.load(Ordering::Relaxed) <= MANY || shared.pace.is_above_ceiling();
        let short = match &self.state {
            State::Both(_) | State::Deletion(_) | State::Round { .. } | State::Off(_) => few,
            State::Idle if !shared.driver.is_wanted() => return Step::Idle,
            State::Idle | State::Sweep if !shared.pace.is_late() => false,
            State::Idle if !free_few(shared) => return Step::Worked,
            State::Idle => true,
            // At a glance only: the step itself looks closely.
            State::Mark => {
                few && nothing_grey(shared) && shared.ephemerons.is_empty() && !shared.queue.has_deferred()
            }
            State::Clear(clearing) => clearing.is_at_its_end() && !shared.zeal.asks(Asks::VERIFY),
            State::Sweep => shared.alloc.unswept_pages() == 0 && !shared.zeal.asks(Asks::VERIFY),
        };
        if short { self.step(shared) } else { Step::AwaitMarkers }
    }

    fn enter(&mut self, shared: &Shared, state: State) -> Step {
        self.pacing.phase_is(shared, state.shown());
        self.state = state;
        Step::Worked
    }

    fn wait(
        &mut self,
        shared: &Shared,
        mut handshake: Handshake,
        back: impl FnOnce(Handshake) -> State,
    ) -> Step {
        if let Some(limit) = shared.config.watchdog {
            handshake.watch(shared, limit);
        }
        self.state = back(handshake);
        Step::AwaitMutators
    }

    /// 0. Idle. 1. Prepare: free listed roots, flip, handshake 1.
    fn idle(&mut self, shared: &Shared) -> Step {
        let waits = self.pacing.must_wait(shared) && !shared.driver.is_asked_for();
        if waits || !shared.driver.is_wanted() {
            self.state = State::Idle;
            return Step::Idle;
        }
        let cause = shared.driver.cycle_starts();
        shared.zeal.enters(Shown::Prepare);
        {
            let cycle = (!fault(Fault::DropFlip)).then(|| shared.lock_cycle());
            if let Some(cycle) = &cycle {
                finalize_all(shared, cycle);
            }
            if !fault(Fault::RootsFreedAtT2) {
                shared.roots.free_listed();
            }
            shared.weaks.free_listed();
            // What was met in mode Deletion after phase Clear. No mutator meets any now: all are in mode Off.
            shared.ephemerons.forget();
            shared.published.flip();
            shared.published.publish(Phase::Prepare);
        }
        self.pacing.cycle_starts(shared, cause);
        shared.trace_panicked.store(false, Ordering::Relaxed);
        self.pacing.phase_is(shared, Shown::Prepare);
        if fault(Fault::OneHandshake) {
            shared.published.publish(Phase::Mark);
            let handshake = Handshake::ask(shared, Request::Deletion, || {});
            return self.enter(shared, State::Deletion(handshake));
        }
        let handshake = Handshake::ask(shared, Request::Both, || {});
        self.enter(shared, State::Both(handshake))
    }

    /// 2. Begin, at T1: publish Mark, handshake 2.
    fn both(&mut self, shared: &Shared, handshake: Handshake) -> Step {
        if !handshake.is_done(shared) {
            return self.wait(shared, handshake, State::Both);
        }
        handshake.finish(shared);
        shared.zeal.enters(Shown::Begin);
        shared.published.publish(Phase::Mark);
        self.pacing.phase_is(shared, Shown::Begin);
        if fault(Fault::TraceFromT1) {
            shared.root_cursor.restart(&shared.roots);
            shared.published.set_tracing(true);
        }
        let handshake = Handshake::ask(shared, Request::Deletion, || {});
        self.enter(shared, State::Deletion(handshake))
    }

    /// 3. Mark, at T2: tracing opens with the root slots.
    fn deletion(&mut self, shared: &Shared, handshake: Handshake) -> Step {
        if !handshake.is_done(shared) {
            return self.wait(shared, handshake, State::Deletion);
        }
        handshake.finish(shared);
        shared.zeal.enters(Shown::Mark);
        if fault(Fault::RootsFreedAtT2) {
            let _cycle = shared.lock_cycle();
            shared.roots.free_listed();
        }
        if !fault(Fault::TraceFromT1) {
            shared.root_cursor.restart(&shared.roots);
        }
        self.pacing.tracing_opens(shared);
        shared.published.set_tracing(true);
        shared.driver.wake_markers();
        self.enter(shared, State::Mark)
    }

    /// 3. Mark until stacks and queue are empty and ephemerons give nothing new. 4. Terminate.
    fn mark(&mut self, shared: &Shared) -> Step {
        self.pacing.revise(shared);
        if let Some(step) = self.goes_on(shared) {
            self.state = State::Mark;
            return step;
        }
        if fault(Fault::NoRound) {
            return self.decide(shared);
        }
        shared.zeal.enters(Shown::Terminate);
        shared.published.publish(Phase::Terminate);
        self.pacing.phase_is(shared, Shown::Terminate);
        let handshake = Self::ask_round(shared);
        self.enter(shared, State::Round { handshake, clean: 0 })
    }

    /// What marking still has to do or to wait for, if anything.
    fn goes_on(&mut self, shared: &Shared) -> Option<Step> {
        // Asked first: an object put off is grey, and only a busy marker puts one off.
        if shared.queue.retry_deferred() || !nothing_grey(shared) {
            shared.driver.wake_markers();
            return Some(Step::AwaitMarkers);
        }
        if shared.queue.has_deferred() {
            return Some(Step::Worked);
        }
        match self.ephemerons(shared) {
            Pass::Nothing => None,
            Pass::Found => Some(Step::Worked),
            // A mutator is in one of the tables: it will not be long, but there is nothing to do until then.
            Pass::Locked => Some(Step::AwaitMutators),
        }
    }

    /// Shades the values of ephemerons whose keys are black.
    fn ephemerons(&mut self, shared: &Shared) -> Pass {
        self.marker.tune(shared);
        let locked = shared.ephemerons.trace(shared, &mut self.marker);
        let found = self.marker.has_found();
        self.marker.hand_back(shared);
        self.marker.counters.flush(shared);
        match found {
            true => Pass::Found,
            false if locked => Pass::Locked,
            false => Pass::Nothing,
        }
    }

    fn ask_round(shared: &Shared) -> Handshake {
        Handshake::ask(shared, Request::Round, || shared.dirty.store(false, Ordering::Relaxed))
    }

    /// 4. A round is clean if nobody handed anything over or worked, and the queue stayed empty. Two in a row end marking.
    fn round(&mut self, shared: &Shared, handshake: Handshake, clean: u32) -> Step {
        if !handshake.is_done(shared) {
            return self.wait(shared, handshake, |handshake| State::Round { handshake, clean });
        }
        handshake.finish(shared);
        let is_clean =
            !shared.dirty.load(Ordering::Relaxed) && shared.queue.is_quiet() && !shared.queue.has_deferred();
        if !is_clean {
            return self.back_to_mark(shared);
        }
        if clean == 0 && !fault(Fault::OneCleanRound) && !fault(Fault::BlackThenQueue) {
            let handshake = Self::ask_round(shared);
            self.state = State::Round { handshake, clean: 1 };
            return Step::Worked;
        }
        self.decide(shared)
    }

    fn back_to_mark(&mut self, shared: &Shared) -> Step {
        {
            let _cycle = shared.lock_cycle();
            shared.queue.take_poke();
            shared.published.publish(Phase::Mark);
        }
        shared.driver.wake_markers();
        self.enter(shared, State::Mark)
    }

    /// 5. Decide, under the cycle lock: if the queue is still empty, Clear.
    fn decide(&mut self, shared: &Shared) -> Step {
        shared.zeal.enters(Shown::Clear);
        let cycle = shared.lock_cycle();
        // Closed before anybody is counted: see `Marker::run`.
        if !fault(Fault::LateClose) {
            shared.published.set_tracing(false);
        }
        let more = shared.queue.take_poke() || !shared.queue.is_quiet();
        if more && !fault(Fault::DecideBlind) {
            shared.published.set_tracing(true);
            shared.published.publish(Phase::Mark);
            drop(cycle);
            shared.driver.wake_markers();
            return self.enter(shared, State::Mark);
        }
        if fault(Fault::LateClose) {
            // As long a moment as a marker needs to come in.
            (0..8).for_each(|_| point(Point::PhasePublish));
            shared.published.set_tracing(false);
        }
        let given_up = take_panic(shared);
        shared.given_up.store(given_up, Ordering::Relaxed);
        if !given_up {
            clear_weak_early(shared);
        }
        shared.published.publish(Phase::Clear);
        drop(cycle);
        self.pacing.marking_done(shared);
        self.enter(shared, State::Clear(Box::new(Clearing::new(shared, given_up))))
    }

    /// 6. Clear.
    fn clear(&mut self, shared: &Shared, mut clearing: Box<Clearing>) -> Step {
        match clearing.step(shared, &mut self.marker, shared.zeal.slice(CLEAR_BUDGET)) {
            Cleared::Done => self.publish_sweep(shared),
            Cleared::More => {
                self.state = State::Clear(clearing);
                Step::Worked
            }
            Cleared::Locked => {
                self.state = State::Clear(clearing);
                Step::AwaitMutators
            }
        }
    }

    /// 7. Live colour := black; handshake 3.
    fn publish_sweep(&mut self, shared: &Shared) -> Step {
        shared.zeal.enters(Shown::Sweep);
        if shared.zeal.asks(Asks::VERIFY) {
            crate::verify::check_or_die(shared);
        }
        shared.alloc.begin_sweep(shared.published.white());
        if fault(Fault::SweepBeforeT3) {
            shared.alloc.open_sweep();
        }
        // What is taken until all have answered owes nothing: how much there is to sweep is not known.
        shared.pace.set_sweep_ratio(0.0);
        shared.published.publish(Phase::Sweep);
        self.pacing.phase_is(shared, Shown::Sweep);
        let handshake = Handshake::ask(shared, Request::Off, || shared.published.black_lives());
        self.enter(shared, State::Off(handshake))
    }

    /// 7. At T3 sweeping is open (the last answer opened it).
    fn off(&mut self, shared: &Shared, handshake: Handshake) -> Step {
        if !handshake.is_done(shared) && !fault(Fault::NextBeforeT3) {
            return self.wait(shared, handshake, State::Off);
        }
        handshake.finish(shared);
        self.pacing.cycle_ends(shared);
        self.enter(shared, State::Sweep)
    }

    /// 7. When every span is swept: Idle.
    fn sweep(&mut self, shared: &Shared) -> Step {
        if shared.alloc.unswept_pages() > 0 && !fault(Fault::NextBeforeT3) {
            self.pacing.look(shared);
            self.state = State::Sweep;
            return Step::AwaitSweep;
        }
        shared.zeal.enters(Shown::Idle);
        shared.published.publish(Phase::Idle);
        if shared.zeal.asks(Asks::VERIFY) {
            crate::verify::check_all_or_die(shared);
        }
        self.pacing.sweep_done(shared);
        shared.driver.cycle_completed(shared);
        self.enter(shared, State::Idle)
    }

    /// What its marker has grey in its hands goes to the queue: allocations may pay with it while the thread rests.
    pub(crate) fn lay_down(&mut self, shared: &Shared) {
        self.marker.leave(shared);
    }

    /// Scans what the markers would, for drivers that have only this thread.
    pub(crate) fn mark_some(&mut self, shared: &Shared, budget: usize) -> Progress {
        if shared.published.tracing() && shared.published.phase() == Phase::Mark {
            self.marker.run(shared, budget)
        } else {
            Progress::Empty
        }
    }

    /// The pacer's seat.
    pub(crate) fn pacing(&mut self) -> &mut Pacing {
        &mut self.pacing
    }

    /// The collector's own marker, for registering its deque.
    pub(crate) fn marker(&self) -> &Marker {
        &self.marker
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Driver, Heap};

    #[test]
    fn dropped_roots_do_not_put_off_a_cycle_that_a_safepoint_begins() {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let shared = heap.owner().shared();
        let dropped = 2 * FEW + 1;
        heap.mutator().enter(|m| {
            let roots: Vec<_> = (0..dropped).map(|i| m.alloc(i).root(m)).collect();
            drop(roots);
        });
        let before = shared.roots.in_use();
        heap.request_cycle();
        let mut collector = shared.collector.lock();
        assert_eq!(collector.advance(shared), Step::AwaitMarkers, "the collector's thread has time");
        assert_eq!((shared.roots.in_use(), shared.published.phase()), (before, Phase::Idle));
        for word in [&shared.pace.trigger, &shared.pace.goal] {
            word.store(0, Ordering::Relaxed);
        }
        for freed in [FEW, 2 * FEW] {
            assert_eq!(collector.advance(shared), Step::Worked);
            assert_eq!((before - shared.roots.in_use(), shared.published.phase()), (freed, Phase::Idle));
        }
        assert_eq!(collector.advance(shared), Step::Worked);
        assert_eq!((before - shared.roots.in_use(), shared.published.phase()), (dropped, Phase::Prepare));
    }
}
