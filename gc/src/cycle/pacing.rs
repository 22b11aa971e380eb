//! The pacer's seat in the collector: what it is told when, and where its answers go.
//!
//! All arithmetic is in `pacer/`, which knows no clock and no atomics; this is where counters, clocks and events meet it.

mod limits;
mod membership;
mod recording;

use membership::Reported;
pub(crate) use recording::Recorder;

use crate::config::{Config, Driver, Gogc, Machine, Soft};
use crate::cycle::limiting::{Limiting, Reading};
use crate::heap::Shared;
use crate::pacer::assist::ceiling;
use crate::pacer::memory_limit::MemoryUse;
use crate::pacer::sweep::SweepPace;
use crate::pacer::{CycleInputs, CycleStart, Pacer, Progress, Settings, Targets};
use crate::stats::cpu::{Clock, nanos};
use crate::stats::{Cause, CollectorCpu, CycleReport, Event, LimitKind, Phase as Shown, PhaseTimes, Thrash};
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
    marked_at: Duration,
    swept_at: Duration,
    heap_end: u64,
    /// What the cycle aimed at: the trigger that began it, and the goal when marking ended.
    trigger: u64,
    goal: u64,
    /// For a recording only: bytes ever allocated at the start, when marking ended, and at T3.
    allocated: [u64; 3],
    /// Likewise: scannable bytes at the start, and the memory held at T3.
    scannable: u64,
    memory: MemoryUse,
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
    limiting: Limiting,
    reported: Reported,
    /// External bytes when the last cycle ended.
    external: u64,
    /// The memory limit decided the goal when it was last set.
    limited: bool,
    /// Whose soft limit it is.
    soft: Soft,
    /// When the pacer was last told the time, in nanoseconds.
    told_time: u64,
    recorder: Option<Recorder>,
}

impl Pacing {
    /// A pacer before the first cycle.
    pub(crate) fn new(config: &Config) -> Pacing {
        let processors = processors();
        let settings = Settings {
            gogc: config.gogc,
            memory_limit: config.memory_limit,
            min_heap: config.min_heap,
            processors,
            cpu_share: config.cpu_share,
            kind: config.pacer,
            retain: retain(config),
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
            limiting: Limiting::new(processors, config.cpu_limit),
            reported: Reported::default(),
            external: 0,
            limited: false,
            soft: config.soft,
            told_time: 0,
            recorder: None,
        }
    }

    /// The goal and trigger before the first cycle.
    pub(crate) fn first(&self) -> (u64, u64) {
        let Targets { goal, trigger, .. } = self.pacer.targets(&MemoryUse::default());
        (goal, trigger)
    }

    /// Takes another GOGC; in force at once.
    pub(crate) fn set_gogc(&mut self, shared: &Shared, gogc: Gogc) {
        self.set(shared, Settings { gogc, ..*self.pacer.settings() });
    }

    fn set(&mut self, shared: &Shared, settings: Settings) {
        let live = shared.pace.live.load(Relaxed);
        let swept = shared.alloc.unswept_pages() == 0;
        let memory = memory(shared);
        let targets = self.pacer.set(settings, live, swept, &memory);
        self.aim(shared, &targets, &memory);
    }

    /// Goal and trigger from now on, and what follows from them.
    fn aim(&mut self, shared: &Shared, targets: &Targets, memory: &MemoryUse) {
        shared.pace.goal.store(targets.goal, Relaxed);
        shared.pace.trigger.store(targets.trigger, Relaxed);
        let keep = self.pacer.release_goal(memory);
        shared.pace.keep.store(keep.heap, Relaxed);
        shared.pace.keep_total.store(keep.total, Relaxed);
        let limit = self.pacer.settings().memory_limit;
        // Giving back is the mutators' burden, too: not while collection holds back.
        shared.alloc.set_soft_limit(limit.filter(|_| !self.limiting.holds_back()));
        if targets.limited && !self.limited {
            self.tell(shared, LimitKind::Soft, memory);
        }
        self.limited = targets.limited;
        self.set_ceiling(shared, targets.goal);
    }

    fn tell(&self, shared: &Shared, kind: LimitKind, memory: &MemoryUse) {
        let limit = self.pacer.settings().memory_limit.unwrap_or(u64::MAX);
        shared.emit(&Event::LimitReached { kind, limit, in_use: memory.mapped });
    }

    /// Looks at the clocks and at the memory held, if that is due: outside of a cycle, too, they change.
    pub(crate) fn look(&mut self, shared: &Shared) {
        if !self.refresh(shared) {
            return;
        }
        self.look_at_budget(shared);
        self.set_ceiling(shared, shared.pace.goal.load(Relaxed));
        if self.pass() || self.pacer.settings().memory_limit.is_some() {
            let memory = memory(shared);
            let targets = self.pacer.targets(&memory);
            self.aim(shared, &targets, &memory);
        }
    }

