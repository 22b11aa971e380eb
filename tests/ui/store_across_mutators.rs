//! A reference into one heap cannot be stored in an object of another.

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

fn f<'a, 'b>(b: &'b Mutator, from: Gc<'a, Node<'a>>, to: Gc<'b, Node<'b>>) {
    to.next.store(b, Some(from));
}

fn main() {}
