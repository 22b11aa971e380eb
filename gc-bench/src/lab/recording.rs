//! Recordings of `Heap::record`, read: `gc/src/cycle/pacing/recording.rs` describes the format.

use crate::failure::Failure;
use greyset::pacer::{PacerKind, Settings};
use greyset::{Cause, Gogc};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

/// Version of the format that is read here.
const VERSION: &str = "1";
/// Bytes of a file at most: some two million cycles.
const MOST_BYTES: u64 = 1 << 30;
/// What is smaller than this is a number; sums of them still fit.
const MOST: u64 = 1 << 60;

/// What a row tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The heap when recording began.
    Start,
    /// A finished cycle, and why it began.
    Cycle(Cause),
    /// The heap when recording ended.
    End,
}

macro_rules! rows {
    ($($column:ident),* $(,)?) => {
        /// A row; the format describes the columns.
        #[allow(missing_docs, reason = "they are described with the format")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct Row {
            pub kind: Kind,
            $(pub $column: u64,)*
        }

        impl Row {
            /// The columns that a recording must have.
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),*];

            fn of(kind: Kind, mut column: impl FnMut(&str) -> Result<u64, String>) -> Result<Row, String> {
                Ok(Row { kind, $($column: column(stringify!($column))?,)* })
            }
        }
    };
}

rows! {
    cycle, at_ns, tracing_ns, marked_ns, sweeping_ns, done_ns,
    allocated, allocated_tracing, allocated_marked, allocated_sweeping, allocated_done,
    live_start, live_peak, live, marked, external, scannable, scan_work, roots, trigger, goal,
    mark_cpu_ns, assist_cpu_ns, sweep_cpu_ns, process_cpu_ns, assists, assist_p99_ns, assist_max_ns,
    mapped, heap_free, heap_alloc, mutators, gogc, memory_limit,
}

impl Row {
    /// Processor time of collection so far, in nanoseconds.
    pub fn collection_cpu_ns(&self) -> u64 {
        self.mark_cpu_ns + self.assist_cpu_ns + self.sweep_cpu_ns
    }

    /// When what the row tells of was over, in nanoseconds.
    pub fn over_ns(&self) -> u64 {
        self.at_ns + self.done_ns
    }
}

/// A recording: a start and at least one cycle, in order of time and allocation.
#[derive(Clone, PartialEq, Debug)]
pub struct Recording {
    /// Name of the heap.
    pub name: String,
    /// Marker threads.
    pub workers: u64,
    /// Percent of the program's processor time that collection may take for long.
    pub cpu_limit: u32,
    /// Most marking charged to an allocation, in nanoseconds.
    pub assist_max_ns: u64,
    /// The first row's settings of the pacer.
    pub settings: Settings,
    /// The heap when recording began.
    pub start: Row,
    /// The cycles.
    pub cycles: Vec<Row>,
    /// The heap when recording ended: its last row, or the end of the last cycle of a program that was killed.
    pub end: Row,
}

impl Recording {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Failure::Usage`] with file, line, and what was expected there.
    pub fn read(path: &Path) -> Result<Recording, Failure> {
        let usage = |text: String| Failure::Usage(format!("{}{text}", path.display()));
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| usage(format!(": cannot be read: {error}")))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(usage(format!(": expected a recording of {} MiB at most", MOST_BYTES >> 20)));
        }
        Recording::parse(path, &bytes)
    }

    /// Reads what was found in the file at `path`.
    ///
    /// # Errors
    /// As for [`Recording::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Recording, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| (1, "not text: expected a recording of Heap::record or gc-bench record".into()));
        text.and_then(parse).map_err(|(line, problem)| Failure::in_file(path, line, &problem))
    }

    /// A recording that is right, for tests.
    #[cfg(test)]
    pub fn parsed(text: &str) -> Recording {
        parse(text).expect("a recording")
    }

    /// The settings of the pacer that were in force in a row.
    pub fn settings_in(&self, row: &Row) -> Settings {
        Settings { gogc: gogc(row.gogc), memory_limit: limit(row.memory_limit), ..self.settings }
    }
}

