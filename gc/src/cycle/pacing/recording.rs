//! Recordings: what the pacer sees of a heap, a line a cycle, in a file that `gc-bench replay` reads.
//!
//! The file is text. Its parts are separated by tabs, and it describes itself:
//!
//! ```text
//! greyset-recording   1                        the format and its version
//! setting   processors   8                     what the heap is set to, a setting a line
//! columns   row   cause   cycle   at_ns …      names of the columns of all that follows
//! start   …                                    the heap when recording began
//! cycle   …                                    a finished cycle
//! end   …                                      the heap when recording ended
//! ```
//!
//! `row` is one of the three words, `cause` why the cycle began; every other column is a whole number, 0 where it means nothing.
//! Times are nanoseconds of wall time (`…cpu_ns`: of processor time, since the heap was made), sizes are bytes:
//!
//! | columns | meaning |
//! | --- | --- |
//! | `cycle`, `at_ns` | number of the cycle; its start, or the row's own moment, since the heap was made |
//! | `tracing_ns`, `marked_ns`, `sweeping_ns`, `done_ns` | from that start until tracing opened, marking ended, sweeping opened, all was swept |
//! | `allocated`, `allocated_tracing`, `allocated_marked`, `allocated_sweeping`, `allocated_done` | bytes ever allocated at these five moments |
//! | `live_start`, `live_peak`, `live` | the live heap at the start, when marking ended, and as it was found |
//! | `marked`, `external` | marked bytes; external bytes |
//! | `scannable`, `scan_work`, `roots` | what was thought to need scanning at the start; scan work done; heap-wide roots |
//! | `trigger`, `goal` | what the cycle aimed at |
//! | `mark_cpu_ns`, `assist_cpu_ns`, `sweep_cpu_ns`, `process_cpu_ns` | processor time |
//! | `assists`, `assist_p99_ns`, `assist_max_ns` | allocations that marked, and how long, since the heap was made |
//! | `mapped`, `heap_free`, `heap_alloc` | memory held when sweeping opened: all, in free pages, in pages in use |
//! | `mutators`, `gogc`, `memory_limit` | mutators attached; the settings in force (0 is off) |
//!
//! A reader goes by the names. Columns are added without another version; one that changes its meaning gets another.

use super::{Pacing, cpu, memory, nanos, root_bytes};
use crate::config::{Config, Gogc};
use crate::heap::Shared;
use crate::pacer::Settings;
use crate::stats::{CycleReport, process_cpu_time};
use greyset_sync::atomic::Ordering::Relaxed;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// Version of the format.
const VERSION: u32 = 1;

