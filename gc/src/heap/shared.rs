//! The state that mutators, markers, sweeper and collector of one heap share.
//!
//! Nothing here acts by itself: the collector's state machine (`cycle/`) changes phases, mutators answer, drivers step.
//! No global state: everything hangs off this struct, and a process may have as many as it likes.

use crate::config::{Config, HugePages};
use crate::cycle::{Collector, DriverControl, Pacing, Published};
use crate::error::HeapError;
use crate::heap::budget::Membership;
use crate::heap::external::{ByHand, Ledger};
use crate::heap::{Callout, Counters, Owner};
use crate::mark::{GreyQueue, RootCursor};
use crate::mutator::Mutators;
use crate::roots::EntryTable;
use crate::stats::Sinks;
use crate::stats::cpu::nanos;
use crate::sweep::{Ephemerons, Registry, SweepState};
use crate::zeal::ZealState;
use greyset_alloc::{MHeap, Os, ReserveError, Space};
use greyset_sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use greyset_sync::{CachePadded, Fault, Mutex, Point, Rank, fault, point};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Bytes beyond the trigger within which a thread of the collector is to come: what a fast program allocates in 50 us, which is what it
/// takes to wake a thread.
const LATE: u64 = 128 << 10;

/// What the pacer and the statistics are told, and what the pacer answers, as words everybody may read.
pub(crate) struct Pace {
    /// Bytes marked last cycle, bytes allocated since, and external bytes: the live heap as the pacer sees it.
    pub(crate) live: CachePadded<AtomicU64>,
    /// Bytes ever taken in runs, less what flushes gave back.
    pub(crate) allocated: AtomicU64,
    /// Objects ever taken in runs, less what flushes gave back.
    pub(crate) objects: AtomicU64,
    /// Start a cycle when `live` reaches this many bytes.
    pub(crate) trigger: AtomicU64,
    /// Where the running cycle should end, in bytes.
    pub(crate) goal: AtomicU64,
    /// Bytes that the last cycle found alive, with those allocated while it ran.
    pub(crate) last_live: AtomicU64,
    /// Bytes of heap pages to keep; what is free beyond goes back to the system.
    pub(crate) keep: AtomicU64,
    /// All bytes to keep.
    pub(crate) keep_total: AtomicU64,
    /// The soft limit in bytes; `u64::MAX` for none.
    pub(crate) memory_limit: AtomicU64,
    /// Largest `live` seen when a run was taken.
    pub(crate) peak: AtomicU64,
    /// Scan work owed for a byte allocated while marking (bits of an f64).
    ratio: AtomicU64,
    /// Live bytes beyond which mutators brake; `u64::MAX` while collection holds back.
    pub(crate) ceiling: AtomicU64,
    /// Scan work done by background markers and not yet spent by allocation.
    pub(crate) credit: CachePadded<AtomicI64>,
    /// Scan work done in the running cycle, in bytes.
    pub(crate) scan_work: CachePadded<AtomicU64>,
    /// Bytes and objects marked in the running cycle.
    pub(crate) marked_bytes: AtomicU64,
    /// Objects marked in the running cycle.
    pub(crate) marked_objects: AtomicU64,
    /// Bytes of runs taken before T2 and recoloured in the running cycle: what is put there is born black.
    pub(crate) recoloured: AtomicU64,
    /// Bytes outside the heap that came on the account while tracing was open and that nobody has paid for.
    pub(crate) unpaid: AtomicU64,
    /// The running cycle frees nothing: a `trace` has panicked, or a guard was forgotten in mode Both.
    pub(crate) kept_all: AtomicBool,
    /// Pages to sweep for a byte allocated while sweeping (bits of an f64).
    sweep_ratio: AtomicU64,
    /// CPU time of assists in the running cycle, ns.
    pub(crate) assist_ns: AtomicU64,
    /// CPU time of marker threads in the running cycle, ns.
    pub(crate) mark_ns: AtomicU64,
}

