//! A cleanup cannot hold the object it waits for.

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

fn f(m: &mut Mutator) {
    let m = &*m;
    let n = node(m, 1);
    m.add_cleanup(n, move |()| println!("{}", n.key), ());
}

fn main() {}
