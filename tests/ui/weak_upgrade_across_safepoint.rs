//! What `Weak::upgrade` gives does not outlive the window.

use greyset::{Gc, Lock, Mutator, Slot, Trace, Weak};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn f(m: &mut Mutator, w: &Weak<Node<'static>>) {
    if let Some(n) = w.upgrade(m) {
        m.safepoint();
        let _ = n.key;
    }
}

fn main() {}