    /// Tells the pacer the time; true if goal and trigger may be others now.
    fn pass(&mut self) -> bool {
        let now = self.clock.nanos();
        let passed = now.saturating_sub(std::mem::replace(&mut self.told_time, now));
        self.pacer.pass(passed)
    }

    /// Somebody wants memory back: it is not kept for a heap that was larger.
    pub(crate) fn forget(&mut self, shared: &Shared) {
        self.pacer.forget();
        let memory = memory(shared);
        let targets = self.pacer.targets(&memory);
        self.aim(shared, &targets, &memory);
    }

    /// Whether a cycle that nobody asked for has to wait.
    pub(crate) fn must_wait(&mut self, shared: &Shared) -> bool {
        self.look(shared);
        self.limiting.must_wait()
    }

    /// Tells the CPU limiter the time; true if it was due.
    fn refresh(&mut self, shared: &Shared) -> bool {
        // The simulator's clock is nobody's processor time: collection would seem to use all there is.
        #[cfg(feature = "sim")]
        if greyset_sync::sim::hooks().is_some() {
            return false;
        }
        let wall = self.clock.nanos();
        let due = self.limiting.is_due(wall);
        if due {
            let process = nanos(crate::stats::process_cpu_time());
            self.limiting.refresh(Reading { wall, collection: nanos(cpu(shared).total()), process });
            self.tell_of_thrashing(shared);
        }
        due
    }

    fn tell_of_thrashing(&mut self, shared: &Shared) {
        if self.limiting.has_news() {
            shared.stats.thrashes.fetch_add(1, Relaxed);
            let memory_limit = self.pacer.settings().memory_limit;
            let live = self.pacer.marked();
            shared.emit(&Event::Thrash(Thrash { memory_limit, live, in_use: memory(shared).mapped }));
        }
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
            trigger: pace.trigger.load(Relaxed),
            ..Start::default()
        };
        self.start.allocated[0] = pace.allocated.load(Relaxed);
        self.start.scannable = self.scannable_of(self.start.heap);
        pace.scan_work.store(0, Relaxed);
        pace.marked_bytes.store(0, Relaxed);
        pace.marked_objects.store(0, Relaxed);
        pace.credit.store(0, Relaxed);
        let live = self.start.heap;
        let plan = self.pacer.start_cycle(&CycleStart {
            live,
            scannable: self.start.scannable,
            mutator_roots: 0,
            heap_roots: root_bytes(shared),
            memory: memory(shared),
        });
        pace.goal.store(plan.goal, Relaxed);
        self.set_ceiling(shared, plan.goal);
        let cycle = u64::from(shared.published.cycle());
        shared.emit(&Event::CycleStart { cycle, cause, heap: live, goal: plan.goal });
    }

    /// 3. T2: tracing is about to open.
    pub(crate) fn tracing_opens(&mut self, shared: &Shared) {
        self.start.tracing_at = self.clock.elapsed();
        self.start.allocated_at_t2 = shared.pace.allocated.load(Relaxed);
        shared.pace.unpaid.store(0, Relaxed);
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
        self.refresh(shared);
        pace.set_ratio(if self.limiting.holds_back() { 0.0 } else { ratio.work_per_byte });
        self.set_ceiling(shared, ratio.goal);
    }

    /// Where mutators brake that aim at `goal`.
    fn set_ceiling(&self, shared: &Shared, goal: u64) {
        let ceiling = if self.limiting.holds_back() { u64::MAX } else { ceiling(goal, self.limited) };
        // The simulator's heaps have no goal; in every other cycle they are above it.
        #[cfg(feature = "sim")]
        let ceiling = match greyset_sync::sim::hooks() {
            Some(_) if shared.published.cycle().is_multiple_of(2) => 0,
            _ => ceiling,
        };
        shared.pace.ceiling.store(ceiling, Relaxed);
    }

    fn scannable_of(&self, live: u64) -> u64 {
        (live.saturating_sub(self.external) as f64 * self.scannable) as u64
    }

    /// 5. Marking is over.
    pub(crate) fn marking_done(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        self.start.heap_end = pace.live.load(Relaxed);
        self.start.goal = pace.goal.load(Relaxed);
        self.start.marked_at = self.clock.elapsed();
        self.start.allocated[1] = pace.allocated.load(Relaxed);
        pace.set_ratio(0.0);
        shared.emit(&Event::MarkDone {
            cycle: u64::from(shared.published.cycle()),
            objects: pace.marked_objects.load(Relaxed),
            bytes: pace.marked_bytes.load(Relaxed),
            duration: self.start.marked_at.saturating_sub(self.start.tracing_at),
        });
    }

    /// 7. T3: what is not black is dead; the next goal.
    pub(crate) fn cycle_ends(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        self.start.allocated[2] = pace.allocated.load(Relaxed);
        let born_black = self.start.allocated[2] + pace.recoloured.swap(0, Relaxed);
        let fresh = born_black.saturating_sub(self.start.allocated_at_t2);
        let marked = pace.marked_bytes.load(Relaxed);
        let external = shared.external();
        let before = pace.live.load(Relaxed);
        let live = match pace.kept_all.swap(false, Relaxed) {
            true => before,
            false => marked.saturating_add(fresh).saturating_add(external),
        };
        self.external = external;
        shared.account_correction(before, live);
        pace.last_live.store(live, Relaxed);
        let before_scan = marked.max(1) as f64;
        self.scannable = (pace.scan_work.load(Relaxed) as f64 / before_scan).clamp(0.0, 1.0);
        let wall = self.clock.elapsed().saturating_sub(self.start.tracing_at);
        let assist = cpu(shared).assist.saturating_sub(self.start.cpu.assist);
        let stats = shared.alloc.stats();
        let memory = memory_of(shared, &stats);
        self.start.memory = memory;
        self.pass();
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
            asked: self.cause != Cause::Trigger,
            memory,
        });
        let Targets { trigger, .. } = outputs.targets;
        self.limiting.found_room(self.pacer.has_room(tables(shared, &stats)));
        self.aim(shared, &outputs.targets, &memory);
        self.tell_of_thrashing(shared);
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
            goal: self.start.goal,
            trigger: self.start.trigger,
            marked_objects: pace.marked_objects.load(Relaxed),
            marked_bytes: pace.marked_bytes.load(Relaxed),
            workers: shared.config.workers,
            mutators: shared.mutators.len(),
            rounds: self.rounds,
            handshake_p99: Duration::ZERO,
            handshake_max: Duration::ZERO,
        }
    }

    /// What dead objects were charged with has come off: they are swept.
    fn correct_external(&mut self, shared: &Shared) {
        let external = shared.external();
        if external == self.external {
            return;
        }
        let last_live = shared.pace.last_live.load(Relaxed);
        let live = last_live.saturating_sub(self.external).saturating_add(external);
        self.external = external;
        shared.pace.last_live.store(live, Relaxed);
        let memory = memory(shared);
        let targets = self.pacer.correct_marked(live, &memory);
        self.aim(shared, &targets, &memory);
    }

    /// 7. Every span is swept: the cycle is over.
    pub(crate) fn sweep_done(&mut self, shared: &Shared) {
        self.correct_external(shared);
        self.report_to_budget(shared);
        let now = self.clock.elapsed();
        let cycle = u64::from(shared.published.cycle());
        let freed = self.start.heap_end.saturating_sub(shared.pace.last_live.load(Relaxed));
        shared.emit(&Event::SweepDone { cycle, freed, duration: now.saturating_sub(self.start.swept_at) });
        self.phase_is(shared, Shown::Idle);
        if let Some(mut report) = self.report.take() {
            let handshakes = &shared.stats.handshakes;
            report.handshake_p99 = Duration::from_nanos(handshakes.quantile(0.99));
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
            self.record_cycle(shared, &report);
            shared.emit(&Event::CycleEnd(report));
        }
    }
}

