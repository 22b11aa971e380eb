//! A parameter may be anything, so it cannot be skipped.

use greyset::Trace;

#[derive(Trace)]
struct Hidden<T> {
    #[trace(skip)]
    value: T,
}

fn main() {}
