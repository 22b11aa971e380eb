//! `gc-bench tune`: settings that meet an objective, searched for by replay, and for a workload proven by runs.

use super::demand::Demand;
use super::model::{Changes, Cost, predict};
use super::objective::{Metric, Objective};
use super::plot::{self, Panel, Series};
use super::recording::Recording;
use super::{candidates, record};
use crate::failure::Failure;
use crate::options::{Common, Driver};
use crate::output::{Output, emit, json_line};
use crate::report::align_figures;
use crate::units;
use crate::workloads::Workload;
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Runs of a workload at most, the first one included.
const RUNS: usize = 5;
/// The variables of the settings that are tried.
const TRIED: [&str; 4] = ["GREYSET_GOGC", "GREYSET_MEMORY_LIMIT", "GREYSET_WORKERS", "GREYSET_ASSIST_MAX"];

/// Options of `tune`.
#[derive(clap::Args)]
#[command(disable_help_subcommand = true)]
pub struct Tune {
    /// A recording, of gc-bench record or Heap::record; or name a workload.
    #[arg(value_name = "RECORDING")]
    recording: Option<PathBuf>,
    #[command(subcommand)]
    workload: Option<Workload>,
    #[command(flatten)]
    common: Common,
    /// What it is to cost at most: bounds of rss, heap, cpu, wall, assist_p99, such as "rss<=300MiB, cpu<=20%".
    #[arg(long, global = true, value_name = "BOUNDS")]
    objective: Option<Objective>,
    /// Draw CPU and assists against memory into OUT.svg.
    #[arg(long, global = true, value_name = "OUT.svg")]
    plot: Option<PathBuf>,
}

/// Settings and what they cost.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Tried {
    changes: Changes,
    cost: Cost,
}

/// What was found.
struct Found {
    /// All settings with their predicted costs.
    all: Vec<Tried>,
    /// The best settings, and what they cost: as measured, or predicted where only a recording is there.
    best: Tried,
    measured: bool,
    /// Bytes of memory of the process beside its heap.
    beside: f64,
}

/// The result as `--json` prints it.
#[derive(Serialize)]
struct Tuned {
    met: bool,
    measured: bool,
    environment: String,
    code: String,
    cost: Cost,
    rss_bytes: u64,
    misses: Vec<String>,
    front: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    environment: String,
    cost: Cost,
    rss_bytes: u64,
}

impl Tune {
    /// Searches, proves, prints.
    ///
    /// # Errors
    /// [`Failure::Usage`] for options and recordings that cannot be used, [`Failure::Run`] when the objective cannot be met or
    /// a run failed.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let usage = |text: &str| Failure::Usage(text.to_owned());
        let objective = self.objective.as_ref();
        let objective =
            objective.ok_or_else(|| usage("name what to reach: --objective \"rss<=300MiB, cpu<=20%\""))?;
        self.check()?;
        let read = self.recording.as_deref().or(self.workload.as_ref().and_then(Workload::input));
        let plot = self.plot.as_deref().map(|path| Output::open(path, read)).transpose()?;
        let found = match (&self.workload, &self.recording) {
            (Some(workload), None) => self.search_by_runs(workload, objective)?,
            (None, Some(file)) => {
                search(&Recording::read(file)?, &Changes::default(), objective, 0.0, &bar(0))
            }
            _ => {
                return Err(usage(
                    "name a workload (gc-bench list shows them) or a recording, one of the two",
                ));
            }
        };
        if let Some(output) = plot {
            plot::write(output, &panels(&found))?;
        }
        emit(&if self.common.json { found.json(objective) } else { found.text(objective) })?;
        match &found.misses(objective)[..] {
            [] => Ok(()),
            misses => Err(Failure::Run(misses.join("; "))),
        }
    }

    /// What would be ignored, or would win over the settings that are tried, is refused.
    fn check(&self) -> Result<(), Failure> {
        let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
        if self.workload.is_none() {
            let plain = Common { json: self.common.json, ..Common::default() };
            return match self.common == plain {
                true => Ok(()),
                false => usage("a recording has its own settings: leave out the options of workloads"),
            };
        }
        if self.common.latencies.is_some() {
            return usage("tune makes several runs: leave out --latencies");
        }
        if self.common.driver != Driver::Background {
            return usage("only the background driver can be foretold: leave out --driver");
        }
        match TRIED.iter().find(|name| std::env::var_os(name).is_some()) {
            Some(name) => {
                Err(Failure::Usage(format!("{name} would win over the settings that are tried: unset it")))
            }
            None => Ok(()),
        }
    }

    /// Records a run, finds the best settings for it, runs with those, and so on with the new recording until the objective is
    /// met or nothing new is found.
    fn search_by_runs(&self, workload: &Workload, objective: &Objective) -> Result<Found, Failure> {
        let file = std::env::temp_dir().join(format!("gc-bench-tune-{}.tsv", std::process::id()));
        let bar = bar(RUNS as u64);
        let mut tried: Vec<Tried> = Vec::new();
        let mut changes = Changes::default();
        let mut found: Option<Found> = None;
        for _ in 0..RUNS {
            bar.set_message(format!("running with {}", candidates::environment(&changes)));
            let (recording, rss) = self.run(workload, &changes, &file)?;
            let run = Tried { changes, cost: Cost::recorded(&recording) };
            let beside = (rss as f64 - run.cost.held_bytes as f64).max(0.0);
            tried.push(run);
            let mut now = search(&recording, &changes, objective, beside, &bar);
            let better = found.as_ref().is_none_or(|found| {
                objective.worst(&run.cost, beside) < objective.worst(&found.best.cost, found.beside)
            });
            let next = now.next(objective, &tried);
            if better {
                (now.best, now.measured) = (run, true);
                found = Some(now);
            }
            bar.inc(1);
            match next {
                Some(next) if objective.worst(&run.cost, beside) > 0.0 => changes = next,
                _ => break,
            }
        }
        bar.finish_and_clear();
        found.ok_or_else(|| Failure::Run("no run was made".to_owned()))
    }

    /// The recording and the peak resident memory of a run.
    fn run(&self, workload: &Workload, changes: &Changes, file: &Path) -> Result<(Recording, u64), Failure> {
        let common = candidates::common(&self.common, changes);
        let run = record::run(workload, &common, file);
        let read = run.and_then(|(report, _)| Ok((Recording::read(file)?, report.max_rss_bytes)));
        // Only its content was of interest.
        let _ = std::fs::remove_file(file);
        read.map_err(|failure| Failure::Run(format!("{}: {failure}", workload.name())))
    }
}

