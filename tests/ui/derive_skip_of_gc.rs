//! Only data without references can be skipped.

use greyset::{Gc, Trace};

#[derive(Trace)]
struct Hidden<'gc> {
    #[trace(skip)]
    next: Gc<'gc, u64>,
}

fn main() {}
