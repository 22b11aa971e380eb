//! `Heap`: making one, its statistics, its end.

pub(crate) mod budget;
mod callout;
mod counters;
mod external;
mod owner;
mod recording;
mod shared;

pub use budget::{Budget, BudgetMember};
pub(crate) use callout::{Callout, in_any_callout};
pub(crate) use counters::Counters;
pub(crate) use owner::Owner;
pub use recording::{RecordError, Recording};
pub(crate) use shared::Shared;

use crate::config::{Gogc, HeapBuilder, Soft};
use crate::error::{ConfigError, HeapError};
use crate::mutator::{Mutator, MutatorHandle};
use crate::stats::{Cause, Census, Stats};
use greyset_alloc::{Os, RealOs};
use std::fmt;
use std::sync::Arc;

/// A garbage-collected heap: `Send + Sync`, cheap to clone, as many in a process as you like.
///
/// Memory stays mapped until the last `Heap`, [`MutatorHandle`] and [`Root`](crate::Root) of it is gone; then every value is
/// dropped. A [`Weak`](crate::Weak) does not keep the heap. A `Root` that lies in an object of its own heap does, until
/// the object dies.
///
/// Who drops the last of them waits for the heap's threads, and has dropped every value when it returns. Inside of
/// [`enter`](MutatorHandle::enter), in an event sink, in drop glue and cleanups of any heap, and on a heap's thread it does not wait, since
/// the heap's own threads may be waiting for the caller: one of them drops the values then.
///
/// ```
/// # fn main() -> Result<(), greyset::HeapError> {
/// use greyset::Heap;
/// let heap = Heap::builder().gogc(100).build()?;
/// let mut handle = heap.mutator();
/// handle.enter(|m| {
///     let kept = m.alloc(String::from("kept")).root(m);
///     m.collect();
///     assert_eq!(&**kept.get(m), "kept");
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Heap {
    owner: Arc<Owner>,
}

impl Heap {
    /// Settings for a new heap.
    pub fn builder() -> HeapBuilder {
        HeapBuilder::new()
    }

    /// Attaches a mutator, parked; named after the calling thread in events.
    ///
    /// # Panics
    /// With 2²⁰ - 1 mutators attached, which is the most a heap has at a time.
    pub fn mutator(&self) -> MutatorHandle {
        let thread = std::thread::current();
        MutatorHandle::attach(Arc::clone(&self.owner), thread.name().unwrap_or("unnamed"))
    }

    /// Attaches a mutator with a name of its own.
    ///
    /// # Panics
    /// As [`Heap::mutator`].
    pub fn mutator_named(&self, name: &str) -> MutatorHandle {
        MutatorHandle::attach(Arc::clone(&self.owner), name)
    }

    /// What the heap has done and holds. Cheap; any time, any thread.
    pub fn stats(&self) -> Stats {
        counters::stats(self.owner.shared())
    }

    /// Objects and bytes by type. Walks every span: linear in the heap. Exact while no mutator runs and no cycle does.
    pub fn census(&self) -> Census {
        counters::census(self.owner.shared())
    }

    /// Asks for a cycle; does not wait for it.
    pub fn request_cycle(&self) {
        let shared = self.owner.shared();
        shared.driver.request_cycle(shared, Cause::Asked);
    }

