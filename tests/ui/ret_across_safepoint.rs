//! The `Gc` in a `Ret` does not outlive its window either.

use greyset::{Gc, Lock, Mutator, Ret, Slot, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
}

fn node<'gc>(m: &'gc Mutator, key: u64) -> Gc<'gc, Node<'gc>> {
    m.alloc(Node { key, next: Slot::empty(), kids: Lock::new(Vec::new()) })
}

fn eval<'m>(m: &'m mut Mutator) -> Ret<'m, Node<'m>> {
    m.safepoint();
    let m = &*m;
    Ret { gc: node(m, 1), m }
}

fn f(m: &mut Mutator) {
    let result = eval(m);
    m.safepoint();
    let _ = result.gc.key;
}

fn main() {}