fn gogc(percent: u64) -> Gogc {
    match percent {
        0 => Gogc::Off,
        percent => Gogc::Percent(u32::try_from(percent).unwrap_or(u32::MAX)),
    }
}

fn limit(bytes: u64) -> Option<u64> {
    (bytes > 0).then_some(bytes)
}

/// The line, from 1, and what is wrong with it.
type Wrong = (usize, String);

fn parse(text: &str) -> Result<Recording, Wrong> {
    let mut lines = (1..).zip(text.lines());
    let first = lines.next().map_or("", |(_, line)| line);
    match first.split('\t').collect::<Vec<_>>()[..] {
        ["greyset-recording", VERSION] => {}
        ["greyset-recording", other] => {
            return Err((1, format!("a recording of version {other}: expected version {VERSION}")));
        }
        _ => return Err((1, "expected greyset-recording and a version: this is no recording".into())),
    }
    let mut settings = BTreeMap::new();
    for (line, text) in lines.by_ref() {
        match text.split('\t').collect::<Vec<_>>()[..] {
            ["setting", name, value] => {
                if settings.insert(name, (line, value)).is_some() {
                    return Err((line, format!("setting {name} is there twice: expected it once")));
                }
            }
            ["columns", ref names @ ..] => {
                let rows = rows(lines, line, names)?;
                return assemble(&settings, line, rows);
            }
            _ => {
                return Err((
                    line,
                    "expected setting, a name and a value, or columns and their names".into(),
                ));
            }
        }
    }
    Err((text.lines().count(), "the file ends here: expected columns and their names".into()))
}

fn rows<'t>(
    lines: impl Iterator<Item = (usize, &'t str)>,
    header: usize,
    names: &[&str],
) -> Result<Vec<(usize, Row)>, Wrong> {
    for wanted in ["row", "cause"].iter().chain(Row::COLUMNS) {
        if !names.contains(wanted) {
            return Err((header, format!("no column {wanted}: expected all that Heap::record writes")));
        }
    }
    if let Some(name) =
        names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
    {
        return Err((header, format!("column {name} is there twice: expected it once")));
    }
    lines.map(|(line, text)| row(text, names).map(|row| (line, row)).map_err(|wrong| (line, wrong))).collect()
}

fn row(text: &str, names: &[&str]) -> Result<Row, String> {
    let fields: Vec<&str> = text.split('\t').collect();
    if fields.len() != names.len() {
        return Err(format!("{} fields: expected one for each of the {} columns", fields.len(), names.len()));
    }
    let field = |name: &str| names.iter().position(|n| *n == name).map_or("", |at| fields[at]);
    let kind = match (field("row"), field("cause")) {
        ("start", _) => Kind::Start,
        ("end", _) => Kind::End,
        ("cycle", "trigger") => Kind::Cycle(Cause::Trigger),
        ("cycle", "limit") => Kind::Cycle(Cause::Limit),
        ("cycle", "asked") => Kind::Cycle(Cause::Asked),
        ("cycle", cause) => return Err(format!("cause is {cause:?}: expected trigger, limit or asked")),
        (row, _) => return Err(format!("row is {row:?}: expected start, cycle or end")),
    };
    Row::of(kind, |name| {
        let text = field(name);
        let number = text.parse().ok().filter(|n| *n < MOST);
        number.ok_or_else(|| format!("{name} is {text:?}: expected a whole number below 2^60"))
    })
}

