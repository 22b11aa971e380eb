//! Workloads run with both pacers in turns, each run a process of its own.

use crate::cli::check_run;
use crate::compare::metric::median;
use crate::compare::program::Program;
use crate::failure::Failure;
use crate::report::{Report, align_figures};
use crate::units;
use comfy_table::{Table, presets};

/// A figure of a report: its name, how to find it, how to write it.
type Column = (&'static str, fn(&Report) -> Option<f64>, fn(f64) -> String);

const COLUMNS: [Column; 9] = [
    ("wall", |r| Some(r.wall_s), units::seconds),
    ("CPU", |r| Some(r.cpu_s), units::seconds),
    ("of it collection", |r| Some(r.gc.as_ref()?.cpu_s() / r.cpu_s * 100.0), |share| format!("{share:.1} %")),
    ("cycles", |r| Some(r.gc.as_ref()?.cycles as f64), |n| format!("{n:.0}")),
    ("heap peak", |r| Some(r.gc.as_ref()?.peak_bytes as f64), |n| units::bytes(n as u64)),
    ("resident", |r| Some(r.max_rss_bytes as f64), |n| units::bytes(n as u64)),
    ("p99.9", |r| Some(r.op_ns?.p999 as f64), |n| units::nanos(n as u64)),
    ("p99.99", |r| Some(r.op_ns?.p9999 as f64), |n| units::nanos(n as u64)),
    ("longest", |r| Some(r.op_ns?.max as f64), |n| units::nanos(n as u64)),
];

/// The pacers, by the names that `GREYSET_PACER` knows.
const PACERS: [&str; 2] = ["reference", "greyset"];

/// The table: for each workload a row of medians for each pacer, and the medians of the ratios pair by pair.
pub(super) fn compare_runs(workloads: &[String], pairs: usize) -> Result<Table, Failure> {
    for workload in workloads {
        let wrong = |why: Failure| Failure::Usage(format!("--run {workload:?}: {why}"));
        check_run(workload.split_whitespace()).map_err(wrong)?;
    }
    let mut table = Table::new();
    let figures = COLUMNS.iter().map(|(title, ..)| *title);
    table.load_style(presets::ASCII_MARKDOWN).set_header(["workload", "pacer"].into_iter().chain(figures));
    for workload in workloads {
        let programs = PACERS.map(|pacer| program(workload, pacer));
        let [reference, greyset] = programs;
        let (reference, greyset) = (reference?, greyset?);
        let mut reports = [Vec::with_capacity(pairs), Vec::with_capacity(pairs)];
        for _ in 0..pairs {
            reports[0].push(reference.run(None)?.report);
            reports[1].push(greyset.run(None)?.report);
        }
        for (pacer, reports) in PACERS.iter().zip(&reports) {
            table.add_row([workload.clone(), (*pacer).to_owned()].into_iter().chain(medians(reports)));
        }
        table.add_row([workload.clone(), "ratio".to_owned()].into_iter().chain(ratios(&reports)));
    }
    align_figures(&mut table, 2);
    Ok(table)
}

fn program(workload: &str, pacer: &str) -> Result<Program, Failure> {
    let own = std::env::current_exe().map_err(|e| Failure::Run(format!("cannot start processes: {e}")))?;
    let own = own.to_string_lossy().into_owned();
    let mut args = vec![format!("GREYSET_PACER={pacer}"), own, "run".to_owned(), "--json".to_owned()];
    args.extend(workload.split_whitespace().map(str::to_owned));
    Ok(Program { label: format!("{workload}, {pacer}"), command: "env".into(), args })
}

fn medians(reports: &[Report]) -> Vec<String> {
    let figure = |&(_, of, show): &Column| {
        median(reports.iter().filter_map(of).collect()).map_or("–".to_owned(), show)
    };
    COLUMNS.iter().map(figure).collect()
}

fn ratios([reference, greyset]: &[Vec<Report>; 2]) -> Vec<String> {
    let figure = |&(_, of, _): &Column| {
        let pairs = greyset.iter().zip(reference).filter_map(|(a, b)| Some((of(a)?, of(b)?)));
        let ratios = pairs.filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b).collect();
        median(ratios).map_or("–".to_owned(), |ratio| format!("{ratio:.2} ×"))
    };
    COLUMNS.iter().map(figure).collect()
}