impl Pace {
    /// Counters of an empty heap with the first trigger.
    pub(crate) fn new(trigger: u64, goal: u64) -> Pace {
        let zero = || AtomicU64::new(0);
        Pace {
            live: CachePadded::new(zero()),
            allocated: zero(),
            objects: zero(),
            trigger: AtomicU64::new(trigger),
            goal: AtomicU64::new(goal),
            last_live: zero(),
            keep: AtomicU64::new(u64::MAX),
            keep_total: AtomicU64::new(u64::MAX),
            memory_limit: AtomicU64::new(u64::MAX),
            peak: zero(),
            ratio: AtomicU64::new(0f64.to_bits()),
            ceiling: AtomicU64::new(u64::MAX),
            credit: CachePadded::new(AtomicI64::new(0)),
            scan_work: CachePadded::new(zero()),
            marked_bytes: zero(),
            marked_objects: zero(),
            recoloured: zero(),
            unpaid: zero(),
            kept_all: AtomicBool::new(false),
            sweep_ratio: AtomicU64::new(0f64.to_bits()),
            assist_ns: zero(),
            mark_ns: zero(),
        }
    }

    /// Whether the trigger is reached.
    pub(crate) fn is_triggered(&self) -> bool {
        self.live.load(Ordering::Relaxed) >= self.trigger.load(Ordering::Relaxed)
    }

    /// Whether the heap is so far above its goal that mutators brake.
    pub(crate) fn is_above_ceiling(&self) -> bool {
        self.live.load(Ordering::Relaxed) > self.ceiling.load(Ordering::Relaxed)
    }

    /// Whether the heap has come a quarter of the way from the trigger to the goal, or [`LATE`]: if no thread of the collector has begun a
    /// cycle by then, a mutator does.
    pub(crate) fn is_late(&self) -> bool {
        let [live, trigger, goal] =
            [&*self.live, &self.trigger, &self.goal].map(|word| word.load(Ordering::Relaxed));
        live >= trigger.saturating_add((goal.saturating_sub(trigger) / 4).min(LATE))
    }

    /// Counts the processor time of a mutator that marked; returns it in nanoseconds.
    pub(crate) fn charge_assist(&self, time: Duration) -> u64 {
        let ns = nanos(time);
        self.assist_ns.fetch_add(ns, Ordering::Relaxed);
        ns
    }

    /// Counts the processor time of a marker thread.
    pub(crate) fn charge_mark(&self, time: Duration) {
        self.mark_ns.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Scan work owed for a byte.
    pub(crate) fn ratio(&self) -> f64 {
        f64::from_bits(self.ratio.load(Ordering::Relaxed))
    }

    /// Sets the scan work owed for a byte.
    pub(crate) fn set_ratio(&self, ratio: f64) {
        self.ratio.store(ratio.to_bits(), Ordering::Relaxed);
    }

    /// Bytes that somebody has to pay for: the caller, who pays for a run.
    pub(crate) fn take_unpaid(&self) -> usize {
        match self.unpaid.load(Ordering::Relaxed) {
            0 => 0,
            _ => usize::try_from(self.unpaid.swap(0, Ordering::Relaxed)).unwrap_or(usize::MAX),
        }
    }

    /// Pages to sweep for a byte.
    pub(crate) fn sweep_ratio(&self) -> f64 {
        f64::from_bits(self.sweep_ratio.load(Ordering::Relaxed))
    }

    /// Sets the pages to sweep for a byte.
    pub(crate) fn set_sweep_ratio(&self, ratio: f64) {
        self.sweep_ratio.store(ratio.to_bits(), Ordering::Relaxed);
    }
}

/// A heap, as its parts see it.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) alloc: MHeap,
    pub(crate) published: Published,
    /// The cycle lock of the protocol.
    pub(crate) cycle_lock: Mutex<()>,
    pub(crate) mutators: Mutators,
    /// Mutators that have not answered the running handshake.
    pub(crate) pending: CachePadded<AtomicUsize>,
    /// The running round is not clean.
    pub(crate) dirty: AtomicBool,
    pub(crate) queue: GreyQueue,
    pub(crate) root_cursor: RootCursor,
    pub(crate) roots: EntryTable,
    pub(crate) weaks: EntryTable,
    pub(crate) ephemerons: Ephemerons,
    pub(crate) registry: Registry,
    pub(crate) sweep: SweepState,
    pub(crate) pace: Pace,
    /// Its place in a budget of several heaps.
    pub(crate) membership: Option<Membership>,
    /// External bytes that the program has reported itself.
    pub(crate) by_hand: ByHand,
    /// A verifier asks mutators to wait before they change the allocator's tables.
    pub(crate) held_still: AtomicBool,
    /// Kept for the verifier, if it is.
    pub(crate) ledger: Ledger,
    pub(crate) collector: Mutex<Collector>,
    pub(crate) driver: DriverControl,
    pub(crate) stats: Counters,
    pub(crate) zeal: ZealState,
    sinks: Sinks,
    this: Weak<Shared>,
    owner: OnceLock<Weak<Owner>>,
    /// A `trace` panicked in the running cycle: it must not sweep.
    pub(crate) trace_panicked: AtomicBool,
    /// So it was when marking ended: the cycle clears nothing and frees nothing, and who asks of a white object in phase Clear gets
    /// it. Changed under the cycle's lock before the phase is published, so that it means the same for all who see the phase.
    pub(crate) given_up: AtomicBool,
}

