//! The stepping driver: a test decides every step of the collector.
//!
//! The same state machine, markers and sweeper as in production; nothing runs unless a method here is called. Mutators run on
//! the test's own threads (usually one).

use crate::cycle::{Phase, Step};
use crate::heap::{Heap, Owner};
use crate::mark::{DequeId, Marker, Progress};
use crate::stats::Cause;
use std::fmt;
use std::sync::Arc;

/// What a step of the collector did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StepOutcome {
    /// Something moved: step again.
    Worked,
    /// Waits until mutators reach a safepoint, park or leave.
    AwaitMutators,
    /// Waits for [`Stepper::mark`].
    AwaitMarkers,
    /// Waits for [`Stepper::sweep`].
    AwaitSweep,
    /// No cycle runs and none is wanted.
    Idle,
}

/// Steps the collector of a heap built with [`Driver::Stepping`](crate::Driver::Stepping).
///
/// It may be used inside of a window, but then drop glue and cleanups, which run in its steps, cannot enter a heap: in
/// [`Mutator::blocking`](crate::Mutator::blocking) and outside of windows they can.
///
/// ```
/// use greyset::{Driver, Heap, StepOutcome};
/// # fn main() -> Result<(), greyset::HeapError> {
/// let heap = Heap::builder().driver(Driver::Stepping).build()?;
/// let mut stepper = heap.stepper();
/// stepper.request();
/// while stepper.step_any() != StepOutcome::Idle {}
/// assert_eq!(heap.stats().cycles, 1);
/// # Ok(())
/// # }
/// ```
pub struct Stepper {
    owner: Arc<Owner>,
    marker: Marker,
    deque: DequeId,
}

impl Heap {
    /// A driver of single steps.
    ///
    /// # Panics
    /// If the heap was not built with [`Driver::Stepping`](crate::Driver::Stepping).
    pub fn stepper(&self) -> Stepper {
        let shared = self.owner().shared();
        assert!(shared.driver.is_stepping(), "Heap::stepper needs a heap built with Driver::Stepping");
        let marker = Marker::new();
        let deque = shared.queue.register(marker.stealer());
        Stepper { owner: Arc::clone(self.owner()), marker, deque }
    }
}

impl Stepper {
    /// Asks for a cycle; it starts with the next collector step.
    pub fn request(&self) {
        let shared = self.owner.shared();
        shared.driver.request_cycle(shared, Cause::Asked);
    }

    /// One step of the collector's state machine.
    pub fn collector(&mut self) -> StepOutcome {
        let shared = self.owner.shared();
        match shared.lock_collector().step(shared) {
            Step::Worked => StepOutcome::Worked,
            Step::AwaitMutators => StepOutcome::AwaitMutators,
            Step::AwaitMarkers => StepOutcome::AwaitMarkers,
            Step::AwaitSweep => StepOutcome::AwaitSweep,
            Step::Idle => StepOutcome::Idle,
        }
    }

    /// Scans up to `objects` grey objects. True if there may be more, which is for whoever marks next: this stepper, another one, or a
    /// mutator that collects.
    pub fn mark(&mut self, objects: usize) -> bool {
        let shared = self.owner.shared();
        if objects == 0 || !shared.published.tracing() || shared.published.phase() != Phase::Mark {
            return false;
        }
        let progress = self.marker.run(shared, objects);
        // Nothing says that it is called again: what stayed in its hands would be grey for ever, and marking would not end.
        self.marker.leave(shared);
        progress == Progress::More
    }

    /// Sweeps up to `pages` pages as the background sweeper, drop glue and cleanups included. True if there may be more.
    pub fn sweep(&mut self, pages: usize) -> bool {
        let shared = self.owner.shared();
        shared.sweep.background(shared, pages)
    }

    /// One step of whoever can go on: collector, else marker, else sweeper. `AwaitMutators` if all wait for mutators.
    pub fn step_any(&mut self) -> StepOutcome {
        match self.collector() {
            StepOutcome::AwaitMarkers => {
                self.mark(64);
                StepOutcome::Worked
            }
            StepOutcome::AwaitSweep => {
                self.sweep(16);
                StepOutcome::Worked
            }
            other => other,
        }
    }

    /// Name of the phase the heap is in.
    pub fn phase(&self) -> &'static str {
        self.owner.shared().published.phase().name()
    }

    /// Checks the heap, as [`Heap::verify`] does.
    ///
    /// # Errors
    /// A description of the first thing found wrong.
    pub fn verify(&self) -> Result<crate::verify::Verified, crate::verify::Blame> {
        crate::verify::verify(self.owner.shared())
    }
}

impl Drop for Stepper {
    fn drop(&mut self) {
        self.owner.shared().queue.unregister(self.deque);
    }
}

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stepper").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::{Driver, Heap};

    #[test]
    fn nothing_is_left_of_a_stepper_that_was_dropped() {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let deques = || heap.owner().shared().queue.deques();
        let kept = heap.stepper();
        for _ in 0..3 {
            let (one, two) = (heap.stepper(), heap.stepper());
            assert_eq!(deques(), 3);
            drop(one);
            drop(two);
        }
        assert_eq!(deques(), 1);
        drop(kept);
        assert_eq!(deques(), 0);
    }
}
