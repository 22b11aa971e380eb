//! A shadow model of a heap, and actors that run operations on the heap and on the model in lockstep.
//!
//! - `model`: what objects there are and which of them must be alive.
//! - `types`: the types of objects, and uniform access to their edges.
//! - `world`: model and handles together; what is checked after each operation, and after a whole cycle.
//! - `exec`: the operations of a mutator in a window.
//! - `walk`: reads the whole graph and compares.
//! - `actor`: a thread with a mutator, which does one operation at a time when it is told to.
//! - `rig`: who tells: runs a row of operations, between them single steps of the collector.
//!
//! Only one thread runs at a time, so a row of operations always does the same; but each actor has a window of its own open
//! as long as it is not told to leave it, whatever the collector does meanwhile.

pub mod actor;
pub mod exec;
pub mod model;
pub mod ops;
pub mod rig;
pub mod types;
mod walk;
pub mod world;
