//! `Drop` on a type with parameters is found as well.

use greyset::{Slot, Trace};

#[derive(Trace)]
struct Guarded<'gc, T> {
    value: Slot<'gc, T>,
}

impl<T> Drop for Guarded<'_, T> {
    fn drop(&mut self) {}
}

fn main() {}
