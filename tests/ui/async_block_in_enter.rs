//! Nor can a future made in `enter` leave it.

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

async fn wait() {}

fn f(h: &mut MutatorHandle) {
    let _future = h.enter(|m| async move {
        let n = node(m, 1);
        wait().await;
        n.key
    });
}

fn main() {}
