//! `compare`: the workloads beside the same programs on other memory managers, in turns, on this machine.
//!
//! [`plan`] says what runs beside what, [`manager`] how each is called, [`toolchain`] builds what is installed,
//! [`program`] runs a process and reads its report, [`measure`] takes turns and divides, [`matching`] finds equal memory;
//! [`table`] and [`page`] show the result, [`targets`] what was to be shown. The peers are under `peers/`.
pub mod manager;
pub mod matching;
pub mod measure;
pub mod metric;
pub mod page;
pub mod plan;
pub mod program;
pub mod table;
pub mod targets;
pub mod toolchain;

use crate::cli::complain;
use crate::failure::Failure;
use crate::latency::Percentiles;
use crate::machine::Machine;
use crate::options::count;
use crate::output::{Output, emit};
use crate::page::date;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use manager::{Language, Manager};
use measure::{Comparison, Peer, Row, Setup};
use metric::{Figures, METRICS};
use plan::Entry;
use program::Program;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use targets::Judged;
use toolchain::{Toolchain, Unavailable};

/// Options of the command.
#[derive(clap::Args)]
pub struct Compare {
    /// The workloads; all that have peers without any.
    #[arg(value_name = "WORKLOAD", value_parser = PossibleValuesParser::new(plan::WORKLOADS))]
    workloads: Vec<String>,
    /// Smaller sizes, and programs in a row beside one run of greyset: some minutes, once the peers are built.
    #[arg(long)]
    quick: bool,
    /// Runs of each program.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(1, 1000))]
    pairs: usize,
    /// Only the peers of these languages, with commas.
    #[arg(long, value_enum, value_name = "LANGUAGE", value_delimiter = ',')]
    only: Vec<Language>,
    /// Where to write the page.
    #[arg(long, value_name = "FILE", default_value = "gc-bench-compare.html")]
    out: PathBuf,
    /// Also write the tables to FILE, as Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also write all figures to FILE, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The peers that can be run here, and why others cannot.
#[derive(Default)]
struct Peers {
    toolchains: BTreeMap<Language, Toolchain>,
    /// The collectors that were asked for, and whether the JVM has them.
    collectors: BTreeMap<&'static str, bool>,
    /// A line for each that is not installed.
    skipped: Vec<String>,
    /// Those whose building failed.
    broken: Vec<Failure>,
}

/// All that a run of the command has come to.
pub struct Results {
    /// The comparisons that could be made.
    pub comparisons: Vec<Comparison>,
    /// What was to be shown by them.
    pub targets: Vec<Judged>,
    /// How long they took, without the building.
    pub took: Duration,
    /// What a reader has to know besides the machine.
    pub facts: Vec<(&'static str, String)>,
    /// A line for each peer that is not installed.
    pub skipped: Vec<String>,
    /// Peers whose building failed.
    pub broken: Vec<Failure>,
}

impl Compare {
    /// Carries the command out.
    ///
    /// # Errors
    /// If greyset fails, a peer cannot be built, ends badly or computes something else (the others are compared
    /// nevertheless), or a result cannot be written.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let began = Instant::now();
        let plan = plan::plan(&self.workloads, self.quick);
        self.check(&plan)?;
        let (page, markdown, json) = self.outputs()?;
        if cfg!(debug_assertions) {
            complain("this is a debug build, whose figures mean little: use cargo run --release");
        }
        let ignored = program::settings().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
        if !ignored.is_empty() {
            complain(&format!("{} ignored: what is compared is as the tables say", ignored.join(", ")));
        }
        let exe =
            std::env::current_exe().map_err(|e| Failure::Run(format!("cannot find this program: {e}")))?;
        let target = exe.with_file_name("peers");
        let mut peers = self.prepare(&plan, &target)?;
        let built = began.elapsed();
        let mut comparisons = Vec::new();
        let mut failed = peers.broken.len();
        for entry in &plan {
            match self.compare(entry, &exe, &target, &mut peers) {
                Ok(comparison) => {
                    emit(&table::text(&comparison))?;
                    failed += comparison.failures.len();
                    comparisons.push(comparison);
                }
                Err(failure) => {
                    complain(&format!("{}: {failure}", entry.title()));
                    failed += 1;
                }
            }
        }
        emit(&format!("\n{}\n", table::LEGEND))?;
        let results = Results {
            targets: targets::judge(&comparisons),
            comparisons,
            took: began.elapsed() - built,
            facts: self.facts(&peers, built),
            skipped: peers.skipped,
            broken: peers.broken,
        };
        emit(&targets::text(&results.targets))?;
        write(page, &page::render(&results))?;
        if let Some(output) = markdown {
            write(output, &results.markdown())?;
        }
        if let Some(output) = json {
            write(output, &format!("{:#}\n", results.json(self.quick)))?;
        }
        match failed {
            0 => Ok(()),
            n => Err(Failure::Run(format!("{n} of the comparisons failed, see above"))),
        }
    }

