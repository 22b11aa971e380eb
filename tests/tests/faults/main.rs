//! What goes wrong outside of the heap, on purpose: the system refuses, programs panic, threads die or never answer. Each ends as
//! an error value or a clear report, nothing is lost, and the heap is usable afterwards. docs/TESTING.md has the table.
//!
//! "The n-th" is tried for n from 1 on until the scenario passes without a failure.

mod heaps;
mod panics;
mod system;
mod threads;
