//! Statistics of a heap at one moment, and its contents by type, for programs and for people.
//!
//! Plain data: taking a snapshot is the heap's business. All numbers count from the making of the heap.

use super::events::CollectorCpu;
use super::histogram::HistogramSnapshot;
use std::fmt;
use std::time::Duration;

/// What a heap has done and holds. The fields are read one after another while the program runs: each is exact at its
/// moment, sums over several may be off by what happened meanwhile.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Finished cycles.
    pub cycles: u64,
    /// Bytes in objects now, dead ones not yet swept included, and external bytes.
    pub heap_bytes: u64,
    /// Bytes in objects that the last cycle found alive, with those allocated while it ran, and external bytes.
    pub live_bytes: u64,
    /// The heap size in bytes that the next cycle is to end at.
    pub goal_bytes: u64,
    /// The heap size in bytes at which it begins.
    pub trigger_bytes: u64,
    /// The largest `heap_bytes` seen.
    pub peak_bytes: u64,
    /// Bytes ever allocated. Counted when a run of slots is taken or handed back, so it may run ahead by a run a type.
    pub allocated_bytes: u64,
    /// Objects ever allocated, counted likewise.
    pub allocated_objects: u64,
    /// Objects ever marked.
    pub marked_objects: u64,
    /// Bytes ever marked.
    pub marked_bytes: u64,
    /// Processor time of collection.
    pub cpu: CollectorCpu,
    /// Share of all processor time that collection took, 0 to 1.
    pub cpu_share: f64,
    /// From asking a handshake to one mutator's answer.
    pub handshakes: HistogramSnapshot,
    /// Processor time of safepoints that had something to answer.
    pub safepoints: HistogramSnapshot,
    /// Processor time of marking that single allocations were charged with; those charged with none are not counted.
    pub assists: HistogramSnapshot,
    /// Bytes of address space that hold memory of the system's: committed and not given back.
    pub mapped_bytes: u64,
    /// Bytes outside the heap that its objects own ([`Charged`](crate::Charged)) or the program has reported.
    pub external_bytes: u64,
    /// Bytes given back to the system, in total.
    pub released_bytes: u64,
    /// Time on the clock of the calls that gave back in the background; what was asked for is not counted.
    pub releases: HistogramSnapshot,
    /// Processor time of these calls.
    pub release_cpu: Duration,
    /// Bytes of `mapped_bytes` in tables, mark stacks and buffers.
    pub metadata_bytes: u64,
    /// The soft limit in bytes.
    pub memory_limit: Option<u64>,
    /// The hard limit in bytes.
    pub hard_limit: Option<u64>,
    /// Mutators attached now.
    pub mutators: usize,
    /// Allocations refused under the hard limit.
    pub limit_failures: u64,
    /// Times an allocation far above the goal rested for a moment, since the collector's threads had something to finish first.
    pub brakes: u64,
    /// Times the program was found to thrash ([`Event::Thrash`](crate::Event::Thrash)).
    pub thrashes: u64,
    /// Panics in destructors, caught.
    pub drop_panics: u64,
    /// Cycles given up because a `trace` function panicked.
    pub trace_panics: u64,
    /// Times a mutator was reported for reaching no safepoint.
    pub watchdogs: u64,
}

impl Stats {
    /// Average cost of marking an object in nanoseconds of processor time; `None` before the first is marked.
    pub fn ns_per_marked_object(&self) -> Option<f64> {
        let marking = self.cpu.mark + self.cpu.assist + self.cpu.idle;
        (self.marked_objects > 0).then(|| marking.as_nanos() as f64 / self.marked_objects as f64)
    }
}

/// Mebibytes for a person to read.
struct Mib(u64);

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / (1 << 20) as f64)
    }
}

