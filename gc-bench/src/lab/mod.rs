//! The laboratory: the pacer's own code on programs that are described, recorded or searched through, not run.

pub mod budget;
mod candidates;
mod demand;
mod marking;
mod model;
mod objective;
mod pacer_runs;
pub mod pacers;
mod plot;
pub mod record;
mod recording;
pub mod replay;
mod scenario;
pub mod simulate;
pub mod tune;