/// A column's name and value.
type Field = (&'static str, u64);

/// Writes rows. The first write that fails ends the recording and is told when it is finished.
#[derive(Debug)]
pub(crate) struct Recorder {
    out: File,
    /// When it began, since the heap was made. A cycle that was under way then is left out: half of it is before the first row.
    since: Duration,
    cycles: u64,
    failed: Option<io::Error>,
}

impl Recorder {
    /// Creates the file, or empties it, and writes what comes before the rows.
    fn create(
        path: &Path,
        shared: &Shared,
        settings: &Settings,
        columns: &[Field],
        since: Duration,
    ) -> io::Result<Recorder> {
        let mut out = File::create(path)?;
        out.write_all(preamble(&shared.config, shared.alloc.limit(), settings, columns).as_bytes())?;
        Ok(Recorder { out, since, cycles: 0, failed: None })
    }

    /// A row in a single write, so that the file of a program that is killed ends with a whole row.
    fn row(&mut self, row: &str, cause: &str, fields: &[Field]) {
        if self.failed.is_some() {
            return;
        }
        let mut line = format!("{row}\t{cause}");
        for (_, value) in fields {
            // Writing to a String cannot fail.
            let _ = write!(line, "\t{value}");
        }
        line.push('\n');
        self.failed = self.out.write_all(line.as_bytes()).err();
    }
}

fn preamble(config: &Config, hard_limit: Option<u64>, settings: &Settings, columns: &[Field]) -> String {
    let lines = [
        ("name", config.name.clone().unwrap_or_else(|| "heap".into())),
        ("driver", config.driver.to_string()),
        ("pacer", config.pacer.to_string()),
        ("processors", settings.processors.to_string()),
        ("workers", config.workers.to_string()),
        ("cpu_share", config.cpu_share.to_string()),
        ("cpu_limit", config.cpu_limit.to_string()),
        ("min_heap", config.min_heap.to_string()),
        ("hard_limit", hard_limit.unwrap_or(0).to_string()),
        ("retain_ns", settings.retain.to_string()),
        ("assist_max_ns", config.assist_max.as_nanos().to_string()),
    ];
    let lines = lines.map(|(name, value)| format!("setting\t{name}\t{value}\n")).concat();
    let columns: String = columns.iter().map(|(name, _)| format!("\t{name}")).collect();
    format!("greyset-recording\t{VERSION}\n{lines}columns\trow\tcause{columns}\n")
}

impl Pacing {
    /// Begins to record to `path`.
    ///
    /// # Errors
    /// When the file cannot be written, or a recording is under way already.
    pub(crate) fn start_recording(&mut self, shared: &Shared, path: &Path) -> io::Result<()> {
        if self.recorder.is_some() {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "the heap is being recorded already"));
        }
        let since = self.clock.elapsed();
        let fields = self.moment(shared);
        let mut recorder = Recorder::create(path, shared, self.pacer.settings(), &fields, since)?;
        recorder.row("start", "-", &fields);
        self.recorder = Some(recorder);
        Ok(())
    }

    /// Ends the recording; returns how many cycles are in it.
    ///
    /// # Errors
    /// What the first write said that failed.
    pub(crate) fn finish_recording(&mut self, shared: &Shared) -> io::Result<u64> {
        let Some(mut recorder) = self.recorder.take() else { return Ok(0) };
        recorder.row("end", "-", &self.moment(shared));
        recorder.failed.map_or(Ok(recorder.cycles), Err)
    }

    /// A cycle is over.
    pub(super) fn record_cycle(&mut self, shared: &Shared, report: &CycleReport) {
        if self.recorder.as_ref().is_none_or(|recorder| self.start.at < recorder.since) {
            return;
        }
        let fields = self.cycle(shared, report);
        if let Some(recorder) = &mut self.recorder {
            recorder.row("cycle", report.cause.name(), &fields);
            recorder.cycles += 1;
        }
    }

    /// The columns between `cycles`.
    fn moment(&self, shared: &Shared) -> Vec<Field> {
        let pace = &shared.pace;
        let allocated = pace.allocated.load(Relaxed);
        let live = pace.live.load(Relaxed);
        self.fields(
            shared,
            &Row {
                cycle: shared.driver.completed(),
                at: self.clock.nanos(),
                allocated: [allocated; 5],
                live: [live, live, pace.last_live.load(Relaxed)],
                trigger: pace.trigger.load(Relaxed),
                goal: pace.goal.load(Relaxed),
                memory: memory(shared),
                ..Row::default()
            },
        )
    }

    /// The columns of the cycle that is over.
    fn cycle(&self, shared: &Shared, report: &CycleReport) -> Vec<Field> {
        let start = &self.start;
        let since = |at: Duration| nanos(at.saturating_sub(start.at));
        let [began, marked, swept] = start.allocated;
        let done = shared.pace.allocated.load(Relaxed);
        self.fields(
            shared,
            &Row {
                cycle: report.cycle,
                at: nanos(start.at),
                offsets: [start.tracing_at, start.marked_at, start.swept_at, self.clock.elapsed()].map(since),
                allocated: [began, start.allocated_at_t2, marked, swept, done],
                live: [report.heap_start, report.heap_end, shared.pace.last_live.load(Relaxed)],
                marked: report.marked_bytes,
                scannable: start.scannable,
                scan_work: shared.pace.scan_work.load(Relaxed),
                trigger: report.trigger,
                goal: report.goal,
                memory: start.memory,
            },
        )
    }

    fn fields(&self, shared: &Shared, row: &Row) -> Vec<Field> {
        let settings = self.pacer.settings();
        let gogc = match settings.gogc {
            Gogc::Percent(percent) => u64::from(percent),
            Gogc::Off => 0,
        };
        let (cpu, assists) = (cpu(shared), shared.stats.assists.snapshot());
        vec![
            ("cycle", row.cycle),
            ("at_ns", row.at),
            ("tracing_ns", row.offsets[0]),
            ("marked_ns", row.offsets[1]),
            ("sweeping_ns", row.offsets[2]),
            ("done_ns", row.offsets[3]),
            ("allocated", row.allocated[0]),
            ("allocated_tracing", row.allocated[1]),
            ("allocated_marked", row.allocated[2]),
            ("allocated_sweeping", row.allocated[3]),
            ("allocated_done", row.allocated[4]),
            ("live_start", row.live[0]),
            ("live_peak", row.live[1]),
            ("live", row.live[2]),
            ("marked", row.marked),
            ("external", shared.external()),
            ("scannable", row.scannable),
            ("scan_work", row.scan_work),
            ("roots", root_bytes(shared)),
            ("trigger", row.trigger),
            ("goal", row.goal),
            ("mark_cpu_ns", nanos(cpu.mark)),
            ("assist_cpu_ns", nanos(cpu.assist)),
            ("sweep_cpu_ns", nanos(cpu.sweep)),
            ("process_cpu_ns", nanos(process_cpu_time())),
            ("assists", assists.count()),
            ("assist_p99_ns", assists.p99()),
            ("assist_max_ns", assists.max()),
            ("mapped", row.memory.mapped),
            ("heap_free", row.memory.heap_free),
            ("heap_alloc", row.memory.heap_alloc),
            ("mutators", shared.mutators.len() as u64),
            ("gogc", gogc),
            ("memory_limit", settings.memory_limit.unwrap_or(0)),
        ]
    }
}

/// What differs between the rows, as named in the table above.
#[derive(Default)]
struct Row {
    cycle: u64,
    at: u64,
    offsets: [u64; 4],
    allocated: [u64; 5],
    live: [u64; 3],
    marked: u64,
    scannable: u64,
    scan_work: u64,
    trigger: u64,
    goal: u64,
    memory: crate::pacer::memory_limit::MemoryUse,
}
