//! The pacer's seat in the collector: what it is told when, and where its answers go.
//!
//! All arithmetic is in `pacer/`, which knows no clock and no atomics; this is where counters, clocks and events meet it.

use crate::config::{Config, Gogc, Machine};
use crate::heap::Shared;
use crate::pacer::memory_limit::MemoryUse;
use crate::pacer::sweep::SweepPace;
use crate::pacer::{CycleInputs, CycleStart, Pacer, PacerKind, Progress, Settings, Targets};
use crate::stats::cpu::Clock;
use crate::stats::{Cause, CollectorCpu, CycleReport, Event, Phase as Shown, PhaseTimes};
use greyset_alloc::PAGE_SIZE;
use greyset_sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Counters at moments of the running cycle.
#[derive(Clone, Copy, Default, Debug)]
struct Start {
    at: Duration,
    heap: u64,
    cpu: CollectorCpu,
    tracing_at: Duration,
    allocated_at_t2: u64,
    swept_at: Duration,
    heap_end: u64,
}

/// Pacer, clocks and the report of the running cycle.
pub(crate) struct Pacing {
    pacer: Pacer,
    clock: Clock,
    phase: Shown,
    phase_since: Duration,
    wall: PhaseTimes,
    start: Start,
    cause: Cause,
    rounds: u32,
    /// Part of what is allocated that needs scanning, from the last cycle: 0 to 1.
    scannable: f64,
    report: Option<Box<CycleReport>>,
}

impl Pacing {
    /// A pacer before the first cycle.
    pub(crate) fn new(config: &Config) -> Pacing {
        let settings = Settings {
            gogc: config.gogc,
            memory_limit: config.memory_limit,
            min_heap: config.min_heap,
            processors: u32::try_from(Machine::this().parallelism).unwrap_or(u32::MAX),
            cpu_share: config.cpu_share,
            kind: PacerKind::Greyset,
        };
        Pacing {
            pacer: Pacer::new(settings),
            clock: Clock::start(),
            phase: Shown::Idle,
            phase_since: Duration::ZERO,
            wall: PhaseTimes::default(),
            start: Start::default(),
            cause: Cause::Trigger,
            rounds: 0,
            scannable: 1.0,
            report: None,
        }
    }

    /// The goal and trigger before the first cycle.
    pub(crate) fn first(&self) -> (u64, u64) {
        let Targets { goal, trigger, .. } = self.pacer.targets(&MemoryUse::default());
        (goal, trigger)
    }

    /// Takes another GOGC; in force at once.
    pub(crate) fn set_gogc(&mut self, shared: &Shared, gogc: Gogc) {
        let live = shared.pace.live.load(Relaxed);
        let swept = shared.alloc.unswept_pages() == 0;
        let targets = self.pacer.set_gogc(gogc, live, swept, &memory(shared));
        shared.pace.goal.store(targets.goal, Relaxed);
        shared.pace.trigger.store(targets.trigger, Relaxed);
    }

    /// The collector is in phase `to` now.
    pub(crate) fn phase_is(&mut self, shared: &Shared, to: Shown) {
        if to == self.phase {
            return;
        }
        let now = self.clock.elapsed();
        let spent = now.saturating_sub(self.phase_since);
        self.wall.add(self.phase, spent);
        let cycle = u64::from(shared.published.cycle());
        shared.emit(&Event::PhaseChange { cycle, from: self.phase, to, spent });
        if to == Shown::Terminate {
            self.rounds += 1;
        }
        (self.phase, self.phase_since) = (to, now);
    }

    /// 1. A cycle starts, because of `cause`.
    pub(crate) fn cycle_starts(&mut self, shared: &Shared, cause: Cause) {
        let pace = &shared.pace;
        self.wall = PhaseTimes::default();
        self.rounds = 0;
        self.cause = cause;
        self.start = Start {
            at: self.clock.elapsed(),
            heap: pace.live.load(Relaxed),
            cpu: cpu(shared),
            ..Start::default()
        };
        pace.scan_work.store(0, Relaxed);
        pace.marked_bytes.store(0, Relaxed);
        pace.marked_objects.store(0, Relaxed);
        pace.credit.store(0, Relaxed);
        let live = self.start.heap;
        let plan = self.pacer.start_cycle(&CycleStart {
            live,
            scannable: self.scannable_of(live),
            mutator_roots: 0,
            heap_roots: root_bytes(shared),
            memory: memory(shared),
        });
        pace.goal.store(plan.goal, Relaxed);
        let cycle = u64::from(shared.published.cycle());
        shared.emit(&Event::CycleStart { cycle, cause, heap: live, goal: plan.goal });
    }

    /// 3. T2: tracing is about to open.
    pub(crate) fn tracing_opens(&mut self, shared: &Shared) {
        self.start.tracing_at = self.clock.elapsed();
        self.start.allocated_at_t2 = shared.pace.allocated.load(Relaxed);
        self.revise(shared);
    }

    /// 3. Whenever the collector looks: the assist ratio.
    pub(crate) fn revise(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        let live = pace.live.load(Relaxed);
        let ratio = self.pacer.revise(&Progress {
            live,
            scannable: self.scannable_of(live),
            mutator_roots: 0,
            done: pace.scan_work.load(Relaxed),
            memory: memory(shared),
        });
        pace.set_ratio(ratio.work_per_byte);
    }

    fn scannable_of(&self, live: u64) -> u64 {
        (live as f64 * self.scannable) as u64
    }