fn assemble(
    settings: &BTreeMap<&str, (usize, &str)>,
    header: usize,
    rows: Vec<(usize, Row)>,
) -> Result<Recording, Wrong> {
    in_order(&rows)?;
    let (Some(&(line, start)), Some(&(_, last))) = (rows.first(), rows.last()) else {
        return Err((header, "no rows: expected a start and cycles".into()));
    };
    if start.kind != Kind::Start {
        return Err((line, "expected the row start before all others".into()));
    }
    let mut cycles = Vec::new();
    for (line, row) in &rows[1..] {
        match row.kind {
            Kind::Cycle(_) => cycles.push(*row),
            Kind::End if *row == last => {}
            _ => return Err((*line, "expected a cycle: start and end stand first and last".into())),
        }
    }
    if cycles.is_empty() {
        return Err((line, "no cycle was recorded: record a longer run".into()));
    }
    let (line, driver) = settings.get("driver").copied().unwrap_or((header, "unknown"));
    if driver != "background" {
        return Err((
            line,
            format!("driver is {driver}: expected background, the only one that can be foretold"),
        ));
    }
    let base = Settings {
        gogc: gogc(start.gogc),
        memory_limit: limit(start.memory_limit),
        min_heap: number(settings, header, "min_heap", 0..=MOST - 1)?,
        processors: number(settings, header, "processors", 1..=65_536)?,
        cpu_share: number(settings, header, "cpu_share", 1..=99)?,
        kind: setting::<PacerKind>(settings, header, "pacer")?,
        // Recorded before there was such a setting.
        retain: match settings.contains_key("retain_ns") {
            true => number(settings, header, "retain_ns", 0..=MOST - 1)?,
            false => 0,
        },
    };
    Ok(Recording {
        name: setting(settings, header, "name")?,
        workers: number(settings, header, "workers", 1..=256)?,
        cpu_limit: number(settings, header, "cpu_limit", 1..=99)?,
        assist_max_ns: number(settings, header, "assist_max_ns", 0..=MOST - 1)?,
        settings: base,
        start,
        cycles,
        end: last,
    })
}

/// Neither time nor allocation goes backwards (allocation a little: what a mutator hands back is taken off).
fn in_order(rows: &[(usize, Row)]) -> Result<(), Wrong> {
    const HANDED_BACK: u64 = 1 << 20;
    let mut before: Option<&Row> = None;
    for (line, row) in rows {
        let moments = [
            row.allocated,
            row.allocated_tracing,
            row.allocated_marked,
            row.allocated_sweeping,
            row.allocated_done,
        ];
        let back =
            |name: &str| (*line, format!("{name} is less than before: expected rows in order of time"));
        let starts_at = before.map_or(0, |row| row.allocated_done);
        if !moments.is_sorted_by(|a, b| *a <= b + HANDED_BACK) || row.allocated + HANDED_BACK < starts_at {
            return Err(back("allocated"));
        }
        if ![0, row.tracing_ns, row.marked_ns, row.sweeping_ns, row.done_ns].is_sorted() {
            return Err(back("a time"));
        }
        if let Some(before) = before {
            let clocks = [
                ("at_ns", before.at_ns, row.at_ns),
                ("mark_cpu_ns", before.mark_cpu_ns, row.mark_cpu_ns),
                ("assist_cpu_ns", before.assist_cpu_ns, row.assist_cpu_ns),
                ("sweep_cpu_ns", before.sweep_cpu_ns, row.sweep_cpu_ns),
                ("process_cpu_ns", before.process_cpu_ns, row.process_cpu_ns),
            ];
            if let Some((name, ..)) = clocks.iter().find(|(_, before, now)| now < before) {
                return Err(back(name));
            }
        }
        before = Some(row);
    }
    Ok(())
}

fn setting<T: FromStr>(
    settings: &BTreeMap<&str, (usize, &str)>,
    header: usize,
    name: &str,
) -> Result<T, Wrong> {
    let Some((line, text)) = settings.get(name) else {
        return Err((header, format!("no setting {name}: expected it before the columns")));
    };
    text.parse().map_err(|_| (*line, format!("setting {name} cannot be {text:?}")))
}

