//! The pacer: when to collect, and how hard to work at it.
//!
//! Pure arithmetic. It is told counters and answers numbers; it has no clock, no atomics, no threads and no heap, so the same
//! code paces a real heap, a simulation and a replay, and every answer can be computed by hand. Every quantity has a file:
//!
//! | file | answers |
//! | --- | --- |
//! | `goal` | how large may the heap be when marking ends? |
//! | `reached` | … when it was larger a moment ago, and when it never was so large? |
//! | `memory_limit` | … and under a memory limit? |
//! | `cons_mark` | how fast is the program allocating, compared with marking? |
//! | `runway` | so how much will it allocate while a cycle runs? |
//! | `trigger` | so when must the cycle begin? |
//! | `expected` | how much is there to mark? |
//! | `workers` | how many processors mark? |
//! | `assist` | what does an allocation owe while marking runs? |
//! | `cpu_limiter` | has collection taken too much processor time? |
//! | `sweep` | how much is to be swept before a span is taken? |
//! | `budget` | how is one limit split among many heaps? |
//! | `release` | how much memory is kept, how fast is the rest given back? |
//!
//! [`Pacer`] puts the first nine together over the life of a heap:
//!
//! 1. [`Pacer::new`], or the end of a cycle, sets goal and trigger ([`Targets`]).
//! 2. The heap reaches the trigger: [`Pacer::start_cycle`] says how many workers mark and what allocations owe.
//! 3. While marking runs, [`Pacer::revise`] follows what is really there.
//! 4. Marking ends: [`Pacer::end_cycle`] measures cons/mark and goes to 1.
//!
//! Behaviour and constants are those published for Go (designs 44167 and 48409); `harness` runs it in the scenarios that the
//! reference data were recorded with, and must reproduce every digit. Units: bytes, nanoseconds, shares from 0 to 1. Integer
//! arithmetic saturates, in the order written; floating point is never fused.

pub mod assist;
pub mod budget;
pub mod cons_mark;
pub mod cpu_limiter;
pub mod expected;
pub mod goal;
pub mod harness;
pub mod memory_limit;
pub mod reached;
pub mod release;
pub mod runway;
pub mod sweep;
#[cfg(test)]
mod tests;
pub mod trigger;
pub mod workers;

use crate::config::Gogc;
use assist::AssistRatio;
use cons_mark::{ConsMark, Measured};
pub use expected::PacerKind;
use expected::Survival;
use goal::HeapGoal;
use memory_limit::{MemoryUse, NO_LIMIT};
use reached::Reached;
use release::ReleaseGoal;
use workers::Workers;

/// What a pacer is set to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Growth between collections.
    pub gogc: Gogc,
    /// Soft limit in bytes.
    pub memory_limit: Option<u64>,
    /// Smallest goal in bytes at GOGC 100.
    pub min_heap: u64,
    /// Processors the program may use, at least 1.
    pub processors: u32,
    /// Share of them that marks while a cycle runs, in percent, 1 to 99.
    pub cpu_share: u32,
    /// Whose pacer.
    pub kind: PacerKind,
    /// Nanoseconds in which half of the size that the heap has reached is forgotten; 0: the goal follows each cycle at once, as with
    /// the reference pacer.
    pub retain: u64,
}

impl Default for Settings {
    /// GOGC 100, no limit, 4 MiB, one processor, 25 %, the reference pacer, nothing retained.
    fn default() -> Settings {
        Settings {
            gogc: Gogc::default(),
            memory_limit: None,
            min_heap: 4 << 20,
            processors: 1,
            cpu_share: 25,
            kind: PacerKind::Reference,
            retain: 0,
        }
    }
}

/// Goal and trigger of the next or the running cycle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Targets {
    /// Heap size in bytes at which to begin a cycle; never above the goal.
    pub trigger: u64,
    /// Heap size in bytes that should not be passed before marking ends.
    pub goal: u64,
    /// The memory limit decided the goal, not growth.
    pub limited: bool,
}

/// A cycle begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CycleStart {
    /// Live heap in bytes: the one that reached the trigger.
    pub live: u64,
    /// The part of it that needs scanning.
    pub scannable: u64,
    /// Bytes mutators own besides the heap and that need scanning (their root tables, captured stacks).
    pub mutator_roots: u64,
    /// Bytes of heap-wide roots.
    pub heap_roots: u64,
    /// Memory held.
    pub memory: MemoryUse,
}

/// How a cycle is to be run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    /// What allocations owe at first.
    pub assist: AssistRatio,
    /// Who marks.
    pub workers: Workers,
    /// The goal in bytes, 64 KiB beyond the start at least unless the memory limit decides it.
    pub goal: u64,
}

