//! Marking: from root slots and grey objects to everything they reach.
//!
//! The order of work (heap.md): pop from the stack → prefetch the object → ring → scan: for each reference test and set
//! the colour byte, push. `scan` is that loop, `worker` feeds it; it runs the same on marker threads, in assists and under the stepping
//! driver. `queue` is where grey objects change hands, `roots` walks the root table, `kernel` reads an object by its
//! shape.

mod activity;
mod counters;
mod kernel;
mod poke;
mod queue;
mod roots;
mod scan;
mod worker;

pub(crate) use kernel::type_of;
pub(crate) use queue::{DequeId, GreyQueue};
pub(crate) use roots::RootCursor;
pub(crate) use worker::{Marker, Progress};
