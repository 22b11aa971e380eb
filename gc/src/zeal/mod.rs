//! Zeal: a heap that works harder than it must, so that mistakes show early.
//!
//! The modes are [`Zeal`](crate::Zeal)'s; here is what a heap knows of those it was given, and what each has done. A mode acts
//! where the heap is slow anyway: when a run is taken, at a safepoint that has something to do, in a step of the collector. Where
//! one has to see every allocation or every safepoint, runs are made one slot long, or every safepoint is given something to
//! do. So a heap without zeal pays with a test of a constant field on slow paths, and nothing on fast ones.
//!
//! | mode | acts in |
//! | --- | --- |
//! | `alloc`, `fail-alloc`, `oom-at`, `assist-all`, `no-assist` | `act` (`Mutator::place`, `Mutator::pay`) |
//! | `every-safepoint`, `handles`, `clear-weak-early` | `act` (`Mutator::safepoint_slow`) |
//! | `continuous` | `DriverControl::cycle_completed`, attaching |
//! | `slices` | every budget of a driver |
//! | `yield-before`, `jitter` | [`ZealState::enters`], [`ZealState::jitter`] |
//! | `verify`, `blame` | `verify/` |
//! | `poison`, `quarantine` | the allocator's `mheap/zeal`; `act` for handles that lead to a swept object |
//! | `tiny-buffers`, `steal-storm` | `mark/queue`, `Mutator::push_grey` |
//! | `finalize-on-exit` | `MutatorHandle::drop`, step 0 of a cycle |

mod act;
mod blame;
mod report;

pub(crate) use act::{after_detach, finalize_all, state_of_unused};
pub use blame::SlotWrite;
pub(crate) use blame::{Ring, Rings};
pub use report::ZealReport;

use crate::barrier::SEGMENT_LEN;
use crate::config::{Config, Driver, Listed, Zeal};
use crate::heap::Shared;
use crate::stats::Phase as Shown;
use greyset_sync::atomic::AtomicU64;
use greyset_sync::atomic::Ordering::Relaxed;
use greyset_sync::{thread, tiny};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

bitflags::bitflags! {
    /// What a heap's modes ask for, as one word that slow paths test.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Asks: u32 {
        /// To see every allocation.
        const ALLOCATIONS = 1;
        /// To see every safepoint.
        const SAFEPOINTS = 1 << 1;
        const CONTINUOUS = 1 << 2;
        const EVERY_SAFEPOINT = 1 << 3;
        const VERIFY = 1 << 4;
        const POISON = 1 << 5;
        const QUARANTINE = 1 << 6;
        const TINY_BUFFERS = 1 << 7;
        const STEAL_STORM = 1 << 8;
        const JITTER = 1 << 9;
        const NO_ASSIST = 1 << 10;
        const ASSIST_ALL = 1 << 11;
        const CLEAR_WEAK_EARLY = 1 << 12;
        const FINALIZE_ON_EXIT = 1 << 13;
        const HANDLES = 1 << 14;
    }
}

/// How often a thread yields before a phase.
const YIELDS: u32 = 32;

/// The modes of a heap, as it wants to know them.
#[derive(Clone, Copy, Debug)]
struct Plan {
    asks: Asks,
    alloc: Option<u32>,
    alloc_random: Option<u32>,
    slice: usize,
    /// A bit for each phase.
    yields: u32,
    quarantine: u32,
    fail_at: Option<u32>,
    fail_each: Option<u32>,
    oom_at: Option<u64>,
    blame: usize,
    seed: Option<u64>,
}

impl Plan {
    fn of(modes: &[Zeal]) -> Plan {
        let mut plan = Plan {
            asks: Asks::empty(),
            alloc: None,
            alloc_random: None,
            slice: usize::MAX,
            yields: 0,
            quarantine: 0,
            fail_at: None,
            fail_each: None,
            oom_at: None,
            blame: 0,
            seed: None,
        };
        for mode in modes {
            let asks = plan.add(*mode);
            plan.asks |= asks;
        }
        plan
    }

    /// Notes what belongs to the mode, and returns what it asks for.
    fn add(&mut self, mode: Zeal) -> Asks {
        match mode {
            Zeal::Alloc(n) => self.alloc = Some(n),
            Zeal::AllocRandom(n) => self.alloc_random = Some(n),
            Zeal::FailAlloc(n) => self.fail_at = Some(n),
            Zeal::FailAllocEach(n) => self.fail_each = Some(n),
            Zeal::OomAt(bytes) => self.oom_at = Some(bytes),
            Zeal::Slices(n) => self.slice = n as usize,
            Zeal::YieldBefore(phase) => self.yields |= 1 << phase as u32,
            Zeal::Quarantine(n) => self.quarantine = n,
            Zeal::Blame(n) => self.blame = n as usize,
            Zeal::Seed(n) => self.seed = Some(n),
            _ => {}
        }
        match mode {
            Zeal::Alloc(_)
            | Zeal::AllocRandom(_)
            | Zeal::FailAlloc(_)
            | Zeal::FailAllocEach(_)
            | Zeal::OomAt(_) => Asks::ALLOCATIONS,
            Zeal::EverySafepoint => Asks::EVERY_SAFEPOINT | Asks::SAFEPOINTS,
            Zeal::Continuous => Asks::CONTINUOUS,
            Zeal::Verify => Asks::VERIFY,
            Zeal::Poison => Asks::POISON,
            Zeal::Quarantine(_) => Asks::QUARANTINE,
            Zeal::TinyBuffers => Asks::TINY_BUFFERS,
            Zeal::StealStorm => Asks::STEAL_STORM,
            Zeal::Jitter => Asks::JITTER,
            Zeal::NoAssist => Asks::NO_ASSIST,
            Zeal::AssistAll => Asks::ASSIST_ALL | Asks::ALLOCATIONS,
            Zeal::ClearWeakEarly => Asks::CLEAR_WEAK_EARLY | Asks::SAFEPOINTS,
            Zeal::FinalizeOnExit => Asks::FINALIZE_ON_EXIT,
            Zeal::Handles => Asks::HANDLES | Asks::SAFEPOINTS,
            Zeal::Blame(_) | Zeal::Slices(_) | Zeal::YieldBefore(_) | Zeal::Seed(_) => Asks::empty(),
        }
    }
}

