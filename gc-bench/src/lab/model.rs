//! A recorded program under the pacer's production code: its demand, with cycles where the pacer wants them.
//!
//! Cycle by cycle: the heap grows to the trigger (and what is allocated until the collector takes notice); marking goes on at
//! the recorded speed while the program allocates at the recorded rate and pays what the pacer charges; what was live at
//! that point is left, with what was allocated since. The CPU limiter and the want of room hold cycles back as in a heap.
//! Not in the model: caches, other programs, a sweep so slow that the next cycle waits for it.

use super::demand::{Demand, Look, assist_bound};
use super::marking::{Marked, Marking};
use super::recording::Recording;
use super::simulate::Kind;
use greyset::pacer::cpu_limiter::{CpuLimiter, Window};
use greyset::pacer::memory_limit::MemoryUse;
use greyset::pacer::{CycleInputs, CycleStart, Pacer, Settings};
use greyset::{Gogc, Limit};
use serde::Serialize;

/// Part of collection below which assists are too rare to have a percentile.
const NO_ASSISTS: f64 = 0.01;
/// Cycles at most, for one that leaves no room may follow another at once.
const MOST_CYCLES: u64 = 1_000_000;
/// Wall time of a look at the clocks while collection holds back, in nanoseconds.
const WAIT_NS: f64 = 10e6;

/// Settings that differ from the recorded ones.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Changes {
    /// Growth between collections.
    pub gogc: Option<Gogc>,
    /// Soft limit.
    pub memory_limit: Option<Limit>,
    /// Smallest goal in bytes at GOGC 100.
    pub min_heap: Option<u64>,
    /// Marker threads.
    pub workers: Option<u64>,
    /// Percent of the processors that the pacer takes to mark.
    pub cpu_share: Option<u32>,
    /// Most marking charged to an allocation, in nanoseconds.
    pub assist_max_ns: Option<u64>,
    /// Whose pacer.
    pub pacer: Option<Kind>,
}

impl Changes {
    /// These, and those of `others` where these say nothing.
    pub fn or(self, others: &Changes) -> Changes {
        Changes {
            gogc: self.gogc.or(others.gogc),
            memory_limit: self.memory_limit.or(others.memory_limit),
            min_heap: self.min_heap.or(others.min_heap),
            workers: self.workers.or(others.workers),
            cpu_share: self.cpu_share.or(others.cpu_share),
            assist_max_ns: self.assist_max_ns.or(others.assist_max_ns),
            pacer: self.pacer.or(others.pacer),
        }
    }

    fn over(&self, settings: Settings) -> Settings {
        Settings {
            gogc: self.gogc.unwrap_or(settings.gogc),
            memory_limit: match self.memory_limit {
                None | Some(Limit::Auto) => settings.memory_limit,
                Some(Limit::Off) => None,
                Some(Limit::Bytes(size)) => Some(size.bytes()),
            },
            min_heap: self.min_heap.unwrap_or(settings.min_heap),
            cpu_share: self.cpu_share.unwrap_or(settings.cpu_share),
            kind: self.pacer.map_or(settings.kind, Into::into),
            ..settings
        }
    }
}

/// What a run costs, recorded or predicted. Collection is that of finished cycles.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Cost {
    /// Finished cycles.
    pub cycles: u64,
    /// Processor time of marking by the collector's threads, in seconds.
    pub mark_cpu_s: f64,
    /// Processor time of assists, in seconds.
    pub assist_cpu_s: f64,
    /// Processor time of sweeping, in seconds.
    pub sweep_cpu_s: f64,
    /// Processor time of the program itself, in seconds.
    pub program_cpu_s: f64,
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Largest heap in bytes.
    pub peak_bytes: u64,
    /// Most memory the heap held when a cycle ended, or all did, in bytes: pages, tables, buffers, external bytes.
    pub held_bytes: u64,
    /// 99th percentile of the time of assists, in nanoseconds.
    pub assist_p99_ns: u64,
}