    /// Nothing would be beside greyset: fails.
    fn check(&self, plan: &[Entry]) -> Result<(), Failure> {
        let mut languages = plan.iter().flat_map(|entry| &entry.managers).map(|manager| manager.language());
        if self.only.is_empty() || languages.any(|language| self.only.contains(&language)) {
            return Ok(());
        }
        let only = self.only.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let workloads = self.workloads.join(", ");
        Err(Failure::Usage(format!(
            "{workloads} has no peer in {only}: name another workload, or leave out --only"
        )))
    }

    /// The page, the tables and the figures, each a file of its own.
    fn outputs(&self) -> Result<(Output, Option<Output>, Option<Output>), Failure> {
        let page = Output::open(&self.out, None)?;
        let open = |path: &Option<PathBuf>| path.as_deref().map(|path| Output::open(path, None)).transpose();
        let (markdown, json) = (open(&self.markdown)?, open(&self.json)?);
        let same = |a: &Output, b: &Option<Output>| b.as_ref().is_some_and(|b| a.is(b));
        if same(&page, &markdown) || same(&page, &json) || markdown.as_ref().is_some_and(|a| same(a, &json)) {
            return Err(Failure::Usage("--out, --markdown and --json name one file twice".to_owned()));
        }
        Ok((page, markdown, json))
    }

    /// Builds the peers of this plan.
    fn prepare(&self, plan: &[Entry], target: &Path) -> Result<Peers, Failure> {
        let languages = plan.iter().flat_map(|entry| &entry.managers).map(|manager| manager.language());
        let languages: BTreeSet<_> =
            languages.filter(|l| self.only.is_empty() || self.only.contains(l)).collect();
        let mut peers = Peers::default();
        for language in languages {
            let bar = spinner();
            bar.set_message(format!("building the peers in {language}"));
            match Toolchain::prepare(language, target) {
                Ok(toolchain) => _ = peers.toolchains.insert(language, toolchain),
                Err(Unavailable::Missing(line)) => peers.skip(format!("skipped: {line}"))?,
                Err(Unavailable::Broken(failure)) => {
                    complain(&failure.to_string());
                    peers.broken.push(failure);
                }
            }
            bar.finish_and_clear();
        }
        Ok(peers)
    }

    /// One workload beside the peers that are there.
    fn compare(
        &self,
        entry: &Entry,
        exe: &Path,
        target: &Path,
        peers: &mut Peers,
    ) -> Result<Comparison, Failure> {
        let bar = spinner();
        let latencies = target.join(format!("latencies-{}.tsv", std::process::id()));
        let (share, probes, tries) = if self.quick { (4, 1, 4) } else { (1, 3, 8) };
        let latencies_of = entry.is_timed().then_some(latencies.as_path());
        let setup = Setup { pairs: self.pairs, share, probes, tries, latencies: latencies_of };
        let mut chosen = peers.of(entry)?;
        chosen.extend(entry.variants.iter().map(|&(option, value)| {
            let program = greyset(exe, entry.workload, &entry.varied((option, value)), 100);
            let label = format!("{}, {option} {value}", program.label);
            Peer { program: Program { label, ..program }, matched: false }
        }));
        let result = measure::compare(
            entry.title(),
            &|gogc| greyset(exe, entry.workload, entry.options, gogc),
            &chosen,
            &setup,
            &mut |what| {
                bar.set_message(format!("{}, {what}", entry.title()));
            },
        );
        // Absent where nothing was timed.
        let _ = std::fs::remove_file(&latencies);
        bar.finish_and_clear();
        result
    }