    /// Changes GOGC: in force at once, for a running cycle too.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn set_gogc(&self, gogc: Gogc) -> Result<(), ConfigError> {
        let gogc = crate::config::check::gogc(gogc)?;
        let shared = self.owner.shared();
        shared.lock_collector().set_gogc(shared, gogc);
        Ok(())
    }

    /// Changes the soft limit, in bytes; `None` is none. In force at once: the next goal, and the trigger of the next cycle,
    /// follow from it. With a [`Budget`] it is the most the heap gets of that.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use greyset::{ByteSize, Heap};
    /// let heap = Heap::builder().build()?;
    /// heap.set_memory_limit(Some("64MiB".parse::<ByteSize>()?.bytes()))?;
    /// assert_eq!(heap.stats().memory_limit, Some(64 << 20));
    /// heap.set_memory_limit(None)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it is above the hard limit, or out of range.
    pub fn set_memory_limit(&self, bytes: Option<u64>) -> Result<(), ConfigError> {
        let shared = self.owner.shared();
        let mut collector = shared.lock_collector();
        collector.pacing().set_limits(shared, Soft::Own(bytes), shared.alloc.limit())
    }

    /// Changes the hard limit, in bytes; `None` is none. In force with the next run taken. A soft limit that nobody has set follows it,
    /// at 95 %; with a [`Budget`] the heap's share stays below it.
    ///
    /// # Errors
    /// When it is below a soft limit that was set, or out of range.
    pub fn set_hard_limit(&self, bytes: Option<u64>) -> Result<(), ConfigError> {
        let shared = self.owner.shared();
        let mut collector = shared.lock_collector();
        let soft = collector.pacing().soft();
        collector.pacing().set_limits(shared, soft, bytes)
    }

    /// Adds `bytes` to what the program holds outside of the heap on behalf of its objects, or takes off. It counts as live
    /// data does: in the goal, the trigger and both limits. What is added by hand is to be taken off by hand; it never goes
    /// below zero. For what an object owns, [`Charged`](crate::Charged) does so by itself.
    ///
    /// One call counts for 64 PiB (2^56 bytes) at most, up or down, so that a call is undone by its opposite; on an account that is
    /// full, at 4 EiB (2^62 bytes), what is added does not count. Where a hard limit is passed, allocations fail until enough is
    /// taken off.
    pub fn adjust_external(&self, bytes: i64) {
        self.owner.shared().adjust_external(bytes);
    }

    /// Gives free memory back to the system now, and does not keep any for a heap that was larger; returns how many bytes.
    pub fn release_free_memory(&self) -> u64 {
        let shared = self.owner.shared();
        shared.lock_collector().pacing().forget(shared);
        shared.sweep.release_all(shared)
    }

    /// Checks the heap now, under every driver, in or outside of a window: an independent re-mark from the roots and, if no cycle runs,
    /// all that a heap at rest says twice: colours and spans, free runs and live objects, accounts and what there is, tables and sets.
    ///
    /// It never waits for a cycle. While one runs, the answer is that of the re-mark ([`Verified::spans`](crate::Verified::spans) is
    /// `None`): every reference leads to an allocated object, which must be marked if marking is over. So it is if mutators change the
    /// tables as fast as they are looked at.
    ///
    /// Mutators go on meanwhile, and so do markers and sweepers. What waits for it:
    ///
    /// - steps of the collector, so that a cycle neither begins nor ends; with them `collect`, the setters of limits and of GOGC,
    ///   [`Heap::release_free_memory`] and recordings;
    /// - while all but the re-mark is checked: attaching and detaching, [`Heap::stats`], and whoever finds a [`Lock`](crate::Lock) taken;
    /// - if mutators have disturbed that: allocations that need a new run.
    ///
    /// Neither what a mutator alone holds in a window is seen, nor the contents of a `Lock` that is held.
    ///
    /// Cost: time linear in the heap, on the calling thread, and a hash table of all objects reached, 24 bytes or more each. To
    /// have it done after each cycle: [`Zeal::Verify`](crate::Zeal::Verify).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let heap = greyset::Heap::builder().build()?;
    /// let mut handle = heap.mutator();
    /// let root = handle.enter(|m| m.alloc(42u64).root(m));
    /// let verified = heap.verify()?;
    /// assert_eq!((verified.roots, verified.objects), (1, 1));
    /// # drop(root);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A description of the first thing found wrong.
    ///
    /// # Panics
    /// In an event sink of this heap, which may be called with the collector's lock held. (Two heaps whose sinks verify each other wait for
    /// ever: a sink that wants a heap verified has another thread do it.)
    pub fn verify(&self) -> Result<crate::Verified, crate::Blame> {
        crate::verify::verify(self.owner.shared())
    }

    /// Where the collector and the mutators stand, for the simulator's report on a run that does not end. Takes no lock that
    /// is taken.
    #[cfg(feature = "sim")]
    pub fn standing(&self) -> String {
        let shared = self.owner.shared();
        let pending = shared.pending.load(greyset_sync::atomic::Ordering::Relaxed);
        let (phase, request) = (shared.published.phase().name(), shared.published.request());
        let mut text = format!("phase {phase}, last handshake {request:?}, {pending} answers missing");
        if let Some(list) = shared.mutators.try_lock() {
            for record in list.records() {
                if record.word.is_asked() {
                    text += &format!("\n  mutator {} has not answered", record.id());
                }
            }
        }
        text
    }

    pub(crate) fn from_owner(owner: Arc<Owner>) -> Heap {
        Heap { owner }
    }

    pub(crate) fn owner(&self) -> &Arc<Owner> {
        &self.owner
    }
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.owner.shared();
        f.debug_struct("Heap")
            .field("name", &shared.config.name)
            .field("phase", &shared.published.phase().name())
            .finish_non_exhaustive()
    }
}

