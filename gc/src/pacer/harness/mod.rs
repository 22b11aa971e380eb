//! A simulated program for the pacer: signals in, a row a cycle out.
//!
//! The scenarios and rules are those that the reference behaviour was recorded with; with them the pacer must reproduce every
//! recorded digit. It is also what `gc-bench simulate` runs. It reads no files and knows nothing of the real heap.
//!
//! The simulated machine has eight processors and works in steps of 500 µs. A cycle:
//!
//! 1. The heap grows to the trigger; the cycle starts.
//! 2. There is work to do: the heap-wide roots, then the mutators' roots ("stacks"), then the heap that will be live next.
//! 3. While work is left, a step: assists take as much of the processors as the ratio asks for, at least the background share
//!    marks, the rest allocates; the ratio is revised.
//! 4. The cycle is recorded and ends.

mod signal;

pub use signal::{Shape, Signal, Term};

use super::assist::{AssistRatio, trunc};
use super::memory_limit::MemoryUse;
use super::{CycleInputs, CycleStart, Pacer, Plan, Progress, Settings, Targets};
use crate::config::Gogc;
use std::error::Error;
use std::fmt;

/// Processors of the simulated machine.
pub const PROCESSORS: u32 = 8;
/// Nanoseconds of a step.
const STEP: u64 = 500_000;
/// Most steps of a program beyond `STEPS_PER_CYCLE` for each cycle, so that any scenario ends within seconds.
const MOST_STEPS: u64 = 5_000_000;
/// Steps that every cycle adds to those; what it does not need, later ones may.
const STEPS_PER_CYCLE: u64 = 100;
/// Bytes that a rate of 1 KiB per CPU-millisecond makes in a step on one processor.
const PER_STEP: f64 = 512.0;
/// Smallest rate.
const MIN_RATE: f64 = 1e-4;
/// Stacks are whole multiples of this, in bytes.
const STACK: u64 = 2048;
/// Memory held: the simulated heap is all there is.
const HELD: MemoryUse = MemoryUse { mapped: 0, heap_free: 0, heap_alloc: 0 };
/// Bytes that are live after the first cycle.
const FIRST_LIVE: u64 = 256 << 10;

/// What a program does, cycle by cycle.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Signals {
    /// KiB allocated per millisecond of processor time.
    pub alloc_rate: Signal,
    /// KiB scanned per millisecond of processor time.
    pub scan_rate: Signal,
    /// Live heap of this cycle as a multiple of that of the last.
    pub growth: Signal,
    /// Share of allocated bytes that needs scanning.
    pub scannable: Signal,
    /// Bytes of roots that mutators own.
    pub stacks: Signal,
}

/// A simulated program and its settings.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Growth between collections.
    pub gogc: Gogc,
    /// Soft limit in bytes.
    pub memory_limit: Option<u64>,
    /// Heap-wide roots in bytes.
    pub globals: u64,
    /// Cycles to run.
    pub cycles: u64,
    /// What it does.
    pub signals: Signals,
}

/// A scenario cannot be run.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A term has no value.
    Term {
        /// The signal.
        signal: &'static str,
        /// The term, from 1.
        term: usize,
        /// What is wrong and what is right.
        problem: &'static str,
    },
    /// A signal is infinite or not a number.
    NotFinite {
        /// The signal.
        signal: &'static str,
        /// The cycle, from 1.
        cycle: u64,
    },
    /// The scan rate is so low that a step scans nothing, and nothing is allocated either: the cycle would never end.
    Stalled {
        /// The cycle, from 1.
        cycle: u64,
    },
    /// A cycle has so much work, or those before it had, that the simulation would take too long.
    Endless {
        /// The cycle, from 1.
        cycle: u64,
        /// Bytes to scan in it.
        work: u64,
        /// Bytes scanned when it was given up.
        done: u64,
    },
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScenarioError::Term { signal, term, problem } => {
                write!(f, "signal {signal}, term {term}: {problem}")
            }
            ScenarioError::NotFinite { signal, cycle } => {
                write!(f, "signal {signal} has no finite value in cycle {cycle}")
            }
            ScenarioError::Stalled { cycle } => {
                write!(f, "nothing is scanned in a step of cycle {cycle}: raise signal scan_rate")
            }
            ScenarioError::Endless { cycle, work, done } => {
                write!(
                    f,
                    "cycle {cycle} does not end in time: {done} of {work} bytes are scanned, and no simulated steps are \
                     left; raise signal scan_rate, or lower globals, stacks, growth or scannable"
                )
            }
        }
    }
}

impl Error for ScenarioError {}

