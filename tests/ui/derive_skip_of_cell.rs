//! Only data other threads may see can be skipped.

use greyset::Trace;

#[derive(Trace)]
struct Counter {
    #[trace(skip)]
    hits: std::cell::Cell<u64>,
}

fn main() {}