impl HeapBuilder {
    /// Makes the heap. No thread is started before the first cycle.
    ///
    /// # Errors
    /// When a setting or an environment variable is wrong (the error says which and what to write), or the system refuses
    /// the address space.
    pub fn build(self) -> Result<Heap, HeapError> {
        self.build_on(Box::new(RealOs))
    }

    /// [`build`](HeapBuilder::build) on another system: for tests in which that fails on demand.
    ///
    /// # Errors
    /// As `build`.
    #[doc(hidden)]
    pub fn build_on(self, system: Box<dyn Os>) -> Result<Heap, HeapError> {
        let config = self.resolve()?;
        Ok(Heap { owner: Owner::new(Shared::build(config, system)?) })
    }
}

impl Mutator {
    /// The heap.
    pub fn heap(&self) -> Heap {
        Heap::from_owner(Arc::clone(self.owner()))
    }

    /// Runs one whole cycle that begins now; returns when everything dead at the call is swept.
    ///
    /// A safepoint. This mutator is parked meanwhile and other mutators go on. Under the background driver it waits; under the others its
    /// thread does the work itself.
    ///
    /// # Panics
    /// In code that the heap itself calls (drop glue, cleanups, event sinks), where it would wait for itself:
    /// [`Heap::request_cycle`] asks for a cycle and waits for nothing.
    pub fn collect(&mut self) {
        let owner = Arc::clone(self.owner());
        let shared = owner.shared();
        shared.will_wait();
        let target = shared.driver.request_full(shared);
        self.blocking(|| {
            if !shared.driver.is_inline() && !shared.driver.is_stepping() {
                return shared.driver.wait_for(shared, target);
            }
            while shared.driver.completed() < target {
                if !crate::cycle::drive_inline(shared, 4096) {
                    greyset_sync::thread::yield_now();
                }
            }
            while shared.registry.run_cleanups(shared, 64) {}
        });
    }

    /// A bounded piece of collector work at a safepoint of the inline driver. The mutator is parked meanwhile: what the work asks of it is
    /// answered, and drop glue and cleanups may enter the heap. Nothing in a callout (`heap/callout.rs`).
    pub(crate) fn inline_step(&mut self) {
        let owner = Arc::clone(self.owner());
        let shared = owner.shared();
        if shared.in_callout() {
            return;
        }
        self.blocking(|| {
            for _ in 0..shared.zeal.slice(8) {
                if !crate::cycle::drive_inline(shared, 1024) {
                    break;
                }
            }
            shared.registry.run_cleanups(shared, 4);
        });
    }
}
