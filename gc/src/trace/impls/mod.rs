//! `Trace` for types of the standard library.
//!
//! Leaves (no references inside), containers (report their elements) and tuples. Never here: anything with interior
//! mutability over references (`Cell`, `Mutex`, …), since a change there would pass the barrier; `Slot` and `Lock` are for
//! that. Nor `Rc`, which other threads may not see.

mod compound;
mod containers;
mod leaves;

pub(crate) use leaves::{assert_leaf, describe, leaves};