/// Where a running cycle is. All in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Live heap: all that is allocated and not yet found dead.
    pub live: u64,
    /// The part of it that needs scanning.
    pub scannable: u64,
    /// Roots that mutators own, now.
    pub mutator_roots: u64,
    /// Scan work done since the start: heap, mutators' roots, heap-wide roots.
    pub done: u64,
    /// Memory held.
    pub memory: MemoryUse,
}

/// What a cycle did, told when marking has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CycleInputs {
    /// Live heap in bytes when marking ended: the peak.
    pub live: u64,
    /// Bytes marked, with those allocated black while the cycle ran: the live heap from now on.
    pub marked: u64,
    /// Scan work done in the heap, in bytes.
    pub heap_work: u64,
    /// Scan work done in mutators' roots, in bytes.
    pub mutator_root_work: u64,
    /// Scan work done in heap-wide roots, in bytes.
    pub heap_root_work: u64,
    /// Wall time of marking in nanoseconds.
    pub wall: u64,
    /// Processor time of assists in nanoseconds.
    pub assist_time: u64,
    /// Processor time of marking on idle processors in nanoseconds.
    pub idle_time: u64,
    /// Heap in pages in use, in bytes.
    pub in_use: u64,
    /// Sweeping is already done (else it begins now).
    pub swept: bool,
    /// The cycle was asked for, by the program or because memory ran out; it did not begin at its trigger.
    pub asked: bool,
    /// Memory held.
    pub memory: MemoryUse,
}

/// What follows from a finished cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CycleOutputs {
    /// Goal and trigger of the next cycle.
    pub targets: Targets,
    /// Share of all processors that marked for the program (background share and assists), 0 to 1 and more when the times
    /// told are wrong.
    pub utilization: f64,
    /// Bytes allocated per byte marked, at equal processor time, as assumed for the next cycle.
    pub cons_mark: f64,
    /// Bytes that are expected to be allocated while the next cycle runs.
    pub runway: u64,
}

/// The pacer of a heap.
///
/// # Invariants
/// Its estimates are finite; every trigger it answers is at most the goal beside it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pacer {
    settings: Settings,
    /// M: live heap after the last cycle, in bytes.
    marked: u64,
    /// Lh: scan work of the last cycle in the heap, in bytes.
    last_heap_work: u64,
    /// Ls: scan work of the last cycle in mutators' roots, in bytes.
    last_mutator_roots: u64,
    /// G: heap-wide roots, in bytes.
    heap_roots: u64,
    survival: Survival,
    /// Bytes of M that earn no room for growth: what was allocated black and is expected to be dead, and what the heap's tables
    /// take of the room. 0 for the reference pacer.
    discount: u64,
    cons_mark: ConsMark,
    reached: Reached,
    /// Goal from growth alone in bytes, whatever was granted of it.
    asked_goal: u64,
    /// Goal from growth, in bytes, set at the end of a cycle and when a setting changes; likewise the next two.
    growth_goal: u64,
    runway: u64,
    sweep_min: u64,
    /// T: live heap when the running cycle was triggered, in bytes.
    triggered: Option<u64>,
    /// Goal of the last finished cycle in bytes; 0 before the first.
    last_goal: u64,
    /// Heap in pages in use at the end of the last cycle, in bytes.
    last_in_use: u64,
}

impl Pacer {
    /// The pacer of an empty heap: nothing live, nothing to sweep.
    pub fn new(settings: Settings) -> Pacer {
        let mut pacer = Pacer {
            settings,
            marked: 0,
            last_heap_work: 0,
            last_mutator_roots: 0,
            heap_roots: 0,
            survival: Survival::default(),
            discount: 0,
            cons_mark: ConsMark::default(),
            reached: Reached::default(),
            asked_goal: 0,
            growth_goal: 0,
            runway: 0,
            sweep_min: 0,
            triggered: None,
            last_goal: 0,
            last_in_use: 0,
        };
        pacer.commit(0, true);
        pacer
    }

    /// What it is set to.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// M: live heap in bytes after the last cycle.
    pub fn marked(&self) -> u64 {
        self.marked
    }

    /// The share of all processors that marks while a cycle runs (U), 0 to 1.
    fn share(&self) -> f64 {
        f64::from(self.settings.cpu_share) / 100.0
    }

    /// Scan work of the last cycle in bytes: Lh + Ls + G.
    fn last_work(&self) -> u64 {
        self.last_heap_work.saturating_add(self.last_mutator_roots).saturating_add(self.heap_roots)
    }

    /// Whether the size reached has a say.
    fn retains(&self) -> bool {
        let Settings { gogc, kind, retain, .. } = self.settings;
        kind == PacerKind::Greyset && retain > 0 && gogc != Gogc::Off
    }

