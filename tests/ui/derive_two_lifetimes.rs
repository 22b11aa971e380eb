//! A type in the heap has one brand.

use greyset::{Gc, Trace};

#[derive(Trace)]
struct Two<'a, 'b> {
    a: Gc<'a, u64>,
    b: Gc<'b, u64>,
}

fn main() {}
