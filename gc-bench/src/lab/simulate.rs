//! `gc-bench simulate`: a scenario through the pacer's production code.

use super::plot::{self, Panel, Series};
use super::scenario::{self, Source};
use crate::failure::Failure;
use crate::output::{Output, emit, json_line};
use greyset::pacer::harness::Row;
use greyset::pacer::reached::HALF_LIFE;
use greyset::pacer::{PacerKind, Settings};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `simulate`.
#[derive(clap::Args)]
pub struct Simulate {
    /// The scenario, in TOML (gc-bench/scenarios has some).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The cycles as tab-separated columns; this is what is printed without another output.
    #[arg(long, conflicts_with = "json")]
    tsv: bool,
    /// The cycles as one JSON object.
    #[arg(long)]
    json: bool,
    /// Draw heap and utilization over the cycles into OUT.svg.
    #[arg(long, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
    /// Whose pacer.
    #[arg(long, value_enum, default_value_t = Kind::Reference)]
    pacer: Kind,
}

/// The `--pacer` setting.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The published one, to the last digit of its recorded cycles.
    Reference,
    /// The one of greyset's heaps.
    Greyset,
}

impl From<Kind> for PacerKind {
    fn from(kind: Kind) -> PacerKind {
        match kind {
            Kind::Reference => PacerKind::Reference,
            Kind::Greyset => PacerKind::Greyset,
        }
    }
}

/// A simulation as `--json` prints it; sizes in bytes.
#[derive(Serialize)]
struct Simulation<'s> {
    name: &'s str,
    pacer: Kind,
    cycles: Vec<Cycle>,
}

#[derive(Serialize)]
struct Cycle {
    cycle: u64,
    utilization_pct: f64,
    marked: u64,
    trigger: u64,
    peak: u64,
    goal: u64,
}

impl From<&Row> for Cycle {
    fn from(row: &Row) -> Cycle {
        let Row { cycle, utilization, marked, trigger, peak, goal } = *row;
        Cycle { cycle, utilization_pct: utilization * 100.0, marked, trigger, peak, goal }
    }
}

impl Simulate {
    /// Reads, runs, prints.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a scenario that cannot be run, [`Failure::Run`] for a plot that cannot be written.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let source = scenario::read(&self.file)?;
        let plot = self.plot.as_deref().map(|path| Output::open(path, Some(&self.file))).transpose()?;
        let rows = run(&source, self.pacer)?;
        let scenario = &source.scenario;
        if let Some(output) = plot {
            plot::write(output, &panels(&scenario.name, &rows))?;
        }
        if self.json {
            let cycles = rows.iter().map(Cycle::from).collect();
            let simulation = Simulation { name: &scenario.name, pacer: self.pacer, cycles };
            emit(&json_line(&simulation))?;
        } else if self.tsv || self.plot.is_none() {
            emit(&tsv(&rows))?;
        }
        Ok(())
    }
}

/// The cycles of a scenario under a pacer.
///
/// # Errors
/// [`Failure::Usage`] with file and line where a signal leads nowhere.
pub fn run(source: &Source, kind: Kind) -> Result<Vec<Row>, Failure> {
    let settings = Settings { kind: kind.into(), retain: HALF_LIFE, ..source.scenario.settings() };
    source.scenario.run_with(settings).map_err(|error| source.failure(&error))
}

fn tsv(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| format!("{row}\n"));
    format!("{}\n{}", Row::HEADER, lines.collect::<String>())
}

fn panels(name: &str, rows: &[Row]) -> [Panel; 2] {
    let series = |name: &str, value: fn(&Row) -> f64| Series {
        name: name.into(),
        dots: false,
        points: rows.iter().map(|row| (row.cycle as f64, value(row))).collect(),
    };
    let panel = |title: String, series| Panel { title, x: "cycle", series };
    const MIB: f64 = 1048576.0;
    let heap = vec![
        series("peak", |row| row.peak as f64 / MIB),
        series("goal", |row| row.goal as f64 / MIB),
        series("trigger", |row| row.trigger as f64 / MIB),
        series("live at the start", |row| row.marked as f64 / MIB),
    ];
    let share = vec![series("collection", |row| row.utilization * 100.0)];
    [panel(format!("{name}: heap, MiB"), heap), panel("share of the processors, %".into(), share)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_recorded_cycles_to_the_last_digit() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut scenarios, mut cycles) = (0, 0);
        for entry in std::fs::read_dir(here.join("scenarios")).expect("the scenarios") {
            let file = entry.expect("a directory entry").path();
            let source = scenario::read(&file).expect("a scenario");
            let name = &source.scenario.name;
            let golden = here.join("tests/pacer/golden").join(format!("{name}.tsv"));
            let recorded = std::fs::read_to_string(golden).expect("the recording of the scenario");
            let rows = run(&source, Kind::Reference).expect("it runs");
            for (line, recorded) in tsv(&rows).lines().zip(recorded.lines()) {
                assert_eq!(line, recorded, "{name}");
            }
            assert_eq!(tsv(&rows), recorded, "{name}");
            scenarios += 1;
            cycles += rows.len();
        }
        assert_eq!((scenarios, cycles), (11, 600));
    }
}
