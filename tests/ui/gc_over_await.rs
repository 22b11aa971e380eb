//! A `Gc` is not held over `.await` in a future that can move between threads.

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

fn spawn(_: impl Future + Send) {}
async fn wait() {}

fn f<'gc>(m: &'gc Mutator) {
    spawn(async move {
        let n = node(m, 1);
        wait().await;
        let _ = n.key;
    });
}

fn main() {}
