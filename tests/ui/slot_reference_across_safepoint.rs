//! A reference to a field of an object does not outlive the window.

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

fn f(m: &mut Mutator, r: &Root<Node<'static>>) {
    let next = &r.get(m).get().next;
    m.safepoint();
    let _ = next.load(m);
}

fn main() {}