    /// 5. Marking is over.
    pub(crate) fn marking_done(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        self.start.heap_end = pace.live.load(Relaxed);
        pace.set_ratio(0.0);
        shared.emit(&Event::MarkDone {
            cycle: u64::from(shared.published.cycle()),
            objects: pace.marked_objects.load(Relaxed),
            bytes: pace.marked_bytes.load(Relaxed),
            duration: self.clock.elapsed().saturating_sub(self.start.tracing_at),
        });
    }

    /// 7. T3: what is not black is dead; the next goal.
    pub(crate) fn cycle_ends(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        let fresh = pace.allocated.load(Relaxed).saturating_sub(self.start.allocated_at_t2);
        let marked = pace.marked_bytes.load(Relaxed);
        let live = marked + fresh;
        let before = pace.live.load(Relaxed);
        shared.account_correction(before, live);
        pace.last_live.store(live, Relaxed);
        let before_scan = marked.max(1) as f64;
        self.scannable = (pace.scan_work.load(Relaxed) as f64 / before_scan).clamp(0.0, 1.0);
        let wall = self.clock.elapsed().saturating_sub(self.start.tracing_at);
        let assist = cpu(shared).assist.saturating_sub(self.start.cpu.assist);
        let stats = shared.alloc.stats();
        let memory = memory_of(shared, &stats);
        let outputs = self.pacer.end_cycle(&CycleInputs {
            live: self.start.heap_end,
            marked: live,
            heap_work: pace.scan_work.load(Relaxed),
            mutator_root_work: 0,
            heap_root_work: root_bytes(shared),
            wall: nanos(wall),
            assist_time: nanos(assist),
            idle_time: 0,
            in_use: stats.pages_used as u64 * PAGE_SIZE as u64,
            swept: false,
            memory,
        });
        let Targets { goal, trigger, .. } = outputs.targets;
        pace.goal.store(goal, Relaxed);
        pace.trigger.store(trigger, Relaxed);
        pace.keep.store(self.pacer.release_goal(&memory).heap, Relaxed);
        let unswept = shared.alloc.unswept_pages() as u64;
        pace.set_sweep_ratio(SweepPace::new(trigger, live, unswept, 0).pages_per_byte());
        self.start.swept_at = self.clock.elapsed();
        self.report = Some(Box::new(self.report(shared, live)));
        shared.stats.marked_objects.fetch_add(pace.marked_objects.load(Relaxed), Relaxed);
        shared.stats.marked_bytes.fetch_add(marked, Relaxed);
    }

    fn report(&self, shared: &Shared, live: u64) -> CycleReport {
        let pace = &shared.pace;
        CycleReport {
            cycle: u64::from(shared.published.cycle()),
            cause: self.cause,
            started: self.start.at,
            wall: self.wall,
            cpu: CollectorCpu::default(),
            cpu_share: 0.0,
            heap_start: self.start.heap,
            heap_end: self.start.heap_end,
            heap_live: live,
            goal: pace.goal.load(Relaxed),
            trigger: pace.trigger.load(Relaxed),
            marked_objects: pace.marked_objects.load(Relaxed),
            marked_bytes: pace.marked_bytes.load(Relaxed),
            workers: shared.config.workers,
            mutators: shared.mutators.len(),
            rounds: self.rounds,
            handshake_p99: Duration::ZERO,
            handshake_max: Duration::ZERO,
        }
    }

    /// 7. Every span is swept: the cycle is over.
    pub(crate) fn sweep_done(&mut self, shared: &Shared) {
        let now = self.clock.elapsed();
        let cycle = u64::from(shared.published.cycle());
        let freed = self.start.heap_end.saturating_sub(shared.pace.last_live.load(Relaxed));
        shared.emit(&Event::SweepDone { cycle, freed, duration: now.saturating_sub(self.start.swept_at) });
        self.phase_is(shared, Shown::Idle);
        if let Some(mut report) = self.report.take() {
            let handshakes = shared.stats.handshakes.snapshot();
            report.handshake_p99 = Duration::from_nanos(handshakes.p99());
            report.handshake_max = Duration::from_nanos(handshakes.max());
            let after = cpu(shared);
            let before = self.start.cpu;
            report.wall = self.wall;
            report.cpu = CollectorCpu {
                mark: after.mark.saturating_sub(before.mark),
                assist: after.assist.saturating_sub(before.assist),
                sweep: after.sweep.saturating_sub(before.sweep),
                idle: Duration::ZERO,
            };
            let process = crate::stats::process_cpu_time().as_secs_f64().max(1e-9);
            report.cpu_share = after.total().as_secs_f64() / process;
            shared.emit(&Event::CycleEnd(report));
        }
    }
}

/// CPU time of collection so far.
pub(crate) fn cpu(shared: &Shared) -> CollectorCpu {
    CollectorCpu {
        mark: Duration::from_nanos(shared.pace.mark_ns.load(Relaxed)),
        assist: Duration::from_nanos(shared.pace.assist_ns.load(Relaxed)),
        sweep: Duration::from_nanos(shared.sweep.cpu_ns.load(Relaxed)),
        idle: Duration::ZERO,
    }
}

/// Bytes of heap-wide roots.
fn root_bytes(shared: &Shared) -> u64 {
    (shared.roots.in_use() * size_of::<usize>()) as u64
}

/// Memory held, as the memory-limit goal wants to know it.
fn memory(shared: &Shared) -> MemoryUse {
    memory_of(shared, &shared.alloc.stats())
}

fn memory_of(shared: &Shared, stats: &greyset_alloc::AllocStats) -> MemoryUse {
    MemoryUse {
        mapped: stats.committed + stats.metadata + stats.external,
        heap_free: (stats.pages_free * PAGE_SIZE) as u64,
        heap_alloc: shared.pace.live.load(Relaxed),
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
