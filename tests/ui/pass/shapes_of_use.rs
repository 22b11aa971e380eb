//! References in arguments and results, mutators handed down, roots and handles moved between threads.

use greyset::{Gc, Heap, Lock, Mutator, Ret, Root, Slot, Static, Trace};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
    kids: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
    name: Static<String>,
    fixed: Option<Gc<'gc, Node<'gc>>>,
}

fn node<'m>(m: &'m Mutator, key: u64, next: Option<Gc<'m, Node<'m>>>) -> Gc<'m, Node<'m>> {
    let (next, fixed) = (Slot::new(next), next);
    m.alloc(Node { key, next, kids: Lock::new(Vec::new()), name: Static("x".into()), fixed })
}

/// May collect, and returns a reference without a root, together with the mutator, shared.
fn evaluate<'m>(m: &'m mut Mutator, root: &Root<Node<'static>>) -> Ret<'m, Node<'m>> {
    for _ in 0..3 {
        m.safepoint();
        let n = root.get(m);
        n.next.store(m, Some(node(m, 7, n.next.load(m))));
    }
    let m = &*m;
    Ret { gc: root.get(m).next.load(m).unwrap(), m }
}

/// A lock can be taken through a `Gc` by value or by reference, without `get`.
fn push<'m>(m: &'m Mutator, to: Gc<'m, Node<'m>>, kid: Gc<'m, Node<'m>>) {
    to.kids.write(m).push(kid);
    let by_reference = &to;
    by_reference.kids.write(m).push(kid);
}

fn caller(m: &mut Mutator, root: &Root<Node<'static>>) -> u64 {
    let Ret { gc, m: shared } = evaluate(m, root);
    let n = node(shared, 9, Some(gc));
    push(shared, n, gc);
    let keep = n.root(shared);
    m.safepoint();
    m.blocking(|| ());
    let kept = keep.get(m);
    kept.key + kept.fixed.unwrap().key + kept.kids.with(m, |kids| kids.len() as u64) + kept.name.len() as u64
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut handle = heap.mutator();
    let root = handle.enter(|m| node(m, 1, None).root(m));
    assert_eq!(handle.enter(|m| caller(m, &root)), 9 + 7 + 2 + 1);
    let thread = std::thread::spawn(move || {
        let mut handle = handle;
        handle.enter(|m| root.get(m).key)
    });
    assert_eq!(thread.join().unwrap(), 1);
}
