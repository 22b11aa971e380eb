//! The background driver: a collector thread that also marks, more marker threads if asked for, and a sweeper.
//!
//! Threads are started with the first cycle, so that a heap that never collects never has any. They hold the heap's shared
//! state, not its owner: when the last handle goes, the owner tells them to stop, and joins them where it may.

use crate::cycle::turns::{Turns, wake_in_time};
use crate::cycle::{Phase, Step, processors};
use crate::heap::{Shared, in_any_callout};
use crate::mark::{Marker, Progress};
use crate::mutator::is_entered;
use crate::pacer::release::ReleasePacer;
use crate::panics::{discard, must_not_unwind};
use crate::stats::cpu::{nanos, thread_cpu_time};
use crate::sweep::GaveBack;
use greyset_sync::{Mutex, Rank, thread, tiny};
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Objects scanned between looks at the collector's state.
const BUDGET: usize = 4096;
/// The same where processors are short.
const CROWDED_BUDGET: usize = 512;
/// Pages swept between looks at the clock.
const SWEEP_PAGES: usize = 256;
/// Longest sleep of a thread that waits to be woken; a lost wake-up costs no more than this.
pub(crate) const NAP: Duration = Duration::from_millis(10);
/// Shortest sleep between two givings-back, so that a wake-up for other work is not the rule.
const LEAST_NAP: Duration = Duration::from_micros(100);
/// Yields in vain before a marker that looks for work sleeps: somebody else has it all, or a `Lock` is held for long.
const YIELDS: u32 = 64;
/// Its sleep then: marking may have to wait so long for its end.
const YIELD_NAP: Duration = Duration::from_micros(50);
/// First and longest sleep while a handshake is under way. Nobody is woken from it: the call takes longer than all the rest of an
/// answer, and a mutator would pay for it.
const DOZES: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(1)];

/// So long the sweeper lets those who allocate sweep what they need themselves: they take what was used last, which is still in their
/// caches, and a span need not become pages and a span again.
const SWEEP_NAP: Duration = Duration::from_millis(1);

/// So often the collector's thread dozes after a cycle before it sleeps until it is woken. Where the next cycle comes before
/// that, the mutator that reaches the trigger has nobody to wake.
const REST: u32 = 2;
/// For so long each time. The timer of a processor that sleeps is one that works, and interrupts that.
const REST_NAP: Duration = Duration::from_micros(250);

thread_local! {
    /// Whether this is a thread of some heap.
    static ON_ONE: Cell<bool> = const { Cell::new(false) };
}

/// The threads of one heap.
pub(crate) struct Threads {
    collector: thread::Thread,
    markers: Vec<thread::Thread>,
    sweeper: thread::Thread,
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// The system has refused a thread.
pub(crate) struct Refused {
    /// What it said.
    pub(crate) error: io::Error,
    /// The threads before that one.
    handles: Vec<thread::JoinHandle<()>>,
}

impl Refused {
    /// Waits for the others, which end by themselves, unless that could take for ever. They may need any lock of the heap until then.
    pub(crate) fn join(self) {
        let may_join = may_join();
        for handle in self.handles {
            handle.thread().unpark();
            if may_join {
                ended(handle);
            }
        }
    }
}

impl Threads {
    /// Starts them all.
    ///
    /// # Errors
    /// If the system refuses one; those already started have to be told and joined.
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Threads, Refused> {
        let mut handles = Vec::new();
        match Threads::spawn_all(shared, &mut handles) {
            Ok(markers) => Ok(Threads {
                collector: handles[0].thread().clone(),
                sweeper: handles[1].thread().clone(),
                markers,
                handles: Mutex::new(Rank::Leaf, handles),
            }),
            Err(error) => Err(Refused { error, handles }),
        }
    }

