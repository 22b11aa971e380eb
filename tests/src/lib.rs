//! Black-box tests of greyset, by behaviour. The tests are in `tests/`; here are the documents whose code is tested, and
//! what several tests share: a shadow model of a heap, actors that hold windows open, a graph for many threads, a log of
//! drops, lists and counters (`common`).

pub mod common;
pub mod graph;
pub mod log;
pub mod random;
pub mod shadow;

/// docs/EMBEDDING.md: its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/EMBEDDING.md")]
pub mod embedding {}