    /// What a reader has to know besides the machine.
    fn facts(&self, peers: &Peers, built: Duration) -> Vec<(&'static str, String)> {
        let versions = peers.toolchains.values().map(|toolchain| toolchain.version.clone());
        let mut facts = vec![
            ("pairs", self.pairs.to_string()),
            ("peers", versions.collect::<Vec<_>>().join(", ")),
            ("peers built in", format!("{:.0} s", built.as_secs_f64())),
        ];
        facts.extend(revision().map(|revision| ("revision", revision)));
        facts
    }
}

impl Results {
    fn markdown(&self) -> String {
        let machine = Machine::this();
        let facts = self.facts.iter().map(|(name, value)| format!("- {name}: {value}\n"));
        let skipped = self.skipped.iter().map(|line| format!("- {line}\n"));
        let notes = facts.chain(skipped).collect::<String>();
        let tables = self.comparisons.iter().map(table::markdown).collect::<String>();
        format!(
            "# greyset beside its peers\n\n- {}, {} × {}, {}; in {:.0} s\n{notes}\n{}\n{tables}{}",
            date(),
            machine.processors,
            machine.processor,
            machine.system,
            self.took.as_secs_f64(),
            table::LEGEND,
            targets::markdown(&self.targets),
        )
    }

    fn json(&self, quick: bool) -> Value {
        let facts = self.facts.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
        json!({
            "date": date(),
            "machine": Machine::this(),
            "facts": facts.collect::<Map<_, _>>(),
            "quick": quick,
            "took_s": self.took.as_secs_f64(),
            "skipped": self.skipped,
            "broken": self.broken.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "comparisons": self.comparisons.iter().map(comparison_json).collect::<Vec<_>>(),
            "targets": targets::json(&self.targets),
        })
    }
}

/// This program, running the workload itself.
fn greyset(exe: &Path, workload: &str, options: &[&str], gogc: u32) -> Program {
    let gogc = gogc.to_string();
    let args = [&["run", workload], options, &["--gogc", &gogc, "--json"]].concat();
    Program {
        label: format!("greyset, GOGC {gogc}"),
        command: exe.to_owned(),
        args: args.into_iter().map(str::to_owned).collect(),
    }
}

impl Peers {
    fn skip(&mut self, line: String) -> Result<(), Failure> {
        if self.skipped.contains(&line) {
            return Ok(());
        }
        let told = emit(&format!("{line}\n"));
        self.skipped.push(line);
        told
    }

    /// The peers of an entry that can be run.
    fn of(&mut self, entry: &Entry) -> Result<Vec<Peer>, Failure> {
        let mut found = Vec::new();
        for manager in &entry.managers {
            let Some(toolchain) = self.toolchains.get(&manager.language()) else { continue };
            if let Manager::Jvm(collector, _) = *manager
                && !*self.collectors.entry(collector).or_insert_with(|| toolchain.has_collector(collector))
            {
                let version = &toolchain.version;
                self.skip(format!(
                    "skipped: {version} has no {collector} collector (Debian's OpenJDK has all)"
                ))?;
                continue;
            }
            let program = manager.program(toolchain, entry.workload, entry.options);
            found.push(Peer { program, matched: manager.is_matched() && entry.grows() });
        }
        Ok(found)
    }
}

fn write(output: Output, text: &str) -> Result<(), Failure> {
    let path = output.write(text)?;
    emit(&format!("written: {}\n", path.display()))
}

fn comparison_json(comparison: &Comparison) -> Value {
    let figures = |figures: &Figures| {
        let named = METRICS.iter().zip(figures).filter_map(|(metric, value)| Some((metric.key, (*value)?)));
        named.map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>()
    };
    let row = |row: &Row| {
        json!({
            "program": row.label,
            "greyset_in_its_memory": row.matched,
            "figures": figures(&row.figures),
            "greyset_to_it": figures(&row.ratios),
            "runs": row.runs.iter().map(figures).collect::<Vec<_>>(),
            "op_ns_of_all_runs": row.times.as_ref().and_then(Percentiles::of),
            // Seconds since the start and resident bytes, of the last run.
            "memory": row.memory,
        })
    };
    json!({
        "title": comparison.title,
        "check": comparison.check,
        "rows": comparison.rows.iter().map(row).collect::<Vec<_>>(),
        "failed": comparison.failures.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// The commit this was built from, where that can be told.
fn revision() -> Option<String> {
    let mut git = Command::new("git");
    let asked =
        git.args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"]).output().ok()?;
    let text = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    (asked.status.success() && !text.is_empty()).then_some(text)
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