/// What all candidate settings would cost a program that was recorded with `settings`.
fn search(
    recording: &Recording,
    settings: &Changes,
    objective: &Objective,
    beside: f64,
    bar: &ProgressBar,
) -> Found {
    let demand = Demand::of(recording);
    let candidates = candidates::of(recording, objective, beside);
    let mut all = Vec::with_capacity(candidates.len());
    for (n, changes) in candidates.iter().enumerate() {
        bar.set_message(format!("replaying {} of {}", n + 1, candidates.len()));
        all.push(Tried { changes: changes.or(settings), cost: predict(&demand, recording, changes) });
    }
    let best = all
        .iter()
        .copied()
        .min_by(|a, b| objective.worst(&a.cost, beside).total_cmp(&objective.worst(&b.cost, beside)));
    let best = best.unwrap_or(Tried { changes: *settings, cost: Cost::recorded(recording) });
    Found { all, best, measured: false, beside }
}

fn bar(runs: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:20} {elapsed:>4} {msg}");
    let bar = ProgressBar::new(runs);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

impl Found {
    /// The settings to run with next: the most promising ones that have not been tried.
    fn next(&self, objective: &Objective, tried: &[Tried]) -> Option<Changes> {
        let new = self.all.iter().filter(|one| tried.iter().all(|tried| tried.changes != one.changes));
        let worst = |one: &&Tried| objective.worst(&one.cost, self.beside);
        new.min_by(|a, b| worst(a).total_cmp(&worst(b))).map(|one| one.changes)
    }

    fn misses(&self, objective: &Objective) -> Vec<String> {
        objective.misses(&self.best.cost, self.beside)
    }

    fn rss(&self, cost: &Cost) -> f64 {
        Metric::Rss.of(cost, self.beside)
    }

    /// The settings that no others beat in memory, processor time and assists at once, by memory.
    fn front(&self) -> Vec<Tried> {
        let metrics = [Metric::Rss, Metric::Cpu, Metric::AssistP99];
        let beats = |a: &Tried, b: &Tried| {
            let pairs = metrics.map(|metric| (metric.of(&a.cost, 0.0), metric.of(&b.cost, 0.0)));
            pairs.iter().all(|(a, b)| a <= b) && pairs.iter().any(|(a, b)| a < b)
        };
        let unbeaten = self.all.iter().filter(|one| !self.all.iter().any(|other| beats(other, one)));
        let mut front: Vec<Tried> = unbeaten.copied().collect();
        front.sort_by_key(|one| one.cost.held_bytes);
        front.dedup_by_key(|one| one.cost);
        front
    }

    fn json(&self, objective: &Objective) -> String {
        let point = |one: &Tried| Point {
            environment: candidates::environment(&one.changes),
            cost: one.cost,
            rss_bytes: self.rss(&one.cost) as u64,
        };
        let misses = self.misses(objective);
        let tuned = Tuned {
            met: misses.is_empty(),
            measured: self.measured,
            environment: candidates::environment(&self.best.changes),
            code: candidates::code(&self.best.changes),
            cost: self.best.cost,
            rss_bytes: self.rss(&self.best.cost) as u64,
            misses,
            front: self.front().iter().map(point).collect(),
        };
        json_line(&tuned)
    }

