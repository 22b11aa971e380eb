//! Driver control: who wants a cycle, who waits for one, whom to wake.
//!
//! The collector knows no threads. It says what happened (`cycle_starts`, `cycle_completed`, `wake_…`); this is where that
//! reaches the threads of the background driver, and nobody under the other drivers.

use crate::config::Driver;
use crate::cycle::background;
use crate::heap::Shared;
use crate::stats::Cause;
use crate::stats::cpu::thread_cpu_time;
use crate::zeal::{Asks, count};
use greyset_sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use greyset_sync::{Condvar, Mutex, MutexGuard, Rank, thread};
use std::sync::OnceLock;
use std::time::Duration;

/// What the driver's threads and those who wait for cycles agree on.
pub(crate) struct DriverControl {
    kind: Driver,
    /// The strongest reason for a cycle that has not started yet: a [`Cause`] in its order, from 1; 0 is none.
    wanted: AtomicU8,
    started: AtomicU64,
    completed: AtomicU64,
    /// Cycles asked for by `collect`: run until this many are complete.
    asked: AtomicU64,
    shutdown: AtomicBool,
    /// The background driver could not start its threads; mutators step instead.
    fallback: AtomicBool,
    /// Threads that had started although not all could: they end by themselves.
    abandoned: AtomicBool,
    /// The collector thread looks by itself soon.
    dozing: AtomicBool,
    /// The collector thread takes a step.
    at_work: AtomicBool,
    /// How many wait for `done`.
    waiting: Mutex<usize>,
    done: Condvar,
    threads: OnceLock<background::Threads>,
    /// Who may still come to the heap's values: all handles together, and each thread.
    ///
    /// INVARIANT: a thread is counted before it starts, under `waiting` and not after `shutdown`, so that the number never rises again
    /// once it is 0; whoever takes it there is alone.
    present: AtomicUsize,
}

/// See [`DriverControl::at_work`].
pub(crate) struct AtWork<'a>(&'a DriverControl);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.store(false, Ordering::Relaxed);
    }
}

/// A cause as it stands in `wanted`.
const fn wanted_as(cause: Cause) -> u8 {
    cause as u8 + 1
}

impl DriverControl {
    /// A driver nobody has asked yet; background threads start with the first cycle.
    pub(crate) fn new(kind: Driver) -> DriverControl {
        DriverControl {
            kind,
            wanted: AtomicU8::new(0),
            started: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            shutdown: AtomicBool::new(false),
            fallback: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            dozing: AtomicBool::new(false),
            at_work: AtomicBool::new(false),
            waiting: Mutex::new(Rank::Driver, 0),
            done: Condvar::new(),
            threads: OnceLock::new(),
            present: AtomicUsize::new(1),
        }
    }

    /// Whether mutators step the collector at their safepoints.
    pub(crate) fn is_inline(&self) -> bool {
        self.kind == Driver::Inline || self.fallback.load(Ordering::Relaxed)
    }

    /// Whether the collector has a thread of its own.
    pub(crate) fn has_threads(&self) -> bool {
        self.threads.get().is_some()
    }