impl Cost {
    /// What was recorded.
    pub fn recorded(recording: &Recording) -> Cost {
        let Recording { start, cycles, end, .. } = recording;
        let seconds = |before: u64, after: u64| (after - before) as f64 * 1e-9;
        let most = |of: fn(&super::recording::Row) -> u64| cycles.iter().map(of).max().unwrap_or(0);
        let collection = seconds(start.collection_cpu_ns(), end.collection_cpu_ns());
        let last = cycles.last().unwrap_or(start);
        Cost {
            cycles: cycles.len() as u64,
            mark_cpu_s: seconds(start.mark_cpu_ns, last.mark_cpu_ns),
            assist_cpu_s: seconds(start.assist_cpu_ns, last.assist_cpu_ns),
            sweep_cpu_s: seconds(start.sweep_cpu_ns, last.sweep_cpu_ns),
            program_cpu_s: (seconds(start.process_cpu_ns, end.process_cpu_ns) - collection).max(0.0),
            wall_s: seconds(start.at_ns, end.over_ns()),
            peak_bytes: most(|row| row.live_peak.max(row.live_start)).max(end.live_start),
            held_bytes: most(|row| row.mapped).max(end.mapped),
            assist_p99_ns: end.assist_p99_ns,
        }
    }

    /// Processor time of collection, in seconds.
    pub fn collection_cpu_s(&self) -> f64 {
        self.mark_cpu_s + self.assist_cpu_s + self.sweep_cpu_s
    }

    /// Its share of all processor time, in percent.
    pub fn cpu_percent(&self) -> f64 {
        100.0 * self.collection_cpu_s() / (self.collection_cpu_s() + self.program_cpu_s).max(1e-9)
    }
}

/// What the program of a recording, with this demand, would cost with other settings.
pub fn predict(demand: &Demand, recording: &Recording, changes: &Changes) -> Cost {
    let mut replay = Replay::new(demand, recording, changes);
    while let Some(at) = replay.next_cycle() {
        replay.cycle(at);
    }
    let Cost { assist_cpu_s, .. } = replay.cost;
    let threads = recording.cycles.iter().map(|row| row.mutators).max().unwrap_or(1).max(1);
    let bound = changes.assist_max_ns.map_or(demand.assist_bound, assist_bound);
    let recorded = recording.end.assist_p99_ns as f64 / demand.assist_bound as f64;
    // What has been allocated since the last cycle is there, too; without a cycle, all of it.
    let live = replay.live + demand.to.saturating_sub(replay.allocated);
    let held = demand.at(demand.to).memory(live).mapped;
    let each = if recorded > 0.0 { recorded } else { demand.at(demand.to).mark_cost };
    Cost {
        wall_s: demand.wall_ns * 1e-9 + assist_cpu_s / threads as f64,
        program_cpu_s: demand.program_ns * 1e-9,
        assist_p99_ns: if assist_cpu_s > NO_ASSISTS * replay.cost.collection_cpu_s() {
            (bound as f64 * each) as u64
        } else {
            0
        },
        peak_bytes: replay.cost.peak_bytes.max(live),
        held_bytes: replay.cost.held_bytes.max(held),
        ..replay.cost
    }
}

/// A program under the pacer, between two cycles.
struct Replay<'d> {
    demand: &'d Demand,
    changes: &'d Changes,
    workers: f64,
    pacer: Pacer,
    limiter: CpuLimiter,
    /// Bytes allocated so far, and where the last cycle began.
    allocated: u64,
    began: Option<u64>,
    live: u64,
    /// Scan work for a live byte, as the last cycle found it.
    scan: f64,
    no_room: bool,
    /// The next cycle is one that was asked for.
    asked: bool,
    cost: Cost,
}