/// A recorded cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Row {
    /// Number of the cycle, from 1.
    pub cycle: u64,
    /// Share of all processors that collection took, 0 to 1.
    pub utilization: f64,
    /// Live heap in bytes when it began to grow.
    pub marked: u64,
    /// Heap in bytes when the cycle started.
    pub trigger: u64,
    /// Heap in bytes when it ended.
    pub peak: u64,
    /// The goal in bytes.
    pub goal: u64,
}

impl Row {
    /// Names of the columns, tab-separated.
    pub const HEADER: &'static str = "cycle\tutilization_pct\tmarked\ttrigger\tpeak\tgoal";
}

/// The columns of [`Row::HEADER`], tab-separated, utilization in percent with one decimal.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { cycle, utilization, marked, trigger, peak, goal } = self;
        write!(f, "{cycle}\t{:.1}\t{marked}\t{trigger}\t{peak}\t{goal}", utilization * 100.0)
    }
}

impl Scenario {
    /// The settings a scenario means: its own, on the simulated machine.
    pub fn settings(&self) -> Settings {
        Settings {
            gogc: self.gogc,
            memory_limit: self.memory_limit,
            processors: PROCESSORS,
            ..Settings::default()
        }
    }

    /// Runs it with the settings it means.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn run(&self) -> Result<Vec<Row>, ScenarioError> {
        self.run_with(self.settings())
    }

    /// Runs it with other settings. The program has [`Settings::processors`].
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn run_with(&self, settings: Settings) -> Result<Vec<Row>, ScenarioError> {
        let mut program = Program::new(settings, self.globals);
        (0..self.cycles).map(|cycle| program.cycle(cycle, &Rates::of(&self.signals, cycle)?)).collect()
    }
}

/// The signals of one cycle, within their bounds.
#[derive(Clone, Copy, Debug)]
struct Rates {
    alloc: f64,
    scan: f64,
    growth: f64,
    scannable: f64,
    stacks: u64,
}

impl Rates {
    fn of(signals: &Signals, cycle: u64) -> Result<Rates, ScenarioError> {
        Ok(Rates {
            alloc: signals.alloc_rate.at(cycle, "alloc_rate")?.max(MIN_RATE),
            scan: signals.scan_rate.at(cycle, "scan_rate")?.max(MIN_RATE),
            growth: signals.growth.at(cycle, "growth")?.max(MIN_RATE),
            scannable: signals.scannable.at(cycle, "scannable")?.clamp(0.0, 1.0),
            stacks: trunc(signals.stacks.at(cycle, "stacks")?) / STACK * STACK,
        })
    }
}

/// What a step does.
struct Step {
    scanned: u64,
    allocated: u64,
    /// Nanoseconds of wall time.
    elapsed: u64,
    /// Share of the processors that marks.
    utilization: f64,
}

impl Step {
    /// A step in which allocations owe `ratio` and `left` bytes of work are left.
    fn new(rates: &Rates, ratio: f64, left: u64, processors: f64, background: f64) -> Step {
        let wanted = ratio * rates.alloc / (ratio * rates.alloc + rates.scan);
        let utilization = if wanted > background { wanted } else { background };
        let scan = rates.scan * PER_STEP * processors * utilization;
        let scanned = trunc(scan);
        if left < scanned {
            let elapsed = trunc(STEP as f64 * left as f64 / scan);
            let alloc = rates.alloc * PER_STEP * elapsed as f64 / STEP as f64;
            let allocated = trunc(alloc * processors * (1.0 - utilization));
            Step { scanned: left, allocated, elapsed, utilization }
        } else {
            let allocated = trunc(rates.alloc * PER_STEP * processors * (1.0 - utilization));
            Step { scanned, allocated, elapsed: STEP, utilization }
        }
    }
}

/// How long marking took, in nanoseconds.
#[derive(Clone, Copy, Default)]
struct Took {
    /// Wall time.
    wall: u64,
    /// Processor time beyond the background share.
    assist_time: u64,
}

/// The state of a simulated program.
struct Program {
    pacer: Pacer,
    targets: Targets,
    globals: u64,
    live: u64,
    scannable: u64,
    /// Bytes allocated black in the last cycle.
    black: u64,
    steps_left: u64,
}

impl Program {
    fn new(settings: Settings, globals: u64) -> Program {
        let pacer = Pacer::new(settings);
        let targets = pacer.targets(&HELD);
        Program { pacer, targets, globals, live: 0, scannable: 0, black: 0, steps_left: MOST_STEPS }
    }