    /// The collector thread takes a step as long as this lives.
    pub(crate) fn at_work(&self) -> AtWork<'_> {
        self.at_work.store(true, Ordering::Relaxed);
        AtWork(self)
    }

    /// Whether the collector thread takes a step.
    pub(crate) fn is_at_work(&self) -> bool {
        self.at_work.load(Ordering::Relaxed)
    }

    /// Whether a test decides every step.
    pub(crate) fn is_stepping(&self) -> bool {
        self.kind == Driver::Stepping
    }

    /// A mutator has reached the trigger. The collector thread is woken now, while there is time.
    pub(crate) fn trigger_reached(&self, shared: &Shared) {
        self.request_cycle(shared, Cause::Trigger);
    }

    /// A cycle is wanted because of `cause`; true if none was wanted before.
    fn want(&self, cause: Cause) -> bool {
        self.wanted.fetch_max(wanted_as(cause), Ordering::Relaxed) == 0
    }

    /// Asks for a cycle because of `cause`.
    pub(crate) fn request_cycle(&self, shared: &Shared, cause: Cause) {
        if self.want(cause) && self.kind == Driver::Background {
            self.start_threads(shared);
            self.wake();
        }
    }

    /// Asks for a cycle because of `cause` if there is a thread to run it, and wakes that. May be called with the collector's lock held.
    pub(crate) fn request_of_threads(&self, cause: Cause) {
        if self.has_threads() && self.want(cause) {
            self.wake();
        }
    }

    /// Starts the background threads, once. If the system refuses them, mutators step instead, and an event says so.
    fn start_threads(&self, shared: &Shared) {
        if self.is_decided() {
            return;
        }
        let Some(shared) = shared.this() else { return };
        let Some(waiting) = self.may_start() else { return };
        match background::Threads::start(&shared) {
            Ok(threads) => {
                let set = self.threads.set(threads);
                debug_assert!(set.is_ok(), "started under the lock");
            }
            Err(refused) => {
                self.fallback.store(true, Ordering::Relaxed);
                self.abandoned.store(true, Ordering::Relaxed);
                // They may be about to say that a cycle is complete.
                drop(waiting);
                let error = refused.error.to_string();
                refused.join();
                shared.emit(&crate::stats::Event::ThreadRefused { error });
            }
        }
    }

    /// Whether there are threads, or there are to be none.
    fn is_decided(&self) -> bool {
        self.threads.get().is_some() || self.fallback.load(Ordering::Relaxed) || self.is_shut_down()
    }

    /// The lock under which threads start, if they are to.
    fn may_start(&self) -> Option<MutexGuard<'_, usize>> {
        let waiting = self.waiting.lock();
        (!self.is_decided()).then_some(waiting)
    }

    /// Asks for one whole cycle that begins after now; returns the number of completed cycles to wait for.
    pub(crate) fn request_full(&self, shared: &Shared) -> u64 {
        // ORDERING: SeqCst, pairs with `cycle_starts` and `cycle_completed`: a cycle that had started before this call does
        // not count.
        let target = self.started.load(Ordering::SeqCst) + 1;
        self.asked.fetch_max(target, Ordering::Relaxed);
        self.request_cycle(shared, Cause::Asked);
        self.wake();
        target
    }

    /// Whether a cycle should start.
    pub(crate) fn is_wanted(&self) -> bool {
        // ORDERING: SeqCst, as in `request_full`.
        self.wanted.load(Ordering::Relaxed) != 0
            || self.asked.load(Ordering::Relaxed) > self.started.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for a cycle, or called for one.
    pub(crate) fn is_asked_for(&self) -> bool {
        // ORDERING: SeqCst, as in `request_full`.
        self.wanted.load(Ordering::Relaxed) == wanted_as(Cause::Asked)
            || self.asked.load(Ordering::Relaxed) > self.started.load(Ordering::SeqCst)
    }

    /// Whether somebody waits for the running cycle, or the next one.
    pub(crate) fn is_awaited(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > self.completed()
    }

    /// Collector: a cycle starts. Returns why.
    pub(crate) fn cycle_starts(&self) -> Cause {
        let wanted = self.wanted.swap(0, Ordering::Relaxed);
        // ORDERING: SeqCst, as in `request_full`.
        self.started.fetch_add(1, Ordering::SeqCst);
        // None of the two: `collect` has asked for one after the last had started.
        let cause = [Cause::Trigger, Cause::Limit].into_iter().find(|&cause| wanted_as(cause) == wanted);
        cause.unwrap_or(Cause::Asked)
    }

    /// Collector: a cycle is complete, everything is swept.
    pub(crate) fn cycle_completed(&self, shared: &Shared) {
        // ORDERING: SeqCst, pairs with `completed`: what was swept is visible to who waited.
        self.completed.fetch_add(1, Ordering::SeqCst);
        // The call of the system is made even when nobody waits, and this may be a safepoint.
        let waiting = self.waiting.lock();
        if *waiting > 0 {
            self.done.notify_all();
        }
        drop(waiting);
        if shared.zeal.asks(Asks::CONTINUOUS) && !self.is_stepping() && shared.mutators.len() > 0 {
            count(&shared.zeal.done.cycles_asked);
            self.want(Cause::Asked);
        }
        if shared.pace.is_triggered() {
            self.want(Cause::Trigger);
        } else {
            // Forgets who reached the last trigger just when this cycle had begun: a second cycle at once would begin far
            // below its own.
            let trigger = wanted_as(Cause::Trigger);
            let _ = self.wanted.compare_exchange(trigger, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Complete cycles.
    pub(crate) fn completed(&self) -> u64 {
        // ORDERING: SeqCst, pairs with `cycle_completed`.
        self.completed.load(Ordering::SeqCst)
    }

    /// Waits until `target` cycles are complete. Background driver only, by a parked mutator or no mutator.
    pub(crate) fn wait_for(&self, shared: &Shared, target: u64) {
        let mut guard = self.waiting.lock();
        while self.completed() < target && !self.is_shut_down() {
            if self.is_inline() {
                // Threads were refused since the caller asked for the cycle.
                drop(guard);
                let moved = drive_inline(shared, 4096);
                guard = self.waiting.lock();
                if moved {
                    continue;
                }
            }
            *guard += 1;
            let (back, _) = self.done.wait_timeout(guard, Duration::from_millis(50));
            guard = back;
            *guard -= 1;
            self.wake();
        }
    }

    /// Wakes the collector thread, if there is one and it does not look by itself soon. A futex call at most.
    pub(crate) fn wake(&self) {
        // ORDERING: none needed: who takes it for dozing when it has just ceased to costs it one sleep.
        if !self.dozing.load(Ordering::Relaxed)
            && let Some(threads) = self.threads.get()
        {
            threads.wake_collector();
        }
    }

    /// The collector thread: sleeps for `time`, and nobody wakes it.
    pub(crate) fn doze(&self, time: Duration) {
        self.dozing.store(true, Ordering::Relaxed);
        thread::park_timeout(time);
        self.dozing.store(false, Ordering::Relaxed);
    }

    /// Tells the markers that there is work.
    pub(crate) fn wake_markers(&self) {
        if let Some(threads) = self.threads.get() {
            threads.wake_markers();
        }
    }

    /// Tells the sweeper that there is work.
    pub(crate) fn wake_sweeper(&self) {
        if let Some(threads) = self.threads.get() {
            threads.wake_sweeper();
        }
    }

    /// Whether a background thread should end.
    pub(crate) fn should_stop(&self) -> bool {
        self.is_shut_down() || self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether the heap is going away.
    pub(crate) fn is_shut_down(&self) -> bool {
        // ORDERING: acquire pairs with the release in `shut_down`.
        self.shutdown.load(Ordering::Acquire)
    }

    /// Stops the threads, and waits until they have ended unless that could take for ever.
    pub(crate) fn shut_down(&self) {
        {
            // No thread starts after this.
            let _waiting = self.waiting.lock();
            // ORDERING: release pairs with the acquire in `is_shut_down`.
            self.shutdown.store(true, Ordering::Release);
        }
        if let Some(threads) = self.threads.get() {
            threads.wake_all();
            if background::may_join() {
                threads.join();
            }
        }
    }

    /// A thread is about to start. See `present`.
    pub(crate) fn arrives(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread ends, or the last handle is gone. True for the last of all, who has the heap for itself and tears it down.
    #[must_use]
    pub(crate) fn leaves(&self) -> bool {
        // ORDERING: acquire-release, pairs with itself: all that the others did happens before what the last one does.
        self.present.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// Steps the collector by hand: one step of each role. For drivers without threads. True if anything moved. What it costs counts as the
/// mutators' marking, and as sweeping.
pub(crate) fn drive_inline(shared: &Shared, budget: usize) -> bool {
    use crate::cycle::Step;
    use crate::mark::Progress;
    let Some(mut collector) = shared.collector.try_lock() else { return false };
    match collector.step(shared) {
        Step::Worked => true,
        Step::AwaitMarkers => {
            let timer = thread_cpu_time();
            let progress = collector.mark_some(shared, shared.zeal.slice(budget));
            shared.pace.charge_assist(thread_cpu_time().saturating_sub(timer));
            progress == Progress::More || !shared.queue.has_deferred()
        }
        Step::AwaitSweep => {
            drop(collector);
            shared.sweep.background(shared, shared.zeal.slice(budget.div_ceil(64).max(1)));
            true
        }
        Step::AwaitMutators | Step::Idle => false,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Heap;

    /// A heap whose first cycle has begun.
    fn running() -> (Heap, crate::Stepper) {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let mut stepper = heap.stepper();
        heap.request_cycle();
        let _ = stepper.collector();
        (heap, stepper)
    }

    #[test]
    fn a_trigger_reached_as_a_cycle_began_starts_no_second_one() {
        let (heap, mut stepper) = running();
        let shared = heap.owner().shared();
        // A mutator saw phase Idle and the old trigger before the first phase was published.
        shared.driver.trigger_reached(shared);
        while stepper.step_any() != crate::StepOutcome::Idle {}
        assert_eq!(shared.driver.completed(), 1);
        assert!(!shared.driver.is_wanted());
    }

    /// What lies outside the heap and counts its bytes may ask for a cycle when the last handle is gone.
    #[test]
    fn a_heap_that_goes_starts_no_threads() {
        let heap = Heap::builder().build().expect("a heap");
        let shared = heap.owner().shared();
        shared.driver.shut_down();
        shared.driver.request_cycle(shared, Cause::Trigger);
        assert!(!shared.driver.has_threads());
    }

    #[test]
    fn a_request_made_while_a_cycle_runs_starts_another() {
        let (heap, mut stepper) = running();
        let shared = heap.owner().shared();
        shared.driver.request_cycle(shared, Cause::Limit);
        while stepper.step_any() != crate::StepOutcome::Idle {}
        assert_eq!(shared.driver.completed(), 2);
    }
}

#[cfg(all(test, loom))]
#[path = "driver_loom.rs"]
mod loom_tests;