/// A setting that is a number in this range.
fn number<T: FromStr + PartialOrd + Display>(
    settings: &BTreeMap<&str, (usize, &str)>,
    header: usize,
    name: &str,
    range: RangeInclusive<T>,
) -> Result<T, Wrong> {
    let value = setting(settings, header, name)?;
    if range.contains(&value) {
        return Ok(value);
    }
    let line = settings.get(name).map_or(header, |(line, _)| *line);
    Err((line, format!("setting {name} is {value}: expected {} to {}", range.start(), range.end())))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A recording of a program in its steady state: 4 MiB are found live, and half a MiB is new; so the goal is 9 MiB to the
    /// reference pacer.
    pub(in crate::lab) fn steady(cycles: u64) -> String {
        const MIB: u64 = 1 << 20;
        let mut text = String::from("greyset-recording\t1\n");
        for (name, value) in [
            ("name", "heap"),
            ("driver", "background"),
            ("pacer", "reference"),
            ("processors", "2"),
            ("workers", "1"),
            ("cpu_share", "25"),
            ("cpu_limit", "50"),
            ("min_heap", "4194304"),
            ("hard_limit", "0"),
            ("assist_max_ns", "50000"),
        ] {
            text += &format!("setting\t{name}\t{value}\n");
        }
        text += &format!("columns\trow\tcause\t{}\n", Row::COLUMNS.join("\t"));
        let mut line = |row: &str, cause: &str, of: &dyn Fn(&str) -> u64| {
            let values = Row::COLUMNS.iter().map(|name| format!("\t{}", of(name))).collect::<String>();
            text += &format!("{row}\t{cause}{values}\n");
        };
        let setting = |name: &str| if name == "gogc" { 100 } else { 0 };
        line("start", "-", &setting);
        for i in 0..cycles {
            // Every 10 ms 4.5 MiB are allocated, of which half a MiB while 4 MiB are scanned in 2 ms.
            let allocated = (i + 1) * 9 * MIB / 2 - MIB / 2;
            line("cycle", "trigger", &|name| match name {
                "cycle" => i + 1,
                "at_ns" => (i + 1) * 10_000_000,
                "tracing_ns" => 0,
                "marked_ns" | "sweeping_ns" => 2_000_000,
                "done_ns" => 3_000_000,
                "allocated" | "allocated_tracing" => allocated,
                "allocated_marked" | "allocated_sweeping" | "allocated_done" => allocated + MIB / 2,
                "live_start" | "trigger" => 8 * MIB + MIB / 2,
                "live_peak" | "heap_alloc" | "goal" | "scannable" => 9 * MIB,
                "live" => 4 * MIB + MIB / 2,
                "marked" | "scan_work" => 4 * MIB,
                "mapped" => 10 * MIB,
                "mark_cpu_ns" => (i + 1) * 2_000_000,
                "sweep_cpu_ns" => (i + 1) * 500_000,
                "process_cpu_ns" => (i + 1) * 12_500_000,
                "mutators" => 1,
                other => setting(other),
            });
        }
        line("end", "-", &|name| match name {
            "at_ns" => (cycles + 1) * 10_000_000,
            name if name.starts_with("allocated") => (cycles + 1) * 9 * MIB / 2 - MIB,
            "mark_cpu_ns" => cycles * 2_000_000,
            "sweep_cpu_ns" => cycles * 500_000,
            "process_cpu_ns" => (cycles + 1) * 12_500_000,
            other => setting(other),
        });
        text
    }

    #[test]
    fn a_recording_is_read() {
        let recording = parse(&steady(3)).expect("a recording");
        assert_eq!((recording.cycles.len(), recording.workers, recording.cpu_limit), (3, 1, 50));
        assert_eq!(recording.settings.gogc, Gogc::Percent(100));
        assert_eq!((recording.settings.kind, recording.settings.processors), (PacerKind::Reference, 2));
        assert_eq!(recording.cycles[1].kind, Kind::Cycle(Cause::Trigger));
        assert_eq!(recording.end.kind, Kind::End);
        // Columns in another order and new ones; no end, as after a kill.
        let text =
            steady(3).replace("\tmark_cpu_ns", "\tcolour").replace("\tmutators", "\tmark_cpu_ns\tmutators");
        assert!(parse(&text).is_err(), "one column more than fields");
        let killed = steady(3).lines().take(11 + 2 + 2).collect::<Vec<_>>().join("\n");
        assert_eq!(parse(&killed).expect("a recording").end.cycle, 2);
    }

    #[test]
    fn nonsense_is_named_with_its_line() {
        let good = steady(3);
        for (from, to, line, says) in [
            ("greyset-recording\t1", "greyset-recording\t2", 1, "version 2: expected version 1"),
            ("greyset-recording\t1", "{}", 1, "this is no recording"),
            ("setting\tworkers\t1", "setting\tworkers", 6, "expected setting, a name and a value"),
            ("setting\tworkers\t1", "setting\tworkers\tmany", 6, "setting workers cannot be \"many\""),
            ("setting\tworkers\t1", "setting\tworkers\t0", 6, "setting workers is 0: expected 1 to 256"),
            ("setting\tcpu_limit\t50", "setting\tcpu_limit\t100", 8, "cpu_limit is 100: expected 1 to 99"),
            ("setting\tworkers\t1", "setting\tprocessors\t1", 6, "setting processors is there twice"),
            ("\tlive_peak", "\tgoal", 12, "no column live_peak"),
            ("\tlive_peak\t", "\tlive_peak\tlive_peak\t", 12, "column live_peak is there twice"),
            ("\t0\t2000000\t2000000\t3000000", "\t9\t8\t7\t0", 14, "a time is less than before"),
            ("driver\tbackground", "driver\tinline", 3, "driver is inline: expected background"),
            ("setting\tworkers\t1\n", "", 11, "no setting workers"),
            ("\tlive_peak", "\tlive_peek", 12, "no column live_peak"),
            ("start\t-", "begin\t-", 13, "row is \"begin\": expected start, cycle or end"),
            ("start\t-", "cycle\tasked", 13, "expected the row start"),
            (
                "trigger\t1\t10000000",
                "whim\t1\t10000000",
                14,
                "cause is \"whim\": expected trigger, limit or asked",
            ),
            (
                "trigger\t1\t10000000",
                "trigger\t1\t-1",
                14,
                "at_ns is \"-1\": expected a whole number below 2^60",
            ),
            (
                "trigger\t1\t10000000",
                "trigger\t1\t9999999999999999999",
                14,
                "at_ns is \"9999999999999999999\"",
            ),
            ("trigger\t1\t10000000", "trigger\t1", 14, "35 fields: expected one for each of the 36 columns"),
            ("trigger\t3\t30000000", "trigger\t3\t1", 16, "at_ns is less than before"),
            ("\t2000000\t2000000\t3000000", "\t2000000\t1000000\t3000000", 14, "a time is less than before"),
            ("cycle\ttrigger\t2", "start\t-\t2", 15, "start and end stand first and last"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let (at, problem) = parse(&text).expect_err(to);
            assert!(problem.contains(says) && at == line, "{to:?}: line {at}: {problem}");
        }
        for (text, line) in [("", 1), ("greyset-recording\t1\n", 1)] {
            assert!(matches!(parse(text), Err((at, _)) if at.max(1) == line), "{text:?}");
        }
        let header = good.lines().take(12).collect::<Vec<_>>().join("\n");
        assert_eq!(parse(&header), Err((12, "no rows: expected a start and cycles".into())));
        assert_eq!(parse(&steady(0)).map_err(|(line, _)| line), Err(13));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text: String, line in 0usize..20, cut in 0usize..400) {
            let _ = parse(&text);
            let mut lines: Vec<String> = steady(3).lines().map(str::to_owned).collect();
            if let Some(line) = lines.get_mut(line) {
                *line = line.chars().take(cut).collect::<String>() + &text;
            }
            let _ = parse(&lines.join("\n"));
        }
    }
}
