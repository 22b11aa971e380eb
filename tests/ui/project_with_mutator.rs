//! The closure of `project` holds nothing of the window, in particular no mutator to open a `Lock` with.

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

fn f<'gc>(m: &'gc Mutator, n: Gc<'gc, Node<'gc>>) -> Gc<'gc, Vec<Gc<'gc, Node<'gc>>>> {
    n.project(|n| &**Box::leak(Box::new(n.kids.write(m))))
}

fn main() {}
