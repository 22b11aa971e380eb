//! A guard of a `Lock` does not outlive its window.

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
    let n = r.get(m);
    let kids = n.kids.write(m);
    m.safepoint();
    drop(kids);
}

fn main() {}