/// Several lines for a person to read; not for programs.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |limit: Option<u64>| limit.map_or_else(|| "off".to_owned(), |b| Mib(b).to_string());
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            f,
            "heap       {} in objects, {} live, {} trigger, {} goal, {} peak",
            Mib(self.heap_bytes),
            Mib(self.live_bytes),
            Mib(self.trigger_bytes),
            Mib(self.goal_bytes),
            Mib(self.peak_bytes)
        )?;
        writeln!(f, "allocated  {} in {} objects", Mib(self.allocated_bytes), self.allocated_objects)?;
        writeln!(
            f,
            "cycles     {}, {} objects marked, {:.1}% of processor time",
            self.cycles,
            self.marked_objects,
            self.cpu_share * 100.0
        )?;
        writeln!(
            f,
            "cpu        {:.1} ms mark, {:.1} ms assist, {:.1} ms sweep, {:.1} ms idle",
            ms(self.cpu.mark),
            ms(self.cpu.assist),
            ms(self.cpu.sweep),
            ms(self.cpu.idle)
        )?;
        writeln!(
            f,
            "memory     {} mapped, {} of it metadata, {} external, {} given back, limits {} soft and {} hard",
            Mib(self.mapped_bytes),
            Mib(self.metadata_bytes),
            Mib(self.external_bytes),
            Mib(self.released_bytes),
            limit(self.memory_limit),
            limit(self.hard_limit)
        )?;
        writeln!(f, "handshakes {}", self.handshakes)?;
        writeln!(f, "safepoints {}", self.safepoints)?;
        writeln!(f, "assists    {}", self.assists)?;
        writeln!(f, "releases   {}, {:.1} ms of processor time", self.releases, ms(self.release_cpu))?;
        writeln!(
            f,
            "trouble    {} allocations refused, {} rested, {} times thrashing, {} drop panics, {} trace panics, {} watchdog reports",
            self.limit_failures,
            self.brakes,
            self.thrashes,
            self.drop_panics,
            self.trace_panics,
            self.watchdogs
        )
    }
}

/// A type's part of a [`Census`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CensusRow {
    /// Name of the type, as the compiler has it.
    pub type_name: &'static str,
    /// Objects of it.
    pub objects: u64,
    /// Bytes in their slots.
    pub bytes: u64,
}

/// The contents of a heap by type, largest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Census {
    rows: Vec<CensusRow>,
}

impl Census {
    /// A census of the rows given in any order; rows with the same name become one, empty ones are left out.
    pub(crate) fn of(rows: impl IntoIterator<Item = CensusRow>) -> Census {
        let mut by_name = std::collections::BTreeMap::new();
        for row in rows.into_iter().filter(|row| row.objects > 0) {
            let (objects, bytes) = by_name.entry(row.type_name).or_insert((0u64, 0u64));
            *objects += row.objects;
            *bytes += row.bytes;
        }
        let mut rows: Vec<CensusRow> = by_name
            .into_iter()
            .map(|(type_name, (objects, bytes))| CensusRow { type_name, objects, bytes })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.bytes)); // Stable: names decide among equals.
        Census { rows }
    }

    /// The rows, most bytes first.
    pub fn rows(&self) -> &[CensusRow] {
        &self.rows
    }

    /// Objects of all types.
    pub fn objects(&self) -> u64 {
        self.rows.iter().map(|row| row.objects).sum()
    }

    /// Bytes in the slots of all types.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.bytes).sum()
    }
}

/// A table for a person to read.
impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>14} {:>12}  type", "bytes", "objects")?;
        for row in &self.rows {
            writeln!(f, "{:>14} {:>12}  {}", row.bytes, row.objects, row.type_name)?;
        }
        writeln!(f, "{:>14} {:>12}  all", self.bytes(), self.objects())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_census_is_sorted_and_merged() {
        let row = |type_name, objects, bytes| CensusRow { type_name, objects, bytes };
        let census =
            Census::of([row("b", 1, 10), row("c", 0, 0), row("a", 2, 10), row("d", 1, 30), row("b", 1, 10)]);
        assert_eq!(census.rows(), [row("d", 1, 30), row("b", 2, 20), row("a", 2, 10)]);
        assert_eq!((census.objects(), census.bytes()), (5, 60));
        let text = census.to_string();
        assert_eq!(text.lines().count(), 5);
        assert!(text.ends_with("            60            5  all\n"), "{text}");
    }

    #[test]
    fn statistics_read_well() {
        let mut stats =
            Stats { cycles: 3, heap_bytes: 3 << 19, hard_limit: Some(1 << 30), ..Stats::default() };
        assert_eq!(stats.ns_per_marked_object(), None);
        stats.marked_objects = 1000;
        stats.cpu.mark = Duration::from_micros(4);
        stats.cpu.assist = Duration::from_micros(1);
        assert_eq!(stats.ns_per_marked_object(), Some(5.0));
        let text = stats.to_string();
        assert!(text.starts_with("heap       1.5 MiB in objects, 0.0 MiB live"), "{text}");
        assert!(text.contains("limits off soft and 1024.0 MiB hard"), "{text}");
        assert_eq!(text.lines().count(), 10);
    }
}
