//! The result of a run: the JSON object scripts read, and the text people read.
use crate::bench::{Outcome, Span};
use crate::latency::{self, Percentiles};
use crate::machine;
use crate::units;
use crate::workloads::pairs;
use comfy_table::{CellAlignment, Table};
use greyset::Stats;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write;

/// Sets the columns behind the first `names` to the right: they hold figures.
pub(crate) fn align_figures(table: &mut Table, names: usize) {
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// A goal this far away is none: growth is off, and no limit is set.
const NO_GOAL: u64 = 1 << 60;

/// One run. Fields that have no meaning for it are absent from the JSON.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Name of the workload.
    pub workload: String,
    /// Its parameters and the common options, and the `GREYSET_…` variables, which win over them.
    pub params: Map<String, Value>,
    /// Time on the clock, in seconds.
    pub wall_s: f64,
    /// CPU time of all threads of the process, in seconds.
    pub cpu_s: f64,
    /// Operations done.
    pub ops: u64,
    /// Operations a second.
    pub ops_per_s: f64,
    /// Peak resident memory of the process.
    pub max_rss_bytes: u64,
    /// What was computed and found right.
    pub check: String,
    /// Work of the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc: Option<GcReport>,
    /// CPU time of safepoints that had something to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safepoint_ns: Option<Percentiles>,
    /// Time of single operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op_ns: Option<Percentiles>,
    /// Operations that took longer than a millisecond, where all were looked at.
    #[serde(skip)]
    pub ops_over_1ms: Option<u64>,
}

/// The collector's work in the measured span; sizes are those at its end. Read back, what a peer does not tell is 0.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct GcReport {
    /// Cycles completed.
    pub cycles: u64,
    /// CPU time of marker threads, that on idle processors included.
    pub mark_cpu_s: f64,
    /// CPU time mutators spent marking.
    pub assist_cpu_s: f64,
    /// CPU time of sweeping.
    pub sweep_cpu_s: f64,
    /// Heap size at which the current cycle should be done.
    pub goal_bytes: u64,
    /// Bytes the last cycle found alive.
    pub live_bytes: u64,
    /// Largest heap so far.
    pub peak_bytes: u64,
    /// Objects marked.
    pub marked_objects: u64,
    /// CPU time of marking, assists included, for each object marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_per_marked_object: Option<f64>,
}

impl GcReport {
    /// CPU time of all the collector's work, on whatever thread.
    pub fn cpu_s(&self) -> f64 {
        self.mark_cpu_s + self.assist_cpu_s + self.sweep_cpu_s
    }

    fn of(before: &Stats, after: &Stats) -> GcReport {
        let (from, to) = (before.cpu, after.cpu);
        let mark = (to.mark + to.idle).saturating_sub(from.mark + from.idle);
        let assist = to.assist.saturating_sub(from.assist);
        let marked = after.marked_objects.saturating_sub(before.marked_objects);
        GcReport {
            cycles: after.cycles - before.cycles,
            mark_cpu_s: mark.as_secs_f64(),
            assist_cpu_s: assist.as_secs_f64(),
            sweep_cpu_s: to.sweep.saturating_sub(from.sweep).as_secs_f64(),
            goal_bytes: after.goal_bytes,
            live_bytes: after.live_bytes,
            peak_bytes: after.peak_bytes,
            marked_objects: marked,
            // Whole collections that a mutator makes under the inline driver have no CPU time of their own.
            ns_per_marked_object: (marked > 0 && !(mark + assist).is_zero())
                .then(|| (mark + assist).as_nanos() as f64 / marked as f64),
        }
    }
}

/// The safepoint answers of a heap, if it has given any.
fn safepoints(stats: &Stats) -> Option<Percentiles> {
    let s = &stats.safepoints;
    let count = s.count();
    (count > 0).then(|| Percentiles {
        count,
        p50: s.p50(),
        p99: s.p99(),
        p999: s.p999(),
        p9999: s.p9999(),
        max: s.max(),
    })
}

impl Report {
    /// The report of a run on a greyset heap.
    pub fn new(workload: &str, params: Map<String, Value>, span: &Span, outcome: &Outcome) -> Report {
        Report {
            gc: Some(GcReport::of(&span.before, &span.after)),
            safepoint_ns: safepoints(&span.after),
            ..Report::without_heap(workload, params, span.wall.as_secs_f64(), span.cpu.as_secs_f64(), outcome)
        }
    }

    /// The report of a peer that has no collector.
    pub fn without_heap(
        workload: &str,
        params: Map<String, Value>,
        wall_s: f64,
        cpu_s: f64,
        outcome: &Outcome,
    ) -> Report {
        Report {
            workload: workload.to_owned(),
            params,
            wall_s,
            cpu_s,
            ops: outcome.ops,
            ops_per_s: if wall_s > 0.0 { outcome.ops as f64 / wall_s } else { 0.0 },
            max_rss_bytes: machine::peak_rss(),
            check: outcome.check.clone(),
            gc: None,
            safepoint_ns: None,
            op_ns: outcome.op_times.as_ref().and_then(Percentiles::of),
            ops_over_1ms: outcome.op_times.as_ref().map(latency::over_1ms),
        }
    }

    /// The JSON object, on one line.
    pub fn json(&self) -> String {
        // Strings, numbers and maps with string keys: there is nothing serde_json could refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The report as text, with the figures of the workload itself.
    pub fn text(&self, notes: &[String]) -> String {
        let mut out = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{name:<16}{value}");
        };
        row("workload", format!("{}  {}", self.workload, pairs(&self.params)));
        row("time", format!("{} wall, {} CPU", units::seconds(self.wall_s), units::seconds(self.cpu_s)));
        row("operations", format!("{}, {}/s", units::count(self.ops as f64), units::count(self.ops_per_s)));
        for note in notes {
            row("", note.clone());
        }
        row("peak resident", units::bytes(self.max_rss_bytes));
        if let Some(gc) = &self.gc {
            row("cycles", gc.cycles.to_string());
            row("collector CPU", gc.cpu_text());
            row("heap", gc.heap_text());
            if let Some(ns) = gc.ns_per_marked_object {
                row(
                    "marking",
                    format!("{ns:.1} ns an object, {} objects", units::count(gc.marked_objects as f64)),
                );
            }
        }
        if let Some(p) = &self.safepoint_ns {
            row("safepoints", percentiles_text(p));
        }
        if let Some(p) = &self.op_ns {
            row("operation time", percentiles_text(p));
        }
        row("check", format!("ok: {}", self.check));
        out
    }
}

impl GcReport {
    fn cpu_text(&self) -> String {
        let [mark, assist, sweep] =
            [self.mark_cpu_s, self.assist_cpu_s, self.sweep_cpu_s].map(units::seconds);
        format!("mark {mark}, assist {assist}, sweep {sweep}")
    }

    fn heap_text(&self) -> String {
        let [live, goal, peak] = [self.live_bytes, self.goal_bytes, self.peak_bytes].map(units::bytes);
        let goal = if self.goal_bytes < NO_GOAL { goal } else { "none".to_owned() };
        format!("live {live}, goal {goal}, peak {peak}")
    }
}

fn percentiles_text(p: &Percentiles) -> String {
    let [p50, p99, p999, p9999, max] = [p.p50, p.p99, p.p999, p.p9999, p.max].map(units::nanos);
    let count = units::count(p.count as f64);
    format!("p50 {p50}, p99 {p99}, p99.9 {p999}, p99.99 {p9999}, max {max} ({count})")
}
