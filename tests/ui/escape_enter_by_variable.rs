//! A `Gc` cannot be smuggled out of `enter` in a variable.

use greyset::{Gc, Lock, Mutator, MutatorHandle, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn f(h: &mut MutatorHandle) {
    let mut kept = None;
    h.enter(|m| kept = Some(node(m, 1)));
}

fn main() {}
