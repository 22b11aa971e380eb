//! A type in the heap has no `Drop`: what it refers to may be gone.

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

impl Drop for Node<'_> {
    fn drop(&mut self) {
        if let Some(first) = self.kids.get_mut().first() {
            println!("{}", first.key);
        }
    }
}

fn main() {}
