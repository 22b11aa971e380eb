//! The mutator in a `Ret` is shared: no safepoint while the `Gc` is there.

use greyset::{Gc, Lock, Mutator, Ret, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn f(result: Ret<'_, Node<'_>>) {
    result.m.safepoint();
}

fn main() {}