    /// Recomputes what depends on the last cycle and the settings.
    fn commit(&mut self, live: u64, swept: bool) {
        let Settings { gogc, min_heap, .. } = self.settings;
        let heap_min = goal::heap_min(min_heap, gogc);
        let roots = self.last_mutator_roots.saturating_add(self.heap_roots);
        let basis = self.marked.saturating_sub(self.discount).saturating_add(roots);
        let least = match self.settings.kind {
            PacerKind::Greyset if self.last_goal > 0 => goal::least_goal(heap_min, basis),
            _ => heap_min,
        };
        self.asked_goal = goal::growth_goal(gogc, least, self.marked, basis);
        self.growth_goal = match self.retains() {
            true => self.reached.grant(self.asked_goal, self.marked, least),
            false => self.asked_goal,
        };
        self.sweep_min = goal::sweep_min(live, swept);
        self.runway = match self.settings.kind {
            // Nothing is known, and a memory limit may be near: as early as may be.
            PacerKind::Greyset if self.last_goal == 0 => u64::MAX,
            _ => runway::runway(self.cons_mark.estimate(), self.share(), self.last_work()),
        };
    }

    /// The size reached, as far as the goal keeps it, in bytes. What any heap may have is no size that one has reached.
    fn kept_size(&self) -> u64 {
        let Settings { gogc, min_heap, .. } = self.settings;
        let size = self.reached.size();
        if self.retains() && size > goal::heap_min(min_heap, gogc) { size } else { 0 }
    }

    fn heap_goal(&self, memory: &MemoryUse) -> HeapGoal {
        let limit = self.settings.memory_limit.unwrap_or(NO_LIMIT);
        let limit = memory_limit::limit_goal(limit, memory, self.marked);
        goal::heap_goal(self.growth_goal.max(self.kept_size()), limit, self.sweep_min, self.triggered)
    }

    /// Goal and trigger as they are now. Under a memory limit they follow the memory held, so ask again when that changes.
    pub fn targets(&self, memory: &MemoryUse) -> Targets {
        let HeapGoal { bytes: goal, min_trigger, limited } = self.heap_goal(memory);
        let trigger = trigger::trigger(goal, min_trigger, self.marked, self.runway);
        Targets { trigger, goal, limited: limited && self.settings.memory_limit.is_some() }
    }

    /// Whether what is live, with `tables` bytes of tables and buffers and nothing else, leaves room below the memory limit: if
    /// not, each cycle is followed by another at once.
    pub fn has_room(&self, tables: u64) -> bool {
        let held =
            MemoryUse { mapped: self.marked.saturating_add(tables), heap_free: 0, heap_alloc: self.marked };
        let limit = self.settings.memory_limit.unwrap_or(NO_LIMIT);
        memory_limit::limit_goal(limit, &held, self.marked) > self.marked
    }

    /// Whether the goal is a size reached earlier, which wears off as time passes.
    pub fn keeps(&self) -> bool {
        self.kept_size() > self.growth_goal
    }

    /// Time has passed, in nanoseconds. Answers whether goal and trigger may be others now.
    pub fn pass(&mut self, ns: u64) -> bool {
        let keeps = self.keeps();
        self.reached.pass(ns, self.settings.retain);
        keeps
    }

    /// Somebody wants memory back: the goal is what growth makes it from now on.
    pub fn forget(&mut self) {
        self.reached.forget_beyond(self.asked_goal);
    }

    /// Changes settings, at any time, with the live heap as it is now and whether sweeping is done; the answer counts at
    /// once, for a running cycle too.
    pub fn set(&mut self, settings: Settings, live: u64, swept: bool, memory: &MemoryUse) -> Targets {
        let other = settings.gogc != self.settings.gogc;
        self.settings = settings;
        self.commit(live, swept);
        if other {
            self.forget();
        }
        self.targets(memory)
    }

    /// Sweeping is done, and has shown that of what the last cycle found alive `marked` bytes are left: external bytes of dead
    /// objects come off only when those are swept.
    pub fn correct_marked(&mut self, marked: u64, memory: &MemoryUse) -> Targets {
        self.marked = marked;
        self.commit(marked, true);
        self.targets(memory)
    }

    /// [`set`](Pacer::set) for GOGC alone.
    pub fn set_gogc(&mut self, gogc: Gogc, live: u64, swept: bool, memory: &MemoryUse) -> Targets {
        self.set(Settings { gogc, ..self.settings }, live, swept, memory)
    }

    /// [`set`](Pacer::set) for the memory limit in bytes alone.
    pub fn set_memory_limit(
        &mut self,
        memory_limit: Option<u64>,
        live: u64,
        swept: bool,
        memory: &MemoryUse,
    ) -> Targets {
        self.set(Settings { memory_limit, ..self.settings }, live, swept, memory)
    }