/// Processors that this process may use.
pub(crate) fn processors() -> u32 {
    u32::try_from(Machine::this().parallelism).unwrap_or(u32::MAX)
}

/// What the pacer is to retain: nothing where steps take no time of their own.
fn retain(config: &Config) -> u64 {
    #[cfg(feature = "sim")]
    if greyset_sync::sim::hooks().is_some() {
        return 0;
    }
    if config.driver == Driver::Stepping { 0 } else { config.retain.map_or(0, nanos) }
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

/// Bytes of tables, mark stacks and buffers: the allocator's and ours.
pub(crate) fn tables(shared: &Shared, stats: &greyset_alloc::AllocStats) -> u64 {
    stats.metadata + shared.table_bytes()
}

fn memory_of(shared: &Shared, stats: &greyset_alloc::AllocStats) -> MemoryUse {
    let tables = shared.table_bytes();
    shared.alloc.client_tables().store(tables, Relaxed);
    let pages = |n: usize| (n * PAGE_SIZE) as u64;
    let mapped = (stats.committed + stats.metadata + tables).saturating_add(stats.external);
    // Free pages that the limit has no place for are as good as given back: the sweeper does so at once.
    let over =
        shared.memory_limit().map_or(0, |limit| mapped.saturating_sub(limit)).min(pages(stats.pages_free));
    MemoryUse {
        mapped: mapped - over,
        heap_free: pages(stats.pages_free) - over,
        // With what is dead and not swept, and with the free slots of spans: the next objects go there. Were these taken for
        // overhead, a heap full of holes would have its goal where it is already, and collect without end.
        heap_alloc: pages(stats.pages_used).saturating_add(stats.external),
    }
}

#[cfg(all(test, not(loom)))]
#[path = "pacing_tests.rs"]
mod tests;
