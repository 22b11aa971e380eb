//! Not even with one `enter` inside the other.

use greyset::{Gc, Heap, Lock, Mutator, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn main() {
    let (a, b) = (Heap::builder().build().unwrap(), Heap::builder().build().unwrap());
    a.mutator().enter(|m1| {
        let n1 = node(m1, 1);
        b.mutator().enter(|m2| {
            let n2 = node(m2, 2);
            n2.next.store(m2, Some(n1));
        })
    });
}
