//! A list, as a user writes it first.

#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use greyset::{Heap, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.mutator().enter(|m| {
        let head = m.alloc(Node { key: 1, next: Slot::empty() }).root(m);
        m.safepoint();
        let n = head.get(m);
        n.next.store(m, Some(m.alloc(Node { key: 2, next: Slot::empty() })));
        assert_eq!(n.key + n.next.load(m).unwrap().key, 3);
    });
}
