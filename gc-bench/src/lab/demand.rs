//! The demand of a recorded program: what it would ask of any pacer, by how much it has allocated.
//!
//! A program's own work is taken not to depend on collection, so that its course is measured in bytes allocated, not in time.
//! Each cycle is a look at it: how much was live at that point, how fast it was marked and allocated meanwhile, what that cost.
//! Between two looks lies a straight line.

use super::marking::Marking;
use super::recording::{Kind, Recording, Row};
use greyset::Cause;
use greyset::pacer::memory_limit::MemoryUse;
use greyset::pacer::{CycleInputs, CycleStart, Pacer, Settings};

/// The program at a point of its course.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Look {
    /// Bytes live, external ones included.
    pub live: f64,
    /// Scan work for each of them.
    pub scan: f64,
    /// Bytes of heap-wide roots.
    pub roots: f64,
    /// Bytes allocated beyond the trigger before the cycle began.
    pub late: f64,
    /// Bytes allocated from the beginning of a cycle until tracing opens, and from the end of marking until sweeping opens.
    pub before: f64,
    /// See `before`; less than nothing where mutators handed back what they had not used.
    pub after: f64,
    /// Bytes allocated while tracing was open and nothing was left to mark: until markers woke up and answers came.
    pub stalled: f64,
    /// Scan work done in a nanosecond by one marker thread.
    pub marker: f64,
    /// Scan work done in a nanosecond by assists, all mutators assisting.
    pub assist: f64,
    /// Bytes allocated in a nanosecond by all mutators, nobody assisting.
    pub allocation: f64,
    /// Wall time of such a nanosecond, from the opening of tracing to that of sweeping.
    pub stretch: f64,
    /// Processor time of marking for a unit of scan work, in nanoseconds.
    pub mark_cost: f64,
    /// Processor time of sweeping for a byte of heap, in nanoseconds.
    pub sweep_cost: f64,
    /// Bytes of pages in use for each live byte, when the heap is largest.
    pub pages: f64,
    /// Bytes of tables and buffers.
    pub tables: f64,
}

/// Fields of [`Look`] as they are computed with: all of them.
macro_rules! each_field {
    ($of:expr) => {
        Look {
            live: $of(|l| l.live),
            scan: $of(|l| l.scan),
            roots: $of(|l| l.roots),
            late: $of(|l| l.late),
            before: $of(|l| l.before),
            after: $of(|l| l.after),
            stalled: $of(|l| l.stalled),
            marker: $of(|l| l.marker),
            assist: $of(|l| l.assist),
            allocation: $of(|l| l.allocation),
            stretch: $of(|l| l.stretch),
            mark_cost: $of(|l| l.mark_cost),
            sweep_cost: $of(|l| l.sweep_cost),
            pages: $of(|l| l.pages),
            tables: $of(|l| l.tables),
        }
    };
}

/// What a recorded program asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Demand {
    /// Bytes allocated when recording began and ended.
    pub from: u64,
    /// See `from`.
    pub to: u64,
    /// Bytes live when it began.
    pub live: u64,
    /// Points where a cycle was asked for, or began for another reason than its trigger, in bytes allocated.
    pub forced: Vec<u64>,
    /// Wall time in nanoseconds that the program took, without assists.
    pub wall_ns: f64,
    /// Processor time in nanoseconds that it took, without collection.
    pub program_ns: f64,
    /// The longest work on the pacer's behalf in one allocation, in scan work.
    pub assist_bound: u64,
    looks: Vec<(u64, Look)>,
    settings: Vec<(u64, Settings)>,
}

impl Demand {
    /// The demand of a recording.
    pub fn of(recording: &Recording) -> Demand {
        let Recording { start, cycles, end, .. } = recording;
        let looks = looks(recording);
        let assists = (end.assist_cpu_ns - start.assist_cpu_ns) as f64;
        let collection = end.collection_cpu_ns() - start.collection_cpu_ns();
        let threads = cycles.iter().map(|row| row.mutators).max().unwrap_or(1).max(1);
        Demand {
            from: start.allocated,
            to: end.allocated_done,
            live: start.live,
            forced: cycles.iter().filter(|row| is_forced(row)).map(|row| row.allocated).collect(),
            wall_ns: (end.over_ns() - start.at_ns) as f64 - assists / threads as f64,
            program_ns: (end.process_cpu_ns - start.process_cpu_ns).saturating_sub(collection) as f64,
            assist_bound: assist_bound(recording.assist_max_ns),
            looks,
            settings: std::iter::once(start)
                .chain(cycles)
                .map(|row| (row.allocated, recording.settings_in(row)))
                .collect(),
        }
    }