impl<'d> Replay<'d> {
    fn new(demand: &'d Demand, recording: &Recording, changes: &'d Changes) -> Replay<'d> {
        let settings = changes.over(demand.settings_at(demand.from));
        let mut pacer = Pacer::new(settings);
        if demand.live > 0 {
            pacer.correct_marked(demand.live, &MemoryUse::default());
        }
        Replay {
            demand,
            changes,
            workers: changes.workers.unwrap_or(recording.workers) as f64,
            pacer,
            limiter: CpuLimiter::new(settings.processors, 0, recording.cpu_limit),
            allocated: demand.from,
            began: None,
            live: demand.live,
            scan: 1.0,
            no_room: false,
            asked: false,
            cost: Cost::default(),
        }
    }

    /// Where the next cycle begins, in bytes allocated; the settings recorded on the way come into force.
    fn next_cycle(&mut self) -> Option<u64> {
        self.wait();
        loop {
            let settings = self.changes.over(self.demand.settings_at(self.allocated));
            let look = self.demand.at(self.allocated);
            if settings != *self.pacer.settings() {
                self.pacer.set(settings, self.live, true, &look.memory(self.live));
            }
            let due = self.allocated + self.until_trigger(&look) + look.late as u64;
            let forced = self.demand.forced.iter().find(|at| self.began.is_none_or(|began| **at > began));
            let at = forced.map_or(due, |forced| due.min((*forced).max(self.allocated)));
            self.asked = at < due;
            let soon = self.allocated + self.while_waiting();
            if self.pacer.keeps() && soon < at.min(self.demand.to) {
                // What is kept wears off meanwhile, and the trigger comes nearer.
                self.advance(soon - self.allocated);
                continue;
            }
            let least = (self.demand.to - self.demand.from) / MOST_CYCLES;
            let at = at.max(self.began.map_or(0, |began| began + least.max(1)));
            let changed = self.demand.next_change(self.allocated, at);
            match changed.filter(|at| self.changes.over(self.demand.settings_at(*at)) != settings) {
                Some(changed) => self.advance(changed - self.allocated),
                None => return (at < self.demand.to).then_some(at),
            }
        }
    }

    /// Bytes to allocate until the heap reaches the trigger, which a memory limit moves as the heap grows.
    fn until_trigger(&self, look: &Look) -> u64 {
        let trigger = |live| self.pacer.targets(&look.memory(live)).trigger;
        let (mut low, mut high) = (self.live, trigger(self.live).max(self.live));
        while high - low > 4096 {
            let middle = low + (high - low) / 2;
            if trigger(middle) <= middle { high = middle } else { low = middle }
        }
        high - self.live
    }

    /// The program runs until cycles may begin again.
    fn wait(&mut self) {
        let bytes = self.while_waiting();
        while (self.limiter.limiting() || self.no_room && self.limiter.level() > 0.0)
            && self.allocated < self.demand.to
        {
            self.advance(bytes);
        }
    }

    /// Bytes the program allocates between two looks at the clocks.
    fn while_waiting(&self) -> u64 {
        let pace = (self.demand.to - self.demand.from) as f64 / self.demand.wall_ns.max(1.0);
        ((WAIT_NS * pace) as u64).max(1)
    }

    /// The program allocates so many bytes while no cycle runs.
    fn advance(&mut self, bytes: u64) {
        self.grow(bytes);
        self.spend(bytes, 0.0);
    }

    fn grow(&mut self, bytes: u64) {
        self.allocated += bytes;
        self.live += bytes;
    }

    /// Tells the limiter what was done while the program allocated so many bytes and collection took so many nanoseconds.
    fn spend(&mut self, bytes: u64, collection_ns: f64) {
        let part = bytes as f64 / (self.demand.to - self.demand.from).max(1) as f64;
        let processors = f64::from(self.pacer.settings().processors);
        let process = self.demand.program_ns * part + collection_ns;
        let wall = (self.demand.wall_ns * part).max(process / processors);
        let window = Window {
            wall: wall as u64,
            assist: collection_ns as u64,
            idle: (wall * processors - process.max(wall)).max(0.0) as u64,
            marking: false,
        };
        // What these changed is asked for where it matters.
        let _ = self.limiter.advance(&window);
        let _ = self.pacer.pass(wall as u64);
    }

    fn holds_back(&self) -> bool {
        self.no_room || self.limiter.limiting()
    }

    /// A cycle that begins when `at` bytes are allocated.
    fn cycle(&mut self, at: u64) {
        self.advance(at - self.allocated);
        self.began = Some(at);
        let look = self.demand.at(at + self.demand.at(at).before as u64);
        let roots = look.roots as u64;
        self.pacer.start_cycle(&CycleStart {
            live: self.live,
            scannable: self.scannable(),
            mutator_roots: 0,
            heap_roots: roots,
            memory: look.memory(self.live),
        });
        self.grow(look.before as u64);
        let opened = self.allocated;
        let work = (look.scan * look.live) as u64;
        let Marked { ns, grown, assisted } = Marking {
            pacer: (!self.holds_back()).then_some(&self.pacer),
            look,
            live: self.live,
            scan: self.scan,
            work: work as f64,
        }
        .run(look.marker * self.workers);
        self.grow((grown + look.stalled) as u64);
        let peak = self.live;
        let memory = look.memory(peak);
        self.allocated = self.allocated.saturating_add_signed(look.after as i64).max(opened);
        self.live = look.live as u64 + (self.allocated - opened);
        self.scan = look.scan;

        let mark_ns = work as f64 * look.mark_cost;
        let assist_ns = assisted * look.mark_cost;
        let sweep_ns = peak as f64 * look.sweep_cost;
        self.pacer.end_cycle(&CycleInputs {
            live: peak,
            marked: self.live,
            heap_work: work,
            mutator_root_work: 0,
            heap_root_work: roots,
            wall: (look.stretch * (ns + look.stalled / look.allocation)) as u64,
            assist_time: assist_ns as u64,
            idle_time: 0,
            in_use: memory.heap_alloc,
            swept: false,
            asked: self.asked,
            memory,
        });
        self.no_room = !self.pacer.has_room(look.tables as u64);
        self.spend(self.allocated - at, mark_ns + sweep_ns);
        self.cost.peak_bytes = self.cost.peak_bytes.max(peak);
        self.cost.held_bytes = self.cost.held_bytes.max(memory.mapped);
        if self.allocated > self.demand.to {
            return;
        }
        self.cost.cycles += 1;
        self.cost.mark_cpu_s += (mark_ns - assist_ns).max(0.0) * 1e-9;
        self.cost.assist_cpu_s += assist_ns * 1e-9;
        self.cost.sweep_cpu_s += sweep_ns * 1e-9;
    }

    fn scannable(&self) -> u64 {
        (self.scan * self.live as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::steady;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn predicted(changes: Changes) -> Cost {
        let recording = Recording::parsed(&steady(100));
        predict(&Demand::of(&recording), &recording, &changes)
    }

    fn about(value: f64, wanted: f64, percent: f64) -> bool {
        (value / wanted - 1.0).abs() <= percent / 100.0
    }

    #[test]
    fn the_recorded_settings_give_what_was_recorded() {
        let recording = Recording::parsed(&steady(100));
        let (recorded, predicted) = (Cost::recorded(&recording), predicted(Changes::default()));
        assert!(about(predicted.cycles as f64, 100.0, 10.0), "{predicted:?}");
        assert!(about(predicted.collection_cpu_s(), recorded.collection_cpu_s(), 10.0), "{predicted:?}");
        assert!(about(predicted.peak_bytes as f64, recorded.peak_bytes as f64, 10.0), "{predicted:?}");
        assert!((recorded.cpu_percent() - 20.0).abs() < 1.0, "{}", recorded.cpu_percent());
        assert!(predicted.assist_cpu_s < 0.01 * predicted.mark_cpu_s, "{predicted:?}");
    }

    #[test]
    fn more_growth_is_fewer_cycles_and_more_memory() {
        let of = |percent| predicted(Changes { gogc: Some(Gogc::Percent(percent)), ..Changes::default() });
        let [half, base, twice] = [of(50), of(100), of(200)];
        // Twice as much between two cycles, beside what is allocated while they run.
        assert!(about(twice.cycles as f64, base.cycles as f64 / 2.0, 15.0), "{base:?} {twice:?}");
        assert!(about(twice.peak_bytes as f64, base.peak_bytes as f64 * 1.5, 15.0), "{base:?} {twice:?}");
        assert!(half.cycles > base.cycles && half.peak_bytes < base.peak_bytes, "{half:?}");
        assert_eq!(half.program_cpu_s, twice.program_cpu_s);
        let off = predicted(Changes { gogc: Some(Gogc::Off), ..Changes::default() });
        assert_eq!((off.cycles, off.collection_cpu_s(), off.peak_bytes), (0, 0.0, 907 * MIB / 2));
        // All of it, and the tables.
        assert_eq!(off.held_bytes, off.peak_bytes + MIB);
    }

    #[test]
    fn a_limit_is_kept_and_one_without_room_costs_no_more_than_the_limiter_allows() {
        let with = |mib: u64| {
            predicted(Changes {
                gogc: Some(Gogc::Off),
                memory_limit: Some(Limit::Bytes(greyset::ByteSize::new(mib * MIB))),
                ..Changes::default()
            })
        };
        let roomy = with(64);
        assert!(roomy.cycles > 3 && (48 * MIB..=64 * MIB).contains(&roomy.held_bytes), "{roomy:?}");
        let hopeless = with(4);
        assert!(hopeless.cpu_percent() < 55.0, "{hopeless:?}");
        // One each time that it looks at the clocks.
        assert!(hopeless.cycles > 80, "{hopeless:?}");
    }

    #[test]
    fn a_goal_too_near_makes_the_program_assist() {
        assert_eq!(predicted(Changes::default()).assist_p99_ns, 0);
        let squeezed =
            Changes { gogc: Some(Gogc::Percent(5)), min_heap: Some(1 << 16), ..Changes::default() };
        let assisting = predicted(squeezed);
        assert!(assisting.assist_cpu_s > 0.0 && assisting.assist_p99_ns > 0, "{assisting:?}");
        let shorter = predicted(Changes { assist_max_ns: Some(10_000), ..squeezed });
        assert!(
            about(shorter.assist_p99_ns as f64, assisting.assist_p99_ns as f64 / 5.0, 1.0),
            "{shorter:?}"
        );
    }
}
