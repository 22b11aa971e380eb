//! The brand of a `Slot` is invariant: it cannot be shortened, to store what lives shorter.

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

fn f<'long: 'short, 'short>(slot: &'short Slot<'long, Node<'long>>) -> &'short Slot<'short, Node<'short>> {
    slot
}

fn main() {}