/// What modes have done, each counted by the mode itself.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) allocations: AtomicU64,
    pub(crate) safepoints: AtomicU64,
    pub(crate) cycles_asked: AtomicU64,
    pub(crate) slices: AtomicU64,
    pub(crate) yields: AtomicU64,
    pub(crate) verifications: AtomicU64,
    pub(crate) objects_verified: AtomicU64,
    pub(crate) heaps_verified: AtomicU64,
    pub(crate) heaps_not_verified: AtomicU64,
    pub(crate) spans_verified: AtomicU64,
    pub(crate) small_buffers: AtomicU64,
    pub(crate) jitters: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) assists_left_out: AtomicU64,
    pub(crate) assists_added: AtomicU64,
    pub(crate) weak_cleared: AtomicU64,
    pub(crate) finalized: AtomicU64,
    pub(crate) handles_checked: AtomicU64,
    pub(crate) writes_noted: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed) + 1
}

/// Zeal of one heap.
pub(crate) struct ZealState {
    plan: Plan,
    seed: u64,
    random: AtomicU64,
    /// Slot writes of its mutators.
    pub(crate) rings: Rings,
    pub(crate) done: Done,
}

impl ZealState {
    /// For the modes in these settings.
    pub(crate) fn new(config: &Config) -> ZealState {
        let mut plan = Plan::of(&config.zeal);
        if plan.asks.contains(Asks::CONTINUOUS) && config.driver == Driver::Inline {
            // Who shall step, if not the mutators?
            plan.asks |= Asks::SAFEPOINTS;
        }
        let seed = plan.seed.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
        ZealState { plan, seed, random: AtomicU64::new(seed), rings: Rings::new(), done: Done::default() }
    }

    /// Of a heap without zeal.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn none() -> ZealState {
        ZealState {
            plan: Plan::of(&[]),
            seed: 0,
            random: AtomicU64::new(0),
            rings: Rings::new(),
            done: Done::default(),
        }
    }

    /// Whether some mode asks for any of this.
    #[inline]
    pub(crate) fn asks(&self, what: Asks) -> bool {
        self.plan.asks.intersects(what)
    }

    /// Whether a mode wants to look at every handle that is used.
    pub(crate) fn looks_at_handles(&self) -> bool {
        self.asks(Asks::QUARANTINE)
    }

    /// Grey objects in a buffer at which a mutator hands it over.
    pub(crate) fn buffer_len(&self) -> usize {
        if self.asks(Asks::TINY_BUFFERS) { 2 } else { tiny(SEGMENT_LEN, 2) }
    }

    /// Where a mutator that attaches keeps its slot writes, if it does.
    pub(crate) fn ring(&self) -> Option<Arc<Ring>> {
        (self.plan.blame > 0).then(|| self.rings.add(self.plan.blame))
    }

    /// What the allocator is told.
    pub(crate) fn of_allocator(modes: &[Zeal]) -> greyset_alloc::Zeal {
        let plan = Plan::of(modes);
        greyset_alloc::Zeal {
            one_slot_runs: plan.asks.contains(Asks::ALLOCATIONS),
            poison: plan.asks.contains(Asks::POISON),
            quarantine: plan.quarantine,
        }
    }

    /// Units of work that a step may do that may do `most` otherwise.
    #[inline]
    pub(crate) fn slice(&self, most: usize) -> usize {
        if self.plan.slice < most {
            count(&self.done.slices);
            return self.plan.slice;
        }
        most
    }

    /// The collector is about to enter a phase: with `yield-before` others run first. Called without locks but the collector's.
    pub(crate) fn enters(&self, phase: Shown) {
        if self.plan.yields & 1 << phase as u32 != 0 {
            count(&self.done.yields);
            for _ in 0..YIELDS {
                thread::yield_now();
            }
        }
        self.jitter();
    }

    /// A step of the protocol at which the order of threads matters: with `jitter`, one time in four, others run first.
    #[inline]
    pub(crate) fn jitter(&self) {
        if self.asks(Asks::JITTER) {
            self.perhaps_yield();
        }
    }

    #[cold]
    fn perhaps_yield(&self) {
        if self.random() & 3 == 0 {
            count(&self.done.jitters);
            for _ in 0..=self.random() & 7 {
                thread::yield_now();
            }
        }
    }

    /// The next random number: a row that the seed decides, shared by all threads (splitmix64, Steele and others 2014).
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.random.fetch_add(STEP, Relaxed).wrapping_add(STEP);
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

impl Shared {
    /// How to set the same zeal again, for reports; `None` without any.
    pub(crate) fn zeal_text(&self) -> Option<String> {
        let modes: Vec<Zeal> =
            self.config.zeal.iter().copied().filter(|mode| !matches!(mode, Zeal::Seed(_))).collect();
        (!modes.is_empty()).then(|| format!("GREYSET_ZEAL={},seed:{}", Listed(&modes), self.zeal.seed))
    }
}
