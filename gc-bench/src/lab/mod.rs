//! The laboratory: the pacer's own code on programs that are described, recorded or searched through, not run.

pub mod pacers;
mod plot;
mod scenario;
pub mod simulate;
