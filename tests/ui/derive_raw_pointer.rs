//! A raw pointer says nothing of what it points to.

use greyset::Trace;

#[derive(Trace)]
struct Buffer {
    start: *const u8,
    all: Vec<Option<*mut u8>>,
}

fn main() {}
