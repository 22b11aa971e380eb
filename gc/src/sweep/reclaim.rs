//! What happens to dead slots before they become Free: drop glue, with panics caught and counted.

use crate::heap::{Callout, Shared};
use crate::pacer::release::ReleaseGoal;
use crate::panics::caught;
use crate::stats::cpu::{nanos, thread_cpu_time};
use crate::stats::{Event, Histogram};
use greyset_alloc::{AllocStats, DeadSlots, PAGE_SIZE, Reclaim, Role, Span};
use greyset_sync::atomic::{AtomicU64, Ordering};
use greyset_sync::{Fault, Point, fault, point};
use std::time::Duration;

/// Pages given back in one call at most. The system takes some 30 µs for a call and 0.5 to 1 for a page; it is to end within 100.
const RELEASE_PAGES: usize = 40;
/// Bytes beyond what is to be kept for which nothing is given back: a heap that breathes by less would have them back at once, at
/// a fault a page and an interruption of every processor a call.
const SLACK: u64 = 1 << 20;
/// The same for colours of no span: those of 4 MiB of objects of 16 bytes.
const COLOUR_SLACK: u64 = 256 << 10;
/// Most colours of a byte in pages: one for the smallest slot, 16 bytes, in slabs that are half used.
const MOST_COLOURS: f64 = 1.0 / 8.0;

/// What became of a call of [`SweepState::give_back`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum GaveBack {
    /// There was nothing to give back.
    Nothing,
    /// There may be more, at its pace.
    Some,
    /// The heap holds more than its soft limit: go on at once.
    Urgent,
}

/// The sweep's own counters.
pub(crate) struct SweepState {
    /// Objects whose drop glue has run.
    pub(crate) dropped: AtomicU64,
    /// Panics caught in drop glue and cleanups.
    pub(crate) panics: AtomicU64,
    /// CPU time of sweeping, ns.
    pub(crate) cpu_ns: AtomicU64,
    /// CPU time of giving back in the background, ns.
    pub(crate) release_ns: AtomicU64,
    /// Time on the clock of each such call, ns.
    pub(crate) releases: Histogram,
}

impl SweepState {
    /// Nothing swept yet.
    pub(crate) fn new() -> SweepState {
        SweepState {
            dropped: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            release_ns: AtomicU64::new(0),
            releases: Histogram::new(),
        }
    }

    /// The allocator's view of this collector.
    pub(crate) fn reclaimer<'a>(&'a self, shared: &'a Shared) -> Reclaimer<'a> {
        Reclaimer { state: self, shared }
    }

    /// Sweeps up to `pages` pages in the background role, then runs a few cleanups. True if there may be more.
    pub(crate) fn background(&self, shared: &Shared, pages: usize) -> bool {
        let timer = thread_cpu_time();
        let progress = shared.alloc.sweep_some(Role::Background, pages, &self.reclaimer(shared));
        self.spent(thread_cpu_time().saturating_sub(timer));
        let cleanups = shared.registry.run_cleanups(shared, 16);
        progress.pages > 0 || cleanups
    }

    /// Gives free pages beyond what the pacer keeps back to the system, at most [`RELEASE_PAGES`] a call; when there are none any more, the
    /// colours that no span has.
    pub(crate) fn give_back(&self, shared: &Shared) -> GaveBack {
        let keep = ReleaseGoal {
            heap: shared.pace.keep.load(Ordering::Relaxed),
            total: shared.pace.keep_total.load(Ordering::Relaxed),
        };
        let stats = shared.alloc.stats();
        let excess = keep.excess(stats.committed.saturating_sub(SLACK), stats.in_use) / PAGE_SIZE as u64;
        let over = shared.memory_limit().is_some_and(|limit| stats.in_use > limit);
        if shared.config.release_cpu == 0 && !over {
            return GaveBack::Nothing;
        }
        let pages = usize::try_from(excess).unwrap_or(usize::MAX).min(stats.pages_free).min(RELEASE_PAGES);
        if pages == 0 && colour_excess(keep, &stats) <= COLOUR_SLACK {
            return GaveBack::Nothing;
        }
        let (timer, cpu) = (shared.stats.clock.nanos(), thread_cpu_time());
        let progress = shared.alloc.release_once(pages);
        let took = shared.stats.clock.nanos() - timer;
        if !progress.is_nothing() {
            self.releases.record(took);
            self.release_ns.fetch_add(nanos(thread_cpu_time().saturating_sub(cpu)), Ordering::Relaxed);
            let bytes = (progress.pages * PAGE_SIZE + progress.colours) as u64;
            shared.emit(&Event::Released { bytes, duration: Duration::from_nanos(took) });
        }
        match progress.is_nothing() {
            true => GaveBack::Nothing,
            false if over => GaveBack::Urgent,
            false => GaveBack::Some,
        }
    }