    /// A cycle begins.
    pub fn start_cycle(&mut self, start: &CycleStart) -> Plan {
        self.triggered = Some(start.live);
        self.heap_roots = start.heap_roots;
        let roots = start.mutator_roots.saturating_add(start.heap_roots);
        self.survival.start(start.scannable.saturating_add(roots));
        let progress = Progress {
            live: start.live,
            scannable: start.scannable,
            mutator_roots: start.mutator_roots,
            done: 0,
            memory: start.memory,
        };
        Plan {
            assist: self.revise(&progress),
            workers: workers::split(self.settings.processors, self.share()),
            goal: self.heap_goal(&start.memory).bytes,
        }
    }

    /// What allocations owe from now on; asked whenever live heap or scan work have changed much. Outside of a cycle the
    /// answer means nothing.
    pub fn revise(&self, now: &Progress) -> AssistRatio {
        let goal = self.heap_goal(&now.memory);
        let standing = assist::Standing {
            triggered: self.triggered.unwrap_or(now.live),
            goal: goal.bytes,
            live: now.live,
            done: now.done,
            expected: match self.settings.kind {
                PacerKind::Reference => self.last_work(),
                // At least a byte: from nothing, the goal would move out of reach.
                PacerKind::Greyset => self.survival.expected().max(1),
            },
            worst: now.scannable.saturating_add(now.mutator_roots).saturating_add(self.heap_roots),
        };
        // A goal that the memory limit decides is not to be stretched: it would be passed by as much as growth allows, and
        // with GOGC off that is no bound at all.
        let fixed = goal.limited && self.settings.kind == PacerKind::Greyset;
        assist::ratio(
            self.settings.kind,
            if fixed { Gogc::Percent(0) } else { self.settings.gogc },
            &standing,
        )
    }

    /// Marking has ended: learns from the cycle and answers goal and trigger of the next one.
    pub fn end_cycle(&mut self, cycle: &CycleInputs) -> CycleOutputs {
        let triggered = self.triggered.unwrap_or(cycle.live);
        let utilization = self.share() + self.of_processors(cycle.assist_time, cycle.wall);
        let work = cycle.heap_work.saturating_add(cycle.mutator_root_work);
        self.survival.end(work.saturating_add(cycle.heap_root_work));
        self.cons_mark.update(&Measured {
            allocated: cycle.live.saturating_sub(triggered),
            work: work.saturating_add(cycle.heap_root_work),
            utilization,
            idle: self.of_processors(cycle.idle_time, cycle.wall),
        });
        self.last_goal = self.heap_goal(&cycle.memory).bytes;
        // Without what a late start or sweeping adds to a goal: that is no size to keep.
        let granted = self.last_goal.min(self.growth_goal.max(self.reached.size()));
        self.reached.end_cycle(cycle.live, granted, self.asked_goal);
        self.last_in_use = cycle.in_use;
        self.triggered = None;
        self.marked = cycle.marked;
        let fresh = cycle.live.saturating_sub(triggered).min(cycle.marked);
        self.discount = match self.settings.kind {
            PacerKind::Reference => 0,
            PacerKind::Greyset => {
                let doubtful = fresh - self.survival.of_fresh(fresh);
                let alive = cycle.marked - doubtful;
                doubtful + assist::trunc(alive as f64 * cycle.memory.tables_share()).min(alive)
            }
        };
        self.last_heap_work = cycle.heap_work;
        self.last_mutator_roots = cycle.mutator_root_work;
        self.commit(cycle.marked, cycle.swept);
        if cycle.asked {
            self.forget();
        }
        CycleOutputs {
            targets: self.targets(&cycle.memory),
            utilization,
            cons_mark: self.cons_mark.estimate(),
            runway: self.runway,
        }
    }

    /// A cycle was given up: it teaches nothing, and what it marked counts for nothing.
    pub fn abandon_cycle(&mut self) {
        self.triggered = None;
        self.survival.abandon();
    }

    /// `cpu/(wall·P)`: processor time in nanoseconds as a share of what all processors had; 0 when no time passed.
    fn of_processors(&self, cpu: u64, wall: u64) -> f64 {
        if wall == 0 {
            return 0.0;
        }
        cpu as f64 / (wall as f64 * f64::from(self.settings.processors.max(1)))
    }

    /// What memory to keep.
    pub fn release_goal(&self, memory: &MemoryUse) -> ReleaseGoal {
        let goal = self.heap_goal(memory).bytes;
        let Settings { kind, memory_limit, .. } = self.settings;
        ReleaseGoal::new(kind, self.last_in_use, goal, self.last_goal, memory_limit)
    }
}
