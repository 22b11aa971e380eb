//! Deterministic simulation of the greyset collector.
//!
//! One thread runs everything that would be a thread: collector, marker workers, sweeper, mutators, a thread that drops roots.
//! It is the code of production, behind the door of `greyset-sync`; at each choice point a strategy says who goes on. So a
//! schedule can be repeated, and shrunk to a short story.
//!
//! | part | what |
//! | --- | --- |
//! | `sched` | tasks, choice points, waiting, what was chosen |
//! | `strategy` | random walk, PCT, replay |
//! | `exhaustive` | all schedules of a tiny program with few preemptions |
//! | `program` | what mutators do |
//! | `generate`, `scenario` | programs from seeds: at random, or in the shape of known dangers |
//! | `types`, `interp` | the same on a heap |
//! | `world` | the shadow that knows what must come of it |
//! | `memory` | what their heaps lie in |
//! | `run` | one run, and what must hold at its end |
//! | `campaign` | many runs |
//! | `bytes` | a program and a schedule from bytes, for fuzzing |
//! | `trap` | signals of the processor are failures of the run |
//! | `finder` | the table of faults |
//! | `record`, `shrink`, `story` | a failure: repeated, made small, told |
//! | `output` | where that is printed |

pub mod bytes;
pub mod campaign;
pub mod exhaustive;
pub mod finder;
pub mod generate;
pub mod interp;
mod memory;
pub mod output;
pub mod program;
pub mod record;
pub mod rng;
pub mod run;
pub mod scenario;
pub mod sched;
pub mod shrink;
pub mod story;
pub mod strategy;
pub mod trap;
pub mod types;
pub mod world;
