//! What the fuzzers run: for each target a function from bytes to a panic or none.
//!
//! | target | bytes are | must hold |
//! | --- | --- | --- |
//! | `heap_ops` | operations of three mutators and collector steps (`greyset_tests::shadow::ops`) | heap and shadow model agree |
//! | `alloc_ops` | operations on the allocator alone, with failing system calls | no two objects share a byte; its own check |
//! | `pacer` | settings and what cycles measured | no NaN, no overflow; triggers up to goals; bounds |
//! | `inputs` | texts: settings, environments, JSON, Lisp | an answer or an error that says what to write; round trips |
//! | `threads` | a program in the language of `heap_ops`, and a schedule for the simulator | what the simulator checks |
//!
//! `threads` is `greyset_sim::bytes`, since the simulator is built apart. `fuzz_targets/` makes programs of these for cargo-fuzz;
//! here `cargo test` runs every file of `corpus/` through its function. `.ci/fuzz` runs the fuzzers.

pub mod alloc_ops;
pub mod inputs;
pub mod pacer;

use arbitrary::Unstructured;
use greyset_tests::shadow::{ops, rig::Rig};

/// Most operations of one run: longer ones find nothing that shorter ones do not, and take long.
const MOST: usize = 400;

/// A target: panics when something is wrong.
pub type Target = fn(&[u8]);

/// The targets that need no simulator, by name.
pub const TARGETS: [(&str, Target); 4] =
    [("heap_ops", heap_ops), ("alloc_ops", alloc_ops::run), ("pacer", pacer::run), ("inputs", inputs::run)];

/// The heap against its shadow model, stepped by hand.
///
/// # Panics
/// When they differ.
pub fn heap_ops(bytes: &[u8]) {
    let ops = ops::from_bytes(&mut Unstructured::new(bytes), MOST);
    if let Err(wrong) = Rig::new().run(&ops) {
        panic!("{wrong}\n{ops:#?}");
    }
}
