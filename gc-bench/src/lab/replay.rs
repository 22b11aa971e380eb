//! `gc-bench replay`: a recorded program with other settings, or with its own and how far the prediction is off.

use super::demand::Demand;
use super::model::{Changes, Cost, predict};
use super::recording::Recording;
use super::simulate::Kind;
use crate::failure::Failure;
use crate::options::{count, with_gogc};
use crate::output::{emit, json_line};
use crate::report::align_figures;
use crate::units::{self, parse_size};
use comfy_table::{Table, presets};
use greyset::{ByteSize, Gogc, Heap, Limit, Period};
use serde::Serialize;
use std::path::PathBuf;

/// Options of `replay`. Without settings: those of the recording.
#[derive(clap::Args)]
pub struct Replay {
    /// The recording, of gc-bench record or Heap::record.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Heap growth in percent of the live data before the next cycle, or off.
    #[arg(long, value_name = "N|off")]
    gogc: Option<Gogc>,
    /// Soft limit, e.g. 512MiB, or off.
    #[arg(long, value_name = "SIZE|off", value_parser = limit)]
    memory_limit: Option<Limit>,
    /// Smallest heap goal at GOGC 100.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    min_heap: Option<u64>,
    /// Marker threads.
    #[arg(long, value_name = "N", value_parser = count(1, 256))]
    workers: Option<usize>,
    /// Most marking work charged to one allocation, e.g. 50us.
    #[arg(long, value_name = "TIME")]
    assist_max: Option<Period>,
    /// Whose pacer.
    #[arg(long, value_enum)]
    pacer: Option<Kind>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// A replay as `--json` prints it.
#[derive(Serialize)]
struct Replayed {
    name: String,
    recorded: Cost,
    predicted: Cost,
    /// Only with the recorded settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_pct: Option<Errors>,
}

/// Prediction against recording, in percent of what was recorded.
#[derive(Clone, Copy, Debug, Serialize)]
struct Errors {
    cycles: f64,
    collection_cpu: f64,
    wall: f64,
    peak: f64,
    held: f64,
}

impl Errors {
    fn of(recorded: &Cost, predicted: &Cost) -> Errors {
        let off = |recorded: f64, predicted: f64| match recorded {
            0.0 => 0.0,
            recorded => 100.0 * (predicted - recorded) / recorded,
        };
        Errors {
            cycles: off(recorded.cycles as f64, predicted.cycles as f64),
            collection_cpu: off(recorded.collection_cpu_s(), predicted.collection_cpu_s()),
            wall: off(recorded.wall_s, predicted.wall_s),
            peak: off(recorded.peak_bytes as f64, predicted.peak_bytes as f64),
            held: off(recorded.held_bytes as f64, predicted.held_bytes as f64),
        }
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    match text {
        "off" => Ok(Limit::Off),
        size => {
            parse_size(size).map(|bytes| Limit::Bytes(ByteSize::new(bytes))).map_err(|why| why + ", nor off")
        }
    }
}

impl Replay {
    fn changes(&self) -> Changes {
        Changes {
            gogc: self.gogc,
            memory_limit: self.memory_limit,
            min_heap: self.min_heap,
            workers: self.workers.map(|n| n as u64),
            cpu_share: None,
            assist_max_ns: self.assist_max.map(|time| time.duration().as_nanos() as u64),
            pacer: self.pacer,
        }
    }

    /// Settings that no heap takes have no answer: fails in the heap's own words.
    fn check(&self) -> Result<(), Failure> {
        let mut builder = Heap::builder();
        if let Some(gogc) = self.gogc {
            builder = with_gogc(builder, gogc);
        }
        if let Some(bytes) = self.memory_limit.and_then(Limit::bytes) {
            builder = builder.memory_limit(bytes);
        }
        if let Some(bytes) = self.min_heap {
            builder = builder.min_heap(bytes);
        }
        if let Some(time) = self.assist_max {
            builder = builder.assist_max(time.duration());
        }
        // The environment is that of another program.
        builder.check_in([]).map_err(|e| Failure::Usage(e.to_string()))
    }

    /// Reads, predicts, prints.
    ///
    /// # Errors
    /// [`Failure::Usage`] for settings that no heap takes and a recording that cannot be replayed.
    pub fn carry_out(&self) -> Result<(), Failure> {
        self.check()?;
        let recording = Recording::read(&self.file)?;
        let changes = self.changes();
        let recorded = Cost::recorded(&recording);
        let predicted = predict(&Demand::of(&recording), &recording, &changes);
        let same = changes == Changes::default();
        let error_pct = same.then(|| Errors::of(&recorded, &predicted));
        if self.json {
            let replayed = Replayed { name: recording.name, recorded, predicted, error_pct };
            emit(&json_line(&replayed))
        } else {
            emit(&table(&recorded, &predicted, error_pct.as_ref()))
        }
    }
}

/// What a recorded run has cost, and what it would have by the model, with the settings that were recorded.
pub fn as_recorded(recording: &Recording) -> (Cost, Cost) {
    let predicted = predict(&Demand::of(recording), recording, &Changes::default());
    (Cost::recorded(recording), predicted)
}

fn table(recorded: &Cost, predicted: &Cost, errors: Option<&Errors>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "",
        "cycles",
        "collection CPU",
        "of all CPU",
        "mark",
        "assist",
        "sweep",
        "wall",
        "peak",
        "held",
    ]);
    for (name, cost) in [("recorded", recorded), ("predicted", predicted)] {
        table.add_row([
            name.to_owned(),
            cost.cycles.to_string(),
            units::seconds(cost.collection_cpu_s()),
            format!("{:.1} %", cost.cpu_percent()),
            units::seconds(cost.mark_cpu_s),
            units::seconds(cost.assist_cpu_s),
            units::seconds(cost.sweep_cpu_s),
            units::seconds(cost.wall_s),
            units::bytes(cost.peak_bytes),
            units::bytes(cost.held_bytes),
        ]);
    }
    if let Some(Errors { cycles, collection_cpu, wall, peak, held }) = errors {
        let percent = |off: &f64| format!("{off:+.1} %");
        let none = String::new;
        table.add_row([
            "error".to_owned(),
            percent(cycles),
            percent(collection_cpu),
            none(),
            none(),
            none(),
            none(),
            percent(wall),
            percent(peak),
            percent(held),
        ]);
    }
    align_figures(&mut table, 1);
    format!("{table}\n")
}
