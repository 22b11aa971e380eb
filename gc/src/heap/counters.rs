//! Counters that are not the pacer's, and the snapshots made of all of them.

use crate::cycle::{cpu, tables};
use crate::heap::Shared;
use crate::stats::cpu::Clock;
use crate::stats::{Census, CensusRow, Histogram, Stats, process_cpu_time};
use greyset_alloc::Colour;
use greyset_sync::atomic::Ordering::Relaxed;
use greyset_sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

/// Counters over the life of a heap.
pub(crate) struct Counters {
    /// The heap's clock.
    pub(crate) clock: Clock,
    /// When the running handshake was asked, on that clock.
    pub(crate) asked_at: AtomicU64,
    /// Of how many mutators the last one was asked.
    pub(crate) asked_of: AtomicUsize,
    /// From asking a handshake to one mutator's answer, ns.
    pub(crate) handshakes: Histogram,
    /// CPU time of answers, ns.
    pub(crate) safepoints: Histogram,
    /// CPU time of assists, one for each allocation that did any, ns.
    pub(crate) assists: Histogram,
    /// Allocations refused.
    pub(crate) refusals: AtomicU64,
    /// Rests of mutators above the ceiling.
    pub(crate) brakes: AtomicU64,
    /// Times the program was found to thrash.
    pub(crate) thrashes: AtomicU64,
    /// Reports of mutators that reach no safepoint.
    pub(crate) watchdog: AtomicU64,
    /// Cycles given up.
    pub(crate) trace_panics: AtomicU64,
    /// Objects marked in finished cycles.
    pub(crate) marked_objects: AtomicU64,
    /// Bytes marked in finished cycles.
    pub(crate) marked_bytes: AtomicU64,
}

impl Counters {
    /// All zero.
    pub(crate) fn new() -> Counters {
        Counters {
            clock: Clock::start(),
            asked_at: AtomicU64::new(0),
            asked_of: AtomicUsize::new(0),
            handshakes: Histogram::new(),
            safepoints: Histogram::new(),
            assists: Histogram::new(),
            refusals: AtomicU64::new(0),
            brakes: AtomicU64::new(0),
            thrashes: AtomicU64::new(0),
            watchdog: AtomicU64::new(0),
            trace_panics: AtomicU64::new(0),
            marked_objects: AtomicU64::new(0),
            marked_bytes: AtomicU64::new(0),
        }
    }
}

/// A snapshot.
pub(crate) fn stats(shared: &Shared) -> Stats {
    let (pace, counters, memory) = (&shared.pace, &shared.stats, shared.alloc.stats());
    let cpu = cpu(shared);
    let metadata = tables(shared, &memory);
    Stats {
        cycles: shared.driver.completed(),
        heap_bytes: pace.live.load(Relaxed),
        live_bytes: pace.last_live.load(Relaxed),
        goal_bytes: pace.goal.load(Relaxed),
        trigger_bytes: pace.trigger.load(Relaxed),
        peak_bytes: pace.peak.load(Relaxed),
        allocated_bytes: pace.allocated.load(Relaxed),
        allocated_objects: pace.objects.load(Relaxed),
        marked_objects: counters.marked_objects.load(Relaxed),
        marked_bytes: counters.marked_bytes.load(Relaxed),
        cpu,
        cpu_share: cpu.total().as_secs_f64() / process_cpu_time().as_secs_f64().max(1e-9),
        handshakes: counters.handshakes.snapshot(),
        safepoints: counters.safepoints.snapshot(),
        assists: counters.assists.snapshot(),
        mapped_bytes: memory.committed + metadata,
        external_bytes: memory.external,
        released_bytes: memory.released,
        releases: shared.sweep.releases.snapshot(),
        release_cpu: Duration::from_nanos(shared.sweep.release_ns.load(Relaxed)),
        metadata_bytes: metadata,
        memory_limit: shared.memory_limit(),
        hard_limit: shared.alloc.limit(),
        mutators: shared.mutators.len(),
        limit_failures: counters.refusals.load(Relaxed),
        brakes: counters.brakes.load(Relaxed),
        thrashes: counters.thrashes.load(Relaxed),
        drop_panics: shared.sweep.panics.load(Relaxed),
        trace_panics: counters.trace_panics.load(Relaxed),
        watchdogs: counters.watchdog.load(Relaxed),
    }
}

/// Live objects by type.
pub(crate) fn census(shared: &Shared) -> Census {
    let space = shared.space();
    let mut rows = Vec::new();
    shared.alloc.for_each_span(|span| {
        let colours = span.colours(space).iter();
        let objects = colours.filter(|byte| Colour::of(byte.load(Relaxed)).is_live()).count() as u64;
        let bytes = objects * span.object_bytes() as u64;
        rows.push(CensusRow { type_name: (span.info().name)(), objects, bytes });
    });
    Census::of(rows)
}
