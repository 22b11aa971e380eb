//! A function pointer needs `Static`.

use greyset::{Static, Trace};

#[derive(Trace)]
struct Native {
    call: fn(u64) -> u64,
    fine: Static<fn(u64) -> u64>,
}

fn main() {}
