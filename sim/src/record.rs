//! Replay files: a program, a fault, and the choices that differ from the default.

use crate::program::Program;
use crate::run;
use crate::sched::{Report, Switch};
use crate::strategy::Strategy;
use greyset_sync::Fault;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::str::FromStr;

/// How schedules are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrategyName {
    /// A random walk.
    Random,
    /// Random priorities.
    Pct,
    /// Tasks held at some kinds of points.
    Hold,
    /// Every schedule with few switches.
    Exhaustive,
}

impl FromStr for StrategyName {
    type Err = String;

    fn from_str(name: &str) -> Result<StrategyName, String> {
        match name {
            "random" => Ok(StrategyName::Random),
            "pct" => Ok(StrategyName::Pct),
            "hold" => Ok(StrategyName::Hold),
            "exhaustive" => Ok(StrategyName::Exhaustive),
            _ => Err("write random, pct, hold or exhaustive".to_owned()),
        }
    }
}

/// Version of the format.
const FORMAT: u32 = 1;

/// A run that can be repeated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of the format.
    pub format: u32,
    /// The seed it came from.
    pub seed: u64,
    /// Name of the broken rule.
    pub fault: Option<String>,
    /// How it failed; empty if it passed.
    pub failure: String,
    /// What the mutators do.
    pub program: Program,
    /// The choices that differ from the default.
    pub switches: Vec<Switch>,
}

impl Record {
    /// Of a run.
    pub fn new(seed: u64, fault: Option<Fault>, program: Program, report: &Report) -> Record {
        Record {
            format: FORMAT,
            seed,
            fault: fault.map(|fault| fault.name().to_owned()),
            failure: report.failure.clone().unwrap_or_default(),
            program,
            switches: report.switches.clone(),
        }
    }

    /// From JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Record, String> {
        let record: Record = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if record.format != FORMAT {
            return Err(format!("format {} is not {FORMAT}, the one this gc-sim reads", record.format));
        }
        record.fault()?;
        record.program.check()?;
        Ok(record)
    }

    /// From a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load(file: &Path) -> Result<Record, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Record::parse(&text).map_err(|error| format!("{}: no replay file: {error}", file.display()))
    }

    /// To a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, self.to_json()).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The broken rule.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn fault(&self) -> Result<Option<Fault>, String> {
        let Some(name) = &self.fault else { return Ok(None) };
        let found = Fault::ALL.iter().find(|fault| fault.name() == name);
        found.copied().map(Some).ok_or_else(|| format!("no fault is called {name}"))
    }

    /// Operations of all mutators.
    pub fn operations(&self) -> usize {
        self.program.mutators.iter().map(Vec::len).sum()
    }

    /// Repeats it, on a thread of its own, and keeps the story.
    pub fn replay(&self) -> Report {
        self.repeat(true)
    }

    /// Repeats it, on a thread of its own.
    pub fn repeat(&self, story: bool) -> Report {
        self.repeat_within(story, run::LIMIT)
    }

    /// As [`Record::repeat`]; a run of more than `limit` steps counts as stuck.
    pub fn repeat_within(&self, story: bool, limit: u64) -> Report {
        let fault = self.fault().ok().flatten();
        on_a_thread(|| run::run_within(&self.program, Strategy::replay(&self.switches), fault, story, limit))
    }
}

/// Runs `f` on a thread of its own: a run that fails leaves its thread unusable.
pub fn on_a_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| match scope.spawn(f).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
