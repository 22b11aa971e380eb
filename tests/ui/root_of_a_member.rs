//! A `Root` is of a family, `Node<'static>`, not of a member.

use greyset::{Gc, Lock, Mutator, Root, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn f<'gc>(_: Root<Node<'gc>>) {}

fn main() {}