impl Shared {
    /// The heap's address space and side tables.
    #[inline]
    pub(crate) fn space(&self) -> &Space {
        self.alloc.space()
    }

    /// Whether sweeping may begin a little later: nobody waits for it, and no memory that it would find is missed.
    pub(crate) fn sweep_can_wait(&self) -> bool {
        self.alloc.limit().is_none() && self.memory_limit().is_none() && !self.driver.is_awaited()
    }

    /// Tells every sink.
    pub(crate) fn emit(&self, event: &crate::stats::Event) {
        if self.sinks.is_empty() {
            return;
        }
        let _called = self.calls_out(Callout::Sink);
        self.sinks.emit(self.config.name.as_deref().unwrap_or("heap"), event);
    }

    /// This heap, for a thread that is to hold it.
    pub(crate) fn this(&self) -> Option<Arc<Shared>> {
        self.this.upgrade()
    }

    /// Says who owns this heap, once.
    pub(crate) fn owned_by(&self, owner: &Weak<Owner>) {
        let set = self.owner.set(Weak::clone(owner));
        debug_assert!(set.is_ok(), "a heap has one owner");
    }

    /// The owner, if the heap is not being torn down: it is not for as long as the result lives.
    pub(crate) fn owner(&self) -> Option<Arc<Owner>> {
        self.owner.get().and_then(Weak::upgrade)
    }

    /// This heap, for a handle that does not keep it.
    pub(crate) fn weak_ref(&self) -> Weak<Shared> {
        Weak::clone(&self.this)
    }

    /// A new heap on memory of `system`.
    pub(crate) fn build(mut config: Config, system: Box<dyn Os>) -> Result<Arc<Shared>, HeapError> {
        let alloc = MHeap::new(&alloc_config(&config), system).map_err(refused)?;
        let membership =
            config.budget.as_ref().map(|member| member.join(config.memory_limit.or(config.hard_limit)));
        if let Some(membership) = &membership {
            config.memory_limit = Some(membership.share());
        }
        let pacing = Pacing::new(&config);
        let (goal, trigger) = pacing.first();
        let pace = Pace::new(trigger, goal);
        pace.memory_limit.store(config.memory_limit.unwrap_or(u64::MAX), Ordering::Relaxed);
        let zeal = ZealState::new(&config);
        Ok(Arc::new_cyclic(|this| Shared {
            alloc,
            published: Published::new(),
            cycle_lock: Mutex::new(Rank::Cycle, ()),
            mutators: Mutators::new(),
            pending: CachePadded::new(AtomicUsize::new(0)),
            dirty: AtomicBool::new(false),
            queue: GreyQueue::new(&zeal),
            root_cursor: RootCursor::new(),
            roots: EntryTable::new(),
            weaks: EntryTable::new(),
            ephemerons: Ephemerons::new(),
            registry: Registry::new(),
            sweep: SweepState::new(),
            pace,
            membership,
            by_hand: ByHand::new(),
            held_still: AtomicBool::new(false),
            ledger: Ledger::new(&zeal),
            collector: Mutex::new(Rank::Collector, Collector::new(pacing)),
            driver: DriverControl::new(config.driver),
            stats: Counters::new(),
            zeal,
            sinks: config.subscribers(),
            this: Weak::clone(this),
            owner: OnceLock::new(),
            trace_panicked: AtomicBool::new(false),
            given_up: AtomicBool::new(false),
            config,
        }))
    }

