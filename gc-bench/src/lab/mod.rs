//! The laboratory: the pacer's own code on programs that are described, recorded or searched through, not run.

pub mod budget;
mod candidates;
mod demand;
pub mod limits;
mod marking;
pub mod model;
pub mod objective;
mod pacer_runs;
pub mod pacers;
mod plot;
pub mod record;
pub mod recording;
pub mod replay;
pub mod scenario;
pub mod shrink;
pub mod simulate;
pub mod tune;