    fn spawn_all(
        shared: &Arc<Shared>,
        handles: &mut Vec<thread::JoinHandle<()>>,
    ) -> io::Result<Vec<thread::Thread>> {
        let spawn = |name: &str, body: fn(&Shared)| {
            shared.driver.arrives();
            let its = Arc::clone(shared);
            let spawned = thread::spawn_named(name, move || {
                ON_ONE.set(true);
                wake_in_time();
                // Without one of its threads the heap would wait for it for ever.
                must_not_unwind("a thread of the collector", || body(&its));
                Shared::leave(its);
            });
            if spawned.is_err() {
                let last = shared.driver.leaves();
                debug_assert!(!last, "handles cannot go while threads start");
            }
            spawned
        };
        handles.push(spawn("greyset-gc", collector_thread)?);
        handles.push(spawn("greyset-sweep", sweeper_thread)?);
        let mut markers = Vec::new();
        for _ in 1..shared.config.workers {
            let handle = spawn("greyset-mark", marker_thread)?;
            markers.push(handle.thread().clone());
            handles.push(handle);
        }
        Ok(markers)
    }

    /// Wakes the collector thread. A futex call at most.
    pub(crate) fn wake_collector(&self) {
        self.collector.unpark();
    }

    /// Wakes the markers.
    pub(crate) fn wake_markers(&self) {
        for marker in &self.markers {
            marker.unpark();
        }
    }

    /// Wakes the sweeper.
    pub(crate) fn wake_sweeper(&self) {
        self.sweeper.unpark();
    }

    /// Wakes them all.
    pub(crate) fn wake_all(&self) {
        self.wake_collector();
        self.wake_markers();
        self.wake_sweeper();
    }

