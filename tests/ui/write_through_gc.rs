//! A `Gc` gives shared access: plain fields never change.

use greyset::{Gc, Lock, Mutator, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn f(m: &mut Mutator) {
    let n = node(m, 1);
    n.key = 2;
}

fn main() {}