    /// The program when it has allocated so many bytes.
    pub fn at(&self, allocated: u64) -> Look {
        let next = self.looks.partition_point(|(at, _)| *at < allocated);
        let first = (self.from, Look { live: self.live as f64, ..self.looks[0].1 });
        let (low_at, low) = next.checked_sub(1).map_or(first, |i| self.looks[i]);
        let Some((high_at, high)) = self.looks.get(next).copied() else { return low };
        let part = match high_at.saturating_sub(low_at) {
            0 => 1.0,
            way => allocated.saturating_sub(low_at) as f64 / way as f64,
        };
        let between = |field: fn(&Look) -> f64| field(&low) + (field(&high) - field(&low)) * part;
        each_field!(between)
    }

    /// The settings that were in force then.
    pub fn settings_at(&self, allocated: u64) -> Settings {
        let next = self.settings.partition_point(|(at, _)| *at <= allocated);
        self.settings[next.saturating_sub(1)].1
    }

    /// The first point after `from` and up to `to` from which on other settings may be in force.
    pub fn next_change(&self, from: u64, to: u64) -> Option<u64> {
        let next = self.settings.get(self.settings.partition_point(|(at, _)| *at <= from)..)?;
        let now = self.settings_at(from);
        next.iter()
            .find(|(at, settings)| *at > to || *settings != now)
            .map(|(at, _)| *at)
            .filter(|at| *at <= to)
    }
}

/// Scan work that an allocation may be charged with at most, where the bound in time is that (the heap's own rule).
pub fn assist_bound(assist_max_ns: u64) -> u64 {
    assist_max_ns.saturating_mul(2).max(4096)
}

fn is_forced(row: &Row) -> bool {
    row.kind != Kind::Cycle(Cause::Trigger) || row.live_start < row.trigger
}

/// What the cycles show. The pacer is told of each what it was told then, so that what it charged is known.
fn looks(recording: &Recording) -> Vec<(u64, Look)> {
    let Recording { start, cycles, .. } = recording;
    let mut pacer = Pacer::new(recording.settings_in(start));
    let mut scan = 1.0;
    let mut looks = Vec::with_capacity(cycles.len());
    for (row, before) in cycles.iter().zip(std::iter::once(start).chain(cycles)) {
        let settings = recording.settings_in(row);
        let memory = MemoryUse { mapped: row.mapped, heap_free: row.heap_free, heap_alloc: row.heap_alloc };
        if settings != *pacer.settings() {
            pacer.set(settings, row.live_start, true, &memory);
        }
        pacer.pass((row.at_ns + row.sweeping_ns).saturating_sub(before.at_ns + before.sweeping_ns));
        pacer.start_cycle(&CycleStart {
            live: row.live_start,
            scannable: row.scannable,
            mutator_roots: 0,
            heap_roots: row.roots,
            memory,
        });
        let look = look(row, before, &pacer, scan, recording.workers as f64);
        scan = look.scan;
        looks.push((row.allocated_tracing, look));
        pacer.end_cycle(&CycleInputs {
            live: row.live_peak,
            marked: row.live,
            heap_work: row.scan_work,
            mutator_root_work: 0,
            heap_root_work: row.roots,
            wall: row.sweeping_ns - row.tracing_ns,
            assist_time: row.assist_cpu_ns - before.assist_cpu_ns,
            idle_time: 0,
            in_use: row.heap_alloc,
            swept: false,
            asked: is_forced(row),
            memory,
        });
    }
    looks
}

