//! `gc-bench pacers`: the two pacers on the same scenarios, or in runs of the same workloads, side by side.

use super::pacer_runs::compare_runs;
use super::scenario;
use super::simulate::{Kind, run};
use crate::failure::Failure;
use crate::options::count;
use crate::output::emit;
use crate::report::align_figures;
use crate::units;
use comfy_table::{Table, presets};
use greyset::pacer::PacerKind;
use greyset::pacer::harness::Row;
use std::path::PathBuf;

/// Options of `pacers`.
#[derive(clap::Args)]
pub struct Pacers {
    /// The scenarios, in TOML (gc-bench/scenarios has some).
    #[arg(value_name = "FILE", required_unless_present = "runs")]
    files: Vec<PathBuf>,
    /// A workload to run with both, such as "churn --live 64MiB"; may be given several times.
    #[arg(long = "run", value_name = "WORKLOAD")]
    runs: Vec<String>,
    /// Pairs of runs of each workload; the table shows medians.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1, 1000))]
    pairs: usize,
}

/// What a run of a scenario comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Summary {
    /// Share of the processors beyond the background share: the mean over the cycles, in percent.
    assists: f64,
    /// The largest share of the processors in a cycle, in percent.
    worst: f64,
    /// Cycles that passed their goal by more than a twentieth.
    overshoots: usize,
    /// The furthest that a cycle passed its goal, in percent of it.
    overshoot: f64,
    /// The mean peak in bytes.
    peak: u64,
    /// Bytes that the heap grows by from one cycle to the next, the mean: what a cycle is paid for with.
    growth: u64,
}

impl Summary {
    fn of(rows: &[Row]) -> Summary {
        let count = rows.len().max(1) as f64;
        let over = |row: &Row| (row.peak as f64 / row.goal.max(1) as f64 - 1.0) * 100.0;
        let largest = |of: fn(&Row) -> f64| rows.iter().map(of).fold(0.0, f64::max);
        Summary {
            assists: rows.iter().map(|row| (row.utilization - 0.25) * 100.0).sum::<f64>() / count,
            worst: largest(|row| row.utilization * 100.0),
            overshoots: rows.iter().filter(|row| over(row) > 5.0).count(),
            overshoot: rows.iter().map(over).fold(0.0, f64::max),
            peak: (rows.iter().map(|row| row.peak as f64).sum::<f64>() / count) as u64,
            growth: (rows.iter().map(|row| row.peak.saturating_sub(row.marked) as f64).sum::<f64>() / count)
                as u64,
        }
    }
}

impl Pacers {
    /// Reads, runs, prints the table.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a scenario that cannot be run, or what is no workload; [`Failure::Run`] for one that fails.
    pub fn carry_out(&self) -> Result<(), Failure> {
        if !self.files.is_empty() {
            emit(&format!("{}\n", self.simulated()?))?;
        }
        if !self.runs.is_empty() {
            emit(&format!("{}\n", compare_runs(&self.runs, self.pairs)?))?;
        }
        Ok(())
    }

    fn simulated(&self) -> Result<Table, Failure> {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "scenario",
            "pacer",
            "assists, mean",
            "worst cycle",
            "over by > 5 %",
            "furthest over",
            "peak, mean",
            "growth, mean",
        ]);
        for file in &self.files {
            let source = scenario::read(file)?;
            for kind in [Kind::Reference, Kind::Greyset] {
                let rows = run(&source, kind)?;
                let Summary { assists, worst, overshoots, overshoot, peak, growth } = Summary::of(&rows);
                table.add_row([
                    source.scenario.name.clone(),
                    PacerKind::from(kind).to_string(),
                    format!("{assists:.1} %"),
                    format!("{worst:.1} %"),
                    format!("{overshoots} of {}", rows.len()),
                    format!("{overshoot:.1} %"),
                    units::bytes(peak),
                    units::bytes(growth),
                ]);
            }
        }
        align_figures(&mut table, 2);
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_three_cycles() {
        let row = |utilization, peak, goal| Row { cycle: 1, utilization, marked: 10, trigger: 0, peak, goal };
        let summary = Summary::of(&[row(0.25, 100, 100), row(0.55, 110, 100), row(0.25, 90, 100)]);
        assert!((summary.assists - 10.0).abs() < 1e-9 && (summary.worst - 55.0).abs() < 1e-9);
        assert!((summary.overshoot - 10.0).abs() < 1e-9, "{summary:?}");
        assert_eq!((summary.overshoots, summary.peak, summary.growth), (1, 100, 90));
        assert_eq!(Summary::of(&[]), Summary::default());
    }
}
