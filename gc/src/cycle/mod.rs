//! A collection cycle, with nobody stopped.
//!
//! The collector is a passive state machine: [`Collector::step`] does one bounded piece of work and says whether there is
//! more, or whom it waits for. Background threads, the inline driver, and the stepping driver of tests call the same code.
//!
//! A cycle, numbered as in docs/PROTOCOL.md and in `collector.rs`:
//!
//! 0. Idle until the trigger is reached or somebody asks.
//! 1. Prepare: free listed roots, flip, handshake 1 (mode Both).
//! 2. Begin: handshake 2 (mode Deletion, runs recoloured).
//! 3. Mark: roots, then grey objects, by markers and assists.
//! 4. Terminate: rounds until two in a row are clean.
//! 5. Decide, under the cycle lock: Clear, or back to Mark.
//! 6. Clear: ephemerons, weak slots, finalizable objects, cleanups.
//! 7. Sweep: live colour := black, handshake 3 (mode Off, runs flushed), then sweeping until nothing is left.

mod background;
mod collector;
mod driver;
mod handshake;
mod limiting;
mod pacing;
mod phase;
mod stepper;
mod turns;

pub(crate) use collector::{Collector, Step, nothing_grey};
pub(crate) use driver::{DriverControl, drive_inline};
pub(crate) use pacing::{Pacing, cpu, processors, tables};
pub(crate) use phase::{Phase, Published, Request};
pub use stepper::{StepOutcome, Stepper};
