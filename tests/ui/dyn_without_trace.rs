//! A `dyn` type in a field must be `Trace`.

use greyset::{Gc, Trace};

#[derive(Trace)]
struct Shown<'gc> {
    what: Gc<'gc, dyn std::fmt::Display>,
}

fn main() {}