    /// Waits until they have all ended.
    pub(crate) fn join(&self) {
        let handles = std::mem::take(&mut *self.handles.lock());
        handles.into_iter().for_each(ended);
    }
}

/// Whether the caller may wait for a heap's threads. They may be in drop glue that waits for
/// - a handshake of another heap, and so for the window that the caller is in;
/// - the threads of another heap, and so for the caller if it is one of those;
/// - the end of a cycle of another heap, and so for the caller if it sweeps there, as a mutator does with the inline driver;
/// - the collector's lock, which whoever calls an event sink may hold.
pub(crate) fn may_join() -> bool {
    !ON_ONE.get() && !is_entered() && !in_any_callout()
}

/// Waits until a thread has ended. If it has panicked as it let go of the heap (in the drop of a subscriber), the panic hook has
/// said so, and the heap goes away all the same.
fn ended(handle: thread::JoinHandle<()>) {
    if let Err(payload) = handle.join() {
        discard(payload);
    }
}

/// Steps the collector, and marks while it waits for markers.
fn collector_thread(shared: &Shared) {
    // For good: where threads were refused, mutators go on with this marker.
    shared.queue.register(shared.collector.lock().marker().stealer());
    let mut before = thread_cpu_time();
    let mut turns = Turns::new();
    let (mut vain, mut doze, mut rested, mut left_to_mutators) = (0, DOZES[0], REST, false);
    while !shared.driver.should_stop() {
        let (step, progress) = {
            // A mutator that holds it takes a short step. To wait for it would make that mutator wake this thread.
            let Some(mut collector) = shared.collector.try_lock() else {
                shared.driver.doze(DOZES[0]);
                continue;
            };
            let _at_work = shared.driver.at_work();
            let step = collector.step(shared);
            let progress = match step {
                Step::AwaitMarkers => collector.mark_some(shared, portion(shared, &turns)),
                _ => Progress::Empty,
            };
            (step, progress)
        };
        let now = thread_cpu_time();
        let worked = now.saturating_sub(before);
        shared.pace.charge_mark(worked);
        before = now;
        vain = if step == Step::AwaitMarkers && progress == Progress::Empty { vain + 1 } else { 0 };
        if step != Step::AwaitMutators {
            doze = DOZES[0];
        }
        match step {
            Step::Worked => {}
            Step::AwaitMarkers if progress == Progress::More => {
                let lay_down = || {
                    // A mutator that has it takes a step that is due when nothing is grey.
                    if let Some(mut collector) = shared.collector.try_lock() {
                        collector.lay_down(shared);
                    }
                };
                turns.worked(shared, worked, lay_down, |slice| shared.driver.doze(slice));
            }
            Step::AwaitMarkers => yield_or_nap(vain),
            Step::AwaitMutators => {
                shared.driver.doze(doze);
                doze = (2 * doze).min(DOZES[1]);
            }
            Step::AwaitSweep if !left_to_mutators && shared.sweep_can_wait() => {
                left_to_mutators = true;
                thread::park_timeout(SWEEP_NAP);
            }
            Step::AwaitSweep => {
                shared.driver.wake_sweeper();
                thread::park_timeout(DOZES[1]);
            }
            Step::Idle if rested < REST => {
                rested += 1;
                shared.driver.doze(REST_NAP);
            }
            Step::Idle => thread::park_timeout(NAP),
        }
        if step != Step::Idle {
            rested = 0;
        }
        left_to_mutators &= step == Step::AwaitSweep;
    }
}

/// Objects to scan at once.
fn portion(shared: &Shared, turns: &Turns) -> usize {
    shared.zeal.slice(tiny(if turns.crowded() { CROWDED_BUDGET } else { BUDGET }, 3))
}

/// What a marker does that has found nothing for the `vain`-th time in a row.
fn yield_or_nap(vain: u32) {
    if vain < YIELDS { thread::yield_now() } else { thread::park_timeout(YIELD_NAP) }
}

/// Marks while tracing is open.
fn marker_thread(shared: &Shared) {
    let mut marker = Marker::new();
    let deque = shared.queue.register(marker.stealer());
    let mut before = thread_cpu_time();
    let mut turns = Turns::new();
    let mut hungry = false;
    let mut vain = 0;
    while !shared.driver.should_stop() {
        let open = shared.published.tracing() && shared.published.phase() == Phase::Mark;
        let progress = if open { marker.run(shared, portion(shared, &turns)) } else { Progress::Empty };
        let now = thread_cpu_time();
        let worked = now.saturating_sub(before);
        shared.pace.charge_mark(worked);
        before = now;
        let looking = open && progress == Progress::Empty;
        if looking != hungry {
            shared.queue.hungry(looking);
            hungry = looking;
        }
        vain = if looking { vain + 1 } else { 0 };
        if progress == Progress::More {
            turns.worked(shared, worked, || marker.leave(shared), thread::sleep);
        } else if looking {
            yield_or_nap(vain);
        } else if progress == Progress::Empty {
            thread::park_timeout(NAP);
        }
    }
    // Where threads were refused the heap goes on without this one.
    marker.leave(shared);
    shared.queue.unregister(deque);
    if hungry {
        shared.queue.hungry(false);
    }
}

/// Sweeps, runs drop glue and cleanups, gives memory back.
fn sweeper_thread(shared: &Shared) {
    let mut release = ReleasePacer::new(shared.config.release_cpu, processors());
    let mut paced = shared.stats.clock.nanos();
    let mut due = paced;
    let mut turns = Turns::new();
    let mut before = thread_cpu_time();
    while !shared.driver.should_stop() {
        let more = shared.sweep.background(shared, shared.zeal.slice(tiny(SWEEP_PAGES, 1)));
        if shared.published.phase() == Phase::Sweep && shared.alloc.unswept_pages() == 0 {
            shared.driver.wake();
        }
        if more {
            let now = thread_cpu_time();
            turns.worked(shared, now.saturating_sub(before), || (), thread::sleep);
            before = now;
            continue;
        }
        let early = due.saturating_sub(shared.stats.clock.nanos());
        if early > 0 && !shared.is_above_limit() {
            // Woken for something else, which is done: what giving back may take is not a matter of how often that is.
            thread::park_timeout(Duration::from_nanos(early).min(NAP));
            continue;
        }
        let timer = thread_cpu_time();
        let gave = shared.sweep.give_back(shared);
        before = thread_cpu_time();
        let worked = if gave == GaveBack::Nothing { 0 } else { nanos(before.saturating_sub(timer)) };
        let now = shared.stats.clock.nanos();
        let sleep = Duration::from_nanos(release.sleep_after(worked, now - paced));
        (paced, due) = (now, now);
        match gave {
            GaveBack::Urgent => {}
            GaveBack::Some => due += nanos(sleep.max(LEAST_NAP)),
            GaveBack::Nothing => thread::park_timeout(NAP),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Heap;

    #[test]
    fn markers_that_end_since_others_were_refused_leave_nothing() {
        let heap = Heap::builder().ignore_environment().workers(4).build().expect("a heap");
        // The collector's, the sweeper and two markers start before it.
        thread::refuse_nth(5);
        heap.request_cycle();
        thread::refuse_nth(0);
        assert_eq!(heap.owner().shared().queue.deques(), 1, "the collector's own stays");
    }
}