/// What a cycle shows, with the row before it for the clocks that run on, the pacer in that cycle, and the scan work for a live
/// byte that was known then.
fn look(row: &Row, before: &Row, pacer: &Pacer, scan: f64, workers: f64) -> Look {
    let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let between = |from: u64, to: u64| to as f64 - from as f64;
    let mark_ns = row.mark_cpu_ns - before.mark_cpu_ns;
    let assist_ns = row.assist_cpu_ns - before.assist_cpu_ns;
    let collection_ns = row.collection_cpu_ns() - before.collection_cpu_ns();
    let program_ns = (row.process_cpu_ns - before.process_cpu_ns).saturating_sub(collection_ns);
    let mutators = row.mutators.max(1) as f64;
    let work = row.scan_work.max(1) as f64;
    let look = Look {
        live: (row.marked + row.external) as f64,
        scan: of(row.scan_work, row.marked + row.external),
        roots: row.roots as f64,
        late: if is_forced(row) { 0.0 } else { between(row.trigger, row.live_start) },
        before: between(row.allocated, row.allocated_tracing).max(0.0),
        after: between(row.allocated_marked, row.allocated_sweeping),
        assist: mutators * work / (mark_ns + assist_ns).max(1) as f64,
        allocation: mutators
            * of(row.allocated_done.saturating_sub(before.allocated_done).max(1), program_ns),
        mark_cost: of(mark_ns + assist_ns, row.scan_work),
        sweep_cost: of(row.sweep_cpu_ns - before.sweep_cpu_ns, row.live_peak),
        pages: of(row.heap_alloc, row.live_peak).max(1.0),
        tables: row.mapped.saturating_sub(row.heap_alloc + row.heap_free) as f64,
        ..Look::default()
    };
    let live = row.live_start + look.before as u64;
    let marking = Marking { pacer: Some(pacer), look, live, scan, work };
    let grown = between(row.allocated_tracing, row.allocated_marked).max(0.0);
    let background = marking.fit(grown, work * of(assist_ns, mark_ns + assist_ns));
    let marked = marking.run(background);
    let stalled = (grown - marked.grown).max(0.0);
    let ns = marked.ns + stalled / look.allocation;
    let wall = (row.sweeping_ns - row.tracing_ns) as f64;
    Look { marker: background / workers, stalled, stretch: wall / ns.max(1.0), ..look }
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::steady;
    use super::*;
    use greyset::Gogc;

    const MIB: u64 = 1 << 20;

    pub fn demand(text: &str) -> Demand {
        Demand::of(&Recording::parsed(text))
    }

    #[test]
    fn what_a_steady_program_asks_for() {
        let demand = demand(&steady(10));
        assert_eq!((demand.from, demand.to, demand.live), (0, 97 * MIB / 2, 0));
        assert!(demand.forced.is_empty());
        assert_eq!((demand.wall_ns, demand.program_ns), (110e6, 137.5e6 - 25e6));
        let look = demand.at(20 * MIB);
        assert_eq!((look.live, look.scan, look.late), (4.0 * MIB as f64, 1.0, 0.0));
        // 4.5 MiB in 12.5 ms of processor time less 2.5 ms; 4 MiB are marked while half a MiB is allocated, in a ninth of that.
        assert!((look.allocation - 4.5 * MIB as f64 / 10e6).abs() < 1e-9, "{look:?}");
        assert!((look.marker * 10e6 / 9.0 / (4.0 * MIB as f64) - 1.0).abs() < 0.03, "{look:?}");
        assert!((look.stretch - 1.8).abs() < 0.05 && look.stalled < 4096.0, "{look:?}");
        assert_eq!((look.mark_cost, look.tables), (2e6 / (4.0 * MIB as f64), MIB as f64));
        assert_eq!(demand.settings_at(20 * MIB).gogc, Gogc::Percent(100));
    }

    #[test]
    fn between_looks_lies_a_straight_line() {
        let demand = demand(&steady(10));
        // The first look is after 4 MiB; before, the heap fills.
        assert_eq!(demand.at(2 * MIB).live, 2.0 * MIB as f64);
        assert_eq!(demand.at(0).live, 0.0);
        assert_eq!(demand.at(1000 * MIB), demand.at(89 * MIB / 2));
    }

    #[test]
    fn cycles_that_no_trigger_explains_are_forced() {
        let text = steady(10).replace("cycle\ttrigger\t3\t", "cycle\tasked\t3\t");
        assert_eq!(demand(&text).forced, [13 * MIB]);
    }
}