    fn text(&self, objective: &Objective) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["settings", "rss", "cpu", "assist p99", "cycles", "meets"]);
        for one in self.front() {
            let show = |metric: Metric| metric.show(metric.of(&one.cost, self.beside));
            let meets = if objective.worst(&one.cost, self.beside) <= 0.0 { "yes" } else { "" };
            table.add_row([
                candidates::environment(&one.changes),
                show(Metric::Rss),
                show(Metric::Cpu),
                show(Metric::AssistP99),
                one.cost.cycles.to_string(),
                meets.to_owned(),
            ]);
        }
        align_figures(&mut table, 1);
        let how = if self.measured { "measured" } else { "predicted" };
        let bounds = objective.terms.iter().map(|term| {
            let value = term.metric.of(&self.best.cost, self.beside);
            format!(
                "{:<16}{} (bound {})\n",
                term.metric.name(),
                term.metric.show(value),
                term.metric.show(term.most)
            )
        });
        format!(
            "Settings that no others beat, as predicted:\n\n{table}\n\nBest, {how} ({} cycles, collection {}):\n\n{}\
             code            Heap::builder(){}\nenvironment     {}\n",
            self.best.cost.cycles,
            units::seconds(self.best.cost.collection_cpu_s()),
            bounds.collect::<String>(),
            candidates::code(&self.best.changes),
            candidates::environment(&self.best.changes),
        )
    }
}

/// CPU and assists against memory: all that was tried, the front, and the best.
fn panels(found: &Found) -> [Panel; 2] {
    const MIB: f64 = 1048576.0;
    let front = found.front();
    let panel = |title: &str, value: fn(&Cost) -> f64| {
        let points = |tried: &[Tried]| {
            tried.iter().map(|one| (found.rss(&one.cost) / MIB, value(&one.cost))).collect()
        };
        let series =
            |name: &str, dots, tried: &[Tried]| Series { name: name.into(), dots, points: points(tried) };
        Panel {
            title: title.to_owned(),
            x: "memory, MiB",
            series: vec![
                series("not beaten", false, &front),
                series("tried", true, &found.all),
                series("best", true, &[found.best]),
            ],
        }
    };
    [
        panel("collection, % of processor time", Cost::cpu_percent),
        panel("99th percentile of assists, µs", |cost| cost.assist_p99_ns as f64 / 1e3),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::steady;
    use super::*;

    fn found(objective: &str) -> (Found, Objective) {
        let objective: Objective = objective.parse().expect("an objective");
        let recording = Recording::parsed(&steady(50));
        let found = search(&recording, &Changes::default(), &objective, 0.0, &ProgressBar::hidden());
        (found, objective)
    }

    #[test]
    fn settings_are_found_that_meet_the_objective() {
        // As recorded it is 20 % at 10 MiB.
        let (found, objective) = found("cpu<=12%, rss<=24MiB");
        assert!(found.misses(&objective).is_empty(), "{}", found.text(&objective));
        assert!(found.best.cost.cpu_percent() < 12.0 && found.best.changes != Changes::default());
        let text = found.text(&objective);
        assert!(
            text.contains("environment     GREYSET_GOGC=") && text.contains("Heap::builder().gogc"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&found.json(&objective)).expect("JSON");
        assert_eq!((&json["met"], &json["measured"]), (&true.into(), &false.into()));
    }

    #[test]
    fn the_front_has_no_settings_that_others_beat() {
        let (found, _) = found("cpu<=12%");
        let front = found.front();
        assert!(front.len() > 3, "{}", front.len());
        for pair in front.windows(2) {
            assert!(pair[0].cost.held_bytes <= pair[1].cost.held_bytes);
            assert!(
                pair[0].cost.cpu_percent() >= pair[1].cost.cpu_percent()
                    || pair[1].cost.assist_p99_ns < pair[0].cost.assist_p99_ns
            );
        }
    }

    #[test]
    fn what_cannot_be_met_is_told_with_how_much_it_is_missed_by() {
        let (found, objective) = found("cpu<=1%, rss<=8MiB");
        let misses = found.misses(&objective);
        assert!(
            !misses.is_empty() && misses[0].contains(" cannot be met: ") && misses[0].ends_with(" % above"),
            "{misses:?}"
        );
    }

    #[test]
    fn to_collect_never_holds_all_that_was_allocated() {
        // 453.5 MiB of garbage are no way to stay below 8 MiB, although no cycle has seen them.
        let (found, objective) = found("cpu<=1%, rss<=8MiB");
        assert!(found.best.cost.held_bytes > 0 && objective.worst(&found.best.cost, 0.0) > 0.0);
        assert!(found.all.iter().all(|tried| tried.cost.held_bytes >= 1 << 20));
    }

    #[test]
    fn what_has_been_tried_is_not_tried_again() {
        let (found, objective) = found("cpu<=12%, rss<=24MiB");
        let next = found.next(&objective, &[]).expect("settings");
        assert_eq!(next, found.best.changes);
        assert_ne!(found.next(&objective, &[found.best]), Some(next));
        assert_eq!(found.next(&objective, &found.all), None);
    }
}