    /// Runs a cycle, counted from 0.
    fn cycle(&mut self, cycle: u64, rates: &Rates) -> Result<Row, ScenarioError> {
        let marked = self.pacer.marked();
        let plan = self.start(marked, rates);
        let trigger = self.live;

        let next_live = match cycle {
            0 => FIRST_LIVE,
            _ => trunc(rates.growth * marked.saturating_sub(self.black) as f64),
        };
        let heap_work = trunc(rates.scannable * next_live as f64);
        let work = self.globals.saturating_add(rates.stacks).saturating_add(heap_work);
        self.steps_left += STEPS_PER_CYCLE;
        let took = self.mark(rates, plan.assist, work, cycle + 1)?;

        let goal = self.pacer.targets(&HELD).goal;
        let peak = self.live;
        self.pacer.pass(took.wall);
        self.black = peak - trigger;
        let ended = self.pacer.end_cycle(&CycleInputs {
            live: peak,
            marked: next_live.saturating_add(self.black),
            heap_work,
            mutator_root_work: rates.stacks,
            heap_root_work: self.globals,
            wall: took.wall,
            assist_time: took.assist_time,
            idle_time: 0,
            in_use: peak,
            swept: false,
            asked: false,
            memory: HELD,
        });
        self.targets = ended.targets;
        self.live = self.pacer.marked();
        self.scannable = heap_work;
        Ok(Row { cycle: cycle + 1, utilization: ended.utilization, marked, trigger, peak, goal })
    }

    /// The heap grows to the trigger, and the cycle starts.
    fn start(&mut self, marked: u64, rates: &Rates) -> Plan {
        self.live = self.targets.trigger.max(marked);
        let per_ns = rates.alloc * PER_STEP / STEP as f64 * f64::from(self.pacer.settings().processors);
        self.pacer.pass(trunc((self.live - marked) as f64 / per_ns));
        let grown = trunc(rates.scannable * (self.live - marked) as f64);
        self.scannable = self.scannable.saturating_add(grown);
        self.pacer.start_cycle(&CycleStart {
            live: self.live,
            scannable: self.scannable,
            mutator_roots: rates.stacks,
            heap_roots: self.globals,
            memory: HELD,
        })
    }

    /// Does `work` bytes of work, step by step. `cycle` is for errors.
    fn mark(
        &mut self,
        rates: &Rates,
        assist: AssistRatio,
        work: u64,
        cycle: u64,
    ) -> Result<Took, ScenarioError> {
        let share = f64::from(self.pacer.settings().cpu_share) / 100.0;
        let processors = f64::from(self.pacer.settings().processors);
        let (mut assist, mut took, mut done) = (assist, Took::default(), 0);
        while done < work {
            if self.steps_left == 0 {
                return Err(ScenarioError::Endless { cycle, work, done });
            }
            self.steps_left -= 1;
            let step = Step::new(rates, assist.work_per_byte, work - done, processors, share);
            // A step that only allocates brings the heap nearer to its goal, and more marking with it.
            if step.scanned == 0 && step.allocated == 0 {
                return Err(ScenarioError::Stalled { cycle });
            }
            done += step.scanned;
            let assisted = trunc(step.elapsed as f64 * processors * (step.utilization - share));
            took.wall = took.wall.saturating_add(step.elapsed);
            took.assist_time = took.assist_time.saturating_add(assisted);
            self.live = self.live.saturating_add(step.allocated);
            self.scannable = self.scannable.saturating_add(trunc(step.allocated as f64 * rates.scannable));
            assist = self.pacer.revise(&Progress {
                live: self.live,
                scannable: self.scannable,
                mutator_roots: rates.stacks,
                done,
                memory: HELD,
            });
        }
        Ok(took)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        Scenario {
            name: "test".into(),
            gogc: Gogc::Percent(100),
            memory_limit: None,
            globals: 32 << 10,
            cycles: 20,
            signals: Signals {
                alloc_rate: Signal::constant(33.0),
                scan_rate: Signal::constant(1024.0),
                growth: Signal(vec![
                    Term { shape: Shape::Const(2.0), delay: 0 },
                    Term { shape: Shape::Ramp { height: -1.0, length: 12 }, delay: 0 },
                ]),
                scannable: Signal::constant(1.0),
                stacks: Signal::constant(8192.0),
            },
        }
    }

    #[test]
    fn a_row_prints_as_columns() {
        let row = Row { cycle: 3, utilization: 0.26249, marked: 1, trigger: 2, peak: 3, goal: 4 };
        assert_eq!(row.to_string(), "3\t26.2\t1\t2\t3\t4");
        assert_eq!(Row::HEADER.split('\t').count(), row.to_string().split('\t').count());
    }