    /// Gives all free pages back; returns how many bytes.
    pub(crate) fn release_all(&self, shared: &Shared) -> u64 {
        let before = shared.alloc.stats().released;
        loop {
            // Not while the verifier looks at the tables. A piece at a time, so that a cycle goes on.
            let collector = shared.lock_collector();
            let progress = shared.alloc.release(1024);
            drop(collector);
            if progress.pages == 0 {
                break;
            }
        }
        shared.alloc.stats().released.saturating_sub(before)
    }

    /// Adds CPU time.
    pub(crate) fn spent(&self, time: Duration) {
        self.cpu_ns.fetch_add(nanos(time), Ordering::Relaxed);
    }

    /// Counts and reports a panic of user code.
    pub(crate) fn panicked(&self, shared: &Shared, type_name: &'static str) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        shared.emit(&Event::DropPanic { type_name });
    }

    /// Runs the drop glue of one dead value.
    ///
    /// # Safety
    /// `ptr` is a value of the type the glue belongs to, nobody else can reach it, and its slot is not used again before
    /// this returns.
    pub(crate) unsafe fn drop_value(
        &self,
        shared: &Shared,
        ptr: *mut u8,
        glue: unsafe fn(*mut u8),
        type_name: fn() -> &'static str,
    ) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        point(Point::DropGlue);
        if fault(Fault::NeverDropped) {
            return;
        }
        if fault(Fault::DroppedTwice) {
            // SAFETY: it is not safe: this is the mistake to be found, and the simulator stops at the second call.
            unsafe { glue(ptr) };
        }
        // SAFETY: handed on from the caller.
        let dropped = caught(|| unsafe { glue(ptr) });
        if dropped.is_none() {
            self.panicked(shared, type_name());
        }
    }
}

/// Bytes of idle colours beyond what the pages that are kept and free will want, when their spans are as those in use: one after the
/// other they go with a sweep and come back.
fn colour_excess(keep: ReleaseGoal, stats: &AllocStats) -> u64 {
    let used = stats.pages_used as u64 * PAGE_SIZE as u64;
    let free = stats.committed.min(keep.heap).saturating_sub(used);
    let in_spans = (stats.colours - stats.colours_idle) as f64 / used.max(1) as f64;
    stats.colours_idle.saturating_sub((free as f64 * in_spans.min(MOST_COLOURS)) as u64)
}

/// The collector, as the allocator sees it when it sweeps.
pub(crate) struct Reclaimer<'a> {
    state: &'a SweepState,
    shared: &'a Shared,
}

