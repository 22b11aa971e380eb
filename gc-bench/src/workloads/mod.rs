//! The workloads, one a file. Each prepares its data, does its work in the measured span, and proves the result right.
pub mod alloc;
pub mod binary_trees;
pub mod churn;
pub mod gcbench;
pub mod graph;
pub mod heaps;
pub mod json;
pub mod queue;
pub mod swaps;

use crate::bench::{Bench, Outcome};
use crate::failure::Failure;
use crate::options::Common;
use crate::report::Report;
use serde_json::{Map, Value};
use std::path::Path;

/// A workload with its parameters.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Workload {
    /// Many short-lived trees beside one long-lived one (the Benchmarks Game program).
    BinaryTrees(binary_trees::Params),
    /// GCBench of Ellis, Kovac and Boehm: trees made top-down and bottom-up beside a long-lived tree and array.
    Gcbench(gcbench::Params),
    /// Whole collections of one big graph: the cost of marking an object.
    Graph(graph::Params),
    /// A ring of messages; each push allocates one and drops the oldest: latency of every push.
    Queue(queue::Params),
    /// Small trees made, read, dropped and replaced in a large live heap: latency of every operation.
    Churn(churn::Params),
    /// Time of one allocation.
    Alloc(alloc::Params),
    /// A JSON document parsed into the heap, indexed, edited and written back.
    Json(json::Params),
    /// References that change places while the collector is idle: the cost of the barriers.
    Swaps(swaps::Params),
    /// Heaps made and dropped, beside threads started and waited for.
    Heaps(heaps::Params),
}

impl Workload {
    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Workload::BinaryTrees(_) => "binary-trees",
            Workload::Gcbench(_) => "gcbench",
            Workload::Graph(_) => "graph",
            Workload::Queue(_) => "queue",
            Workload::Churn(_) => "churn",
            Workload::Alloc(_) => "alloc",
            Workload::Json(_) => "json",
            Workload::Swaps(_) => "swaps",
            Workload::Heaps(_) => "heaps",
        }
    }

    /// Does it time single operations?
    pub fn times_operations(&self) -> bool {
        matches!(self, Workload::Queue(_) | Workload::Churn(_) | Workload::Json(_) | Workload::Heaps(_))
    }

    /// The file it reads, if it does.
    pub fn input(&self) -> Option<&Path> {
        match self {
            Workload::Json(params) => params.file.as_deref().map(Path::new),
            _ => None,
        }
    }

    /// Does the work on a bench.
    pub fn run_on(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        match self {
            Workload::BinaryTrees(params) => params.run(bench),
            Workload::Gcbench(params) => params.run(bench),
            Workload::Graph(params) => params.run(bench),
            Workload::Queue(params) => params.run(bench),
            Workload::Churn(params) => params.run(bench),
            Workload::Alloc(params) => params.run(bench),
            Workload::Json(params) => params.run(bench),
            Workload::Swaps(params) => params.run(bench),
            Workload::Heaps(params) => params.run(bench),
        }
    }

    /// Does the work on a fresh heap and reports on it. `bench` may watch the heap meanwhile.
    pub fn report_on(&self, bench: &mut Bench, common: &Common) -> Result<(Report, Outcome), Failure> {
        let outcome = self.run_on(bench)?;
        let report = Report::new(self.name(), self.settings(common), &bench.span(), &outcome);
        Ok((report, outcome))
    }

    /// The parameters of the workload itself.
    pub fn parameters(&self) -> Map<String, Value> {
        object(match self {
            Workload::BinaryTrees(params) => serde_json::to_value(params),
            Workload::Gcbench(params) => serde_json::to_value(params),
            Workload::Graph(params) => serde_json::to_value(params),
            Workload::Queue(params) => serde_json::to_value(params),
            Workload::Churn(params) => serde_json::to_value(params),
            Workload::Alloc(params) => serde_json::to_value(params),
            Workload::Json(params) => serde_json::to_value(params),
            Workload::Swaps(params) => serde_json::to_value(params),
            Workload::Heaps(params) => serde_json::to_value(params),
        })
    }

    /// The parameters and the common options as they are given, and the variables that win over them.
    pub fn settings(&self, common: &Common) -> Map<String, Value> {
        let mut settings = self.parameters();
        settings.extend(object(serde_json::to_value(common)));
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with("GREYSET_")).collect();
        ours.sort();
        settings.extend(ours.into_iter().map(|(name, value)| (name, value.to_string_lossy().into())));
        settings
    }
}

/// A serialized struct; there is nothing in options and parameters that could not be one.
pub fn object(value: serde_json::Result<Value>) -> Map<String, Value> {
    match value {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Parameters as `name=value` pairs; switches that are off are left out.
pub fn pairs(parameters: &Map<String, Value>) -> String {
    let shown = parameters.iter().filter(|(_, value)| **value != Value::Bool(false));
    let shown = shown.map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}