    #[test]
    fn other_settings_have_their_effect() {
        let last = |settings| match scenario().run_with(settings).as_deref() {
            Ok([.., row]) => *row,
            other => panic!("{other:?}"),
        };
        let base = last(scenario().settings());
        assert!(last(Settings { gogc: Gogc::Percent(400), ..scenario().settings() }).goal > base.goal * 2);
        assert!(
            last(Settings { memory_limit: Some(base.goal / 2), ..scenario().settings() }).goal < base.goal
        );
        let shared = last(Settings { cpu_share: 50, ..scenario().settings() });
        assert!(
            shared.peak - shared.trigger < base.peak - base.trigger && shared.utilization == 0.5,
            "{shared:?}"
        );
    }

    // The rows of these tests were recorded as those of the scenarios were.

    #[test]
    fn other_processors_to_the_last_digit() {
        for (processors, recorded) in [
            (1, "20\t25.0\t20886429\t39968946\t41813817\t41813818"),
            (3, "20\t25.0\t20886431\t39968946\t41813821\t41813822"),
            (6, "20\t25.0\t20886436\t39968951\t41813831\t41813832"),
            (12, "20\t25.0\t20886441\t39968956\t41813841\t41813842"),
        ] {
            let rows = scenario().run_with(Settings { processors, ..scenario().settings() });
            let last = rows.as_deref().map(|rows| rows.last().map(Row::to_string));
            assert_eq!(last, Ok(Some(recorded.into())), "{processors}");
        }
    }

    #[test]
    fn goals_out_of_reach_to_the_last_digit() {
        let rows = |scenario: Scenario| {
            scenario.run().unwrap_or_default().iter().map(Row::to_string).collect::<Vec<_>>().join("\n")
        };
        // Nothing is expected of the first cycle, and stacks make it more than a step long.
        let mut nothing = Scenario { globals: 0, cycles: 3, ..scenario() };
        nothing.signals.stacks = Signal::constant(f64::from(16 << 20));
        nothing.signals.alloc_rate = Signal::constant(330.0);
        assert_eq!(
            rows(nothing),
            "1\t25.0\t0\t3997696\t20471296\t4194304\n\
             2\t35.6\t16735744\t40299544\t50389011\t50248704\n\
             3\t40.7\t10591909\t29835799\t38157916\t37961034"
        );
        // The fourth cycle of a heap without any limit has more work than expected.
        let limit = Some(i64::MAX as u64);
        let off = Scenario { gogc: Gogc::Off, memory_limit: limit, cycles: 5, ..scenario() };
        assert!(rows(off).ends_with(
            "4\t30.7\t1014158\t8946670875744938229\t8946670875745058297\t8946670875749132533\n\
             5\t28.3\t1732068\t8946670875744938229\t8946670875745160480\t8946670875749132533"
        ));
    }

    #[test]
    fn extremes_end_or_say_why() {
        let with = |change: fn(&mut Scenario)| {
            let mut scenario = scenario();
            change(&mut scenario);
            scenario.run()
        };
        assert_eq!(
            with(|s| s.signals.scan_rate = Signal::constant(-5.0)).map_err(|e| e.to_string()),
            Err("nothing is scanned in a step of cycle 1: raise signal scan_rate".into())
        );
        let endless = with(|s| {
            s.globals = 1 << 40;
            s.signals.scan_rate = Signal::constant(0.01);
        });
        assert!(matches!(endless, Err(ScenarioError::Endless { cycle: 1, done: 1.., .. })), "{endless:?}");
        // Each cycle would end, all of them would not.
        let slow = with(|s| {
            s.cycles = 1_000_000;
            s.globals = 1 << 30;
        });
        assert!(matches!(slow, Err(ScenarioError::Endless { cycle: 2.., .. })), "{slow:?}");
        assert!(with(|s| s.signals.growth = Signal::constant(f64::NAN)).is_err());
        assert_eq!(with(|s| s.cycles = 0), Ok(Vec::new()));
        // Nothing to scan at all; nothing expected though there is something to scan; more allocation than any goal.
        for rows in [
            with(|s| {
                (s.globals, s.signals.stacks) = (0, Signal::default());
                s.signals.scannable = Signal::default();
            }),
            with(|s| s.globals = 0),
            with(|s| s.signals.alloc_rate = Signal::constant(1e9)),
            with(|s| s.gogc = Gogc::Off),
        ] {
            let rows = rows.unwrap_or_default();
            assert_eq!(rows.len(), 20);
            assert!(
                rows.iter().all(|row| row.utilization.is_finite() && row.trigger <= row.peak),
                "{rows:?}"
            );
        }
    }
}
