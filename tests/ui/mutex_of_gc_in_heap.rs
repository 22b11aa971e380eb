//! A lock without a barrier cannot hold references into the heap.

use greyset::{Gc, Trace};

#[derive(Trace)]
struct Table<'gc> {
    rows: std::sync::Mutex<Vec<Gc<'gc, u64>>>,
}

fn main() {}