    /// One mutator has answered the running handshake; the last one opens what the handshake was for and wakes the
    /// collector if it is asked to.
    pub(crate) fn one_answered(&self, request: crate::cycle::Request, wake: bool) {
        let asked = self.stats.asked_at.load(Ordering::Relaxed);
        self.stats.handshakes.record(self.stats.clock.nanos().saturating_sub(asked));
        // ORDERING: acquire-release: the last answer happens after all others, and the collector's acquire load of 0
        // (`Collector`) happens after it.
        if self.pending.fetch_sub(1, Ordering::AcqRel) == 1 {
            point(Point::HandshakeAnswer);
            if request == crate::cycle::Request::Off {
                self.alloc.open_sweep();
            }
            if wake {
                self.driver.wake();
            }
        }
    }

    /// Accounts for a run taken.
    pub(crate) fn account_taken(&self, bytes: usize, objects: usize) {
        self.pace.allocated.fetch_add(bytes as u64, Ordering::Relaxed);
        self.pace.objects.fetch_add(objects as u64, Ordering::Relaxed);
        let live = self.pace.live.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if live > self.pace.peak.load(Ordering::Relaxed) {
            self.pace.peak.fetch_max(live, Ordering::Relaxed);
        }
    }

    /// Accounts for what a flush gave back.
    pub(crate) fn account_returned(&self, bytes: u64, objects: usize) {
        if fault(Fault::ReturnedNotAccounted) {
            return;
        }
        self.pace.allocated.fetch_sub(bytes, Ordering::Relaxed);
        self.pace.objects.fetch_sub(objects as u64, Ordering::Relaxed);
        self.account_correction(bytes, 0);
    }

    /// `before` bytes of `live` turned out to be `after`. Runs taken and given back meanwhile count by themselves, and may have
    /// been counted in `before`: never below zero.
    pub(crate) fn account_correction(&self, before: u64, after: u64) {
        let correct = |live: u64| Some(live.saturating_add(after).saturating_sub(before));
        let _ = self.pace.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, correct);
    }

    /// Bytes of tables, mark stacks and buffers that the allocator does not know of.
    pub(crate) fn table_bytes(&self) -> u64 {
        let tables = self.roots.bytes() + self.weaks.bytes() + self.queue.bytes();
        (tables + self.mutators.len() * size_of::<crate::barrier::Segment>()) as u64
    }

    /// The soft limit in bytes.
    pub(crate) fn memory_limit(&self) -> Option<u64> {
        Some(self.pace.memory_limit.load(Ordering::Relaxed)).filter(|&limit| limit != u64::MAX)
    }

    /// Whether the heap holds more than its soft limit. A short lock, if there is a limit.
    pub(crate) fn is_above_limit(&self) -> bool {
        self.memory_limit().is_some_and(|limit| self.alloc.in_use() > limit)
    }

    /// The collector, locked: no step is taken meanwhile. Waits for the one that is.
    ///
    /// # Panics
    /// In an event sink of this heap, which may be called in such a step.
    #[track_caller]
    pub(crate) fn lock_collector(&self) -> greyset_sync::MutexGuard<'_, Collector> {
        self.will_lock();
        self.collector.lock()
    }

    /// The cycle lock, locked.
    pub(crate) fn lock_cycle(&self) -> greyset_sync::MutexGuard<'_, ()> {
        self.cycle_lock.lock()
    }
}

fn alloc_config(config: &Config) -> greyset_alloc::Config {
    greyset_alloc::Config {
        reserve: config.reserve,
        limit: config.hard_limit,
        huge_pages: match config.huge_pages {
            HugePages::Off => greyset_alloc::HugePages::Off,
            HugePages::Advise => greyset_alloc::HugePages::Advise,
        },
        zeal: ZealState::of_allocator(&config.zeal),
    }
}

fn refused(error: ReserveError) -> HeapError {
    match error {
        ReserveError::System { least, source } => HeapError::Reserve { bytes: least, source },
        ReserveError::Config(error) => {
            HeapError::Reserve { bytes: error.value, source: std::io::Error::other(error.to_string()) }
        }
    }
}
