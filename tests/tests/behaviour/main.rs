//! Behaviour of whole heaps: many of them, their ends, panics, limits, statistics.

mod common;
mod finalizers;
mod trace_panics;
