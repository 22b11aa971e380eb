//! The tour: every workload for a few seconds, a table of the results, and the report page.
use crate::bench::{Bench, Outcome};
use crate::failure::Failure;
use crate::machine;
use crate::options::{Common, duration};
use crate::output::{Output, emit};
use crate::page;
use crate::report::{Report, align_figures};
use crate::sampler::{Sample, Sampler};
use crate::units;
use crate::workloads::{Workload, alloc, binary_trees, churn, gcbench, graph, json, pairs, queue};
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks at the heap.
const SAMPLE_EVERY: Duration = Duration::from_millis(5);

/// Options of the tour.
#[derive(clap::Args, Clone, Debug)]
pub struct TourOptions {
    /// Seconds for the whole tour; preparing and checking may add some.
    // An id of its own: it is not the `--seconds` of a workload.
    #[arg(id = "tour_seconds", long = "seconds", value_name = "S", default_value = "60", value_parser = duration)]
    pub seconds: Duration,
    /// Where to write the report page.
    #[arg(long, value_name = "FILE", default_value = "gc-bench-report.html")]
    pub output: PathBuf,
}

/// A stop of the tour, done: all that the table and the page show.
pub struct Stop {
    /// The workload's own parameters, as `name=value` pairs.
    pub parameters: String,
    /// The result.
    pub report: Report,
    /// What the workload handed back.
    pub outcome: Outcome,
    /// The heap over time.
    pub samples: Vec<Sample>,
}

/// The workloads of the tour, each with its share of the time.
fn plan() -> Vec<(Workload, u32)> {
    vec![
        (Workload::BinaryTrees(binary_trees::Params { depth: 20, step: 2 }), 8),
        (Workload::Gcbench(gcbench::Params {}), 6),
        (
            Workload::Graph(graph::Params {
                objects: 2_000_000,
                order: graph::Order::Random,
                collections: None,
            }),
            8,
        ),
        (Workload::Queue(queue::Params { window: 200_000, pushes: None, size: 1024 }), 10),
        (Workload::Churn(churn::Params { live: 256 << 20, ops: None }), 14),
        (Workload::Alloc(alloc::Params { size: 64, keep: 0, ops: None }), 4),
        (Workload::Json(json::Params { file: None, rounds: None }), 6),
    ]
}

/// Takes the tour. A workload that fails does not end it, but the last such failure is returned at the end.
pub fn run(options: &TourOptions) -> Result<(), Failure> {
    let (began, output) = (Instant::now(), Output::open(&options.output, None)?);
    let mut stops = Vec::new();
    let mut failed = None;
    let mut plan = plan();
    plan.reverse();
    while let Some((workload, weight)) = plan.pop() {
        let weights: u32 = weight + plan.iter().map(|(_, weight)| weight).sum::<u32>();
        let left = options.seconds.saturating_sub(began.elapsed());
        match visit(&workload, left * weight / weights) {
            Ok(stop) => stops.push(stop),
            Err(failure) => {
                emit(&format!("{}: {failure}\n", workload.name()))?;
                failed = Some(failure);
            }
        }
    }
    emit(&table(&stops))?;
    let path = output.write(&page::render(&stops, began.elapsed()))?;
    emit(&format!("\nreport: {}\n", path.display()))?;
    failed.map_or(Ok(()), Err)
}

/// Runs one workload for about this long, watching its heap.
fn visit(workload: &Workload, time: Duration) -> Result<Stop, Failure> {
    let common = Common { seconds: Some(time.max(Duration::from_millis(200))), ..Common::default() };
    machine::reset_peak_rss();
    let mut bench = Bench::new(&common)?;
    let bar = bar(workload.name(), time);
    let shown = bar.clone();
    let sampler = Sampler::start(bench.heap().clone(), SAMPLE_EVERY, move |sample| {
        shown.set_position((sample.at_s * 1000.0) as u64);
        shown.set_message(sample.words());
    });
    let result = workload.report_on(&mut bench, &common);
    let samples = sampler.finish();
    bar.finish_with_message(match &result {
        Ok((report, _)) => format!("{} operations/s", units::count(report.ops_per_s)),
        Err(_) => "failed".to_owned(),
    });
    let (report, outcome) = result?;
    if !std::io::stderr().is_terminal() {
        emit(&format!("{}: done in {}\n", report.workload, units::seconds(report.wall_s)))?;
    }
    Ok(Stop { parameters: pairs(&workload.parameters()), report, outcome, samples })
}

fn bar(name: &'static str, time: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>13} {bar:32} {elapsed:>4} {msg}");
    let bar = ProgressBar::new(time.as_millis() as u64).with_prefix(name);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

/// The results, one row a workload.
fn table(stops: &[Stop]) -> String {
    let header = [
        "workload",
        "operations/s",
        "time",
        "CPU",
        "GC CPU",
        "peak resident",
        "cycles",
        "op p50",
        "op p99.99",
        "op max",
    ];
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    for stop in stops {
        table.add_row(row(&stop.report));
    }
    align_figures(&mut table, 1);
    format!("\n{table}\n")
}

fn row(report: &Report) -> [String; 10] {
    let gc = report.gc.clone().unwrap_or_default();
    let op = |value: fn(&crate::latency::Percentiles) -> u64| {
        report.op_ns.as_ref().map_or_else(|| "–".to_owned(), |p| units::nanos(value(p)))
    };
    [
        report.workload.clone(),
        units::count(report.ops_per_s),
        units::seconds(report.wall_s),
        units::seconds(report.cpu_s),
        units::seconds(gc.cpu_s()),
        units::bytes(report.max_rss_bytes),
        gc.cycles.to_string(),
        op(|p| p.p50),
        op(|p| p.p9999),
        op(|p| p.max),
    ]
}