impl Reclaim for Reclaimer<'_> {
    fn reclaim(&self, span: &Span, dead: DeadSlots<'_>) {
        let info = span.info();
        let Some(glue) = info.drop else { return };
        let _called = self.shared.calls_out(Callout::Reclaim);
        for slot in dead {
            // SAFETY: the allocator hands out dead slots of a span it has claimed: white after T3, so no handle, slot or root
            // refers to them, and the slots become Free only after this call.
            unsafe { self.state.drop_value(self.shared, slot.ptr, glue, info.name) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Driver, Heap, HeapBuilder, StepOutcome};

    const MIB: u64 = 1 << 20;

    /// A heap with 64 MiB of free pages and a goal of 4 MiB.
    fn after_a_peak(builder: HeapBuilder) -> Heap {
        let heap = builder.driver(Driver::Stepping).build().expect("a heap");
        let mut stepper = heap.stepper();
        let kept: Vec<_> =
            heap.mutator().enter(|m| (0..64).map(|_| m.alloc_bytes(&[1; MIB as usize]).root(m)).collect());
        drop(kept);
        for _ in 0..2 {
            heap.request_cycle();
            while stepper.step_any() != StepOutcome::Idle {}
        }
        heap
    }

    #[test]
    fn free_pages_go_back_in_bounded_pieces_until_what_is_kept() {
        let heap = after_a_peak(Heap::builder());
        let shared = heap.owner().shared();
        let (mut calls, mut before) = (0, heap.stats().mapped_bytes);
        assert!(before > 64 * MIB);
        while shared.sweep.give_back(shared) == GaveBack::Some {
            let now = heap.stats().mapped_bytes;
            assert!(now < before && before - now <= (RELEASE_PAGES * PAGE_SIZE) as u64, "{before} {now}");
            (calls, before) = (calls + 1, now);
        }
        assert!(calls > 150 && before < 4 * MIB, "{calls} calls, {before} left");
        assert_eq!(heap.stats().releases.count(), calls);
        assert!(heap.release_free_memory() <= 4 * MIB);
    }

    /// Colours of no span go, too, when the pages are gone: 40 MiB of small objects have more of them than what is kept may want.
    #[test]
    fn idle_colours_go_back_when_the_pages_are_gone() {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let mut stepper = heap.stepper();
        let kept: Vec<_> =
            heap.mutator().enter(|m| (0..MIB * 5 / 4).map(|at| m.alloc((at, at, at, at)).root(m)).collect());
        drop(kept);
        for _ in 0..2 {
            heap.request_cycle();
            while stepper.step_any() != StepOutcome::Idle {}
        }
        let shared = heap.owner().shared();
        let before = shared.alloc.stats();
        assert!(before.colours_idle > MIB, "{before:?}");
        while shared.sweep.give_back(shared) == GaveBack::Some {}
        let after = shared.alloc.stats();
        assert!(after.colours_idle <= COLOUR_SLACK && after.committed < 4 * MIB, "{after:?}");
        assert_eq!(before.metadata - after.metadata, before.colours - after.colours);
        heap.verify().expect("a sound heap");
    }

    #[test]
    fn colours_are_kept_for_the_pages_that_are_kept() {
        let (page, keep) = (PAGE_SIZE as u64, ReleaseGoal { heap: 100 * PAGE_SIZE as u64, total: u64::MAX });
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let mut stats = heap.owner().shared().alloc.stats();
        (stats.pages_used, stats.committed, stats.colours, stats.colours_idle) =
            (40, 200 * page, 16_000, 12_000);
        // 4,000 bytes for 40 pages in use: 6,000 for the 60 that are kept and free.
        assert_eq!(colour_excess(keep, &stats), 6_000);
        stats.pages_used = 100;
        assert_eq!(colour_excess(keep, &stats), 12_000);
        // Where hardly anything is in use nothing tells how small objects are.
        (stats.pages_used, stats.colours_idle) = (0, page * 20);
        stats.colours = stats.colours_idle + 4096;
        assert_eq!(colour_excess(keep, &stats), page * 20 - page * 100 / 8);
    }

    #[test]
    fn never_is_never_but_above_the_limit() {
        let heap = after_a_peak(Heap::builder().set("release_cpu", "0").expect("a setting"));
        let shared = heap.owner().shared();
        assert_eq!(shared.sweep.give_back(shared), GaveBack::Nothing);
        heap.set_memory_limit(Some(16 * MIB)).expect("a limit");
        while shared.sweep.give_back(shared) == GaveBack::Urgent {}
        let mapped = heap.stats().mapped_bytes;
        assert!((15 * MIB..=16 * MIB).contains(&mapped), "{mapped}");
    }

    #[test]
    fn at_once_when_asked() {
        let heap = after_a_peak(Heap::builder());
        assert!(heap.release_free_memory() >= 64 * MIB);
        assert!(heap.stats().mapped_bytes < 2 * MIB, "{}", heap.stats());
    }
}
