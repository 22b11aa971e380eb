//! A `trace` that panics: the cycle frees nothing, and the heap goes on.

use greyset::{Driver, Gc, Heap, Shape, Shaped, Slot, Trace, Tracer, Weak};
use greyset_tests::common::{Node, finish, list_length, make_list};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Panics when it is traced, while it is lit.
struct Fuse(Arc<AtomicBool>);

// SAFETY: holds no reference, is `Send + Sync`, borrows nothing.
unsafe impl<'gc> Trace<'gc> for Fuse {
    fn trace(&self, _: &mut Tracer<'gc>) {
        assert!(!self.0.load(Ordering::Relaxed), "this trace panics");
    }
}

// SAFETY: a call covers everything.
unsafe impl<'gc> Shaped<'gc> for Fuse {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = 77;
}

#[derive(Trace)]
struct Bomb<'gc> {
    fuse: Fuse,
    next: Gc<'gc, Node<'gc>>,
    weak: Slot<'gc, Node<'gc>>,
}

fn bomb<'gc>(m: &'gc greyset::Mutator, lit: &Arc<AtomicBool>, length: u64) -> Gc<'gc, Bomb<'gc>> {
    let next = make_list(m, length);
    m.alloc(Bomb { fuse: Fuse(Arc::clone(lit)), next, weak: Slot::empty() })
}

#[test]
fn a_panic_while_marking_frees_nothing() {
    // The cycles given up are counted: none but those the test asks for.
    let builder = Heap::builder().ignore_environment().driver(Driver::Inline).verify(true);
    let heap = builder.build().expect("a heap");
    let lit = Arc::new(AtomicBool::new(false));
    heap.mutator().enter(|m| {
        let bomb = bomb(m, &lit, 50).root(m);
        let weak: Weak<Node<'static>> = make_list(m, 50).downgrade(m);
        lit.store(true, Ordering::Relaxed);
        for panics in 1..4 {
            m.collect();
            let stats = m.heap().stats();
            assert_eq!(stats.trace_panics, panics);
            // What has been kept is there, marked or not: two lists of 50.
            let least = 100 * size_of::<Node<'_>>() as u64;
            assert!(stats.live_bytes >= least && stats.heap_bytes >= least, "{stats}");
            assert_eq!(list_length(m, bomb.get(m).next), 50);
            assert_eq!(weak.upgrade(m).map(|list| list_length(m, list)), Some(50));
        }
        lit.store(false, Ordering::Relaxed);
        m.collect();
        assert_eq!(m.heap().stats().trace_panics, 3);
        assert_eq!(list_length(m, bomb.get(m).next), 50);
        assert!(weak.upgrade(m).is_none());
    });
}

#[test]
fn a_panic_below_a_finalizable_object_frees_nothing() {
    let heap = Heap::builder().driver(Driver::Stepping).verify(true).build().expect("a heap");
    let mut stepper = heap.stepper();
    let lit = Arc::new(AtomicBool::new(true));
    let queue = heap.finalizer_queue::<Bomb<'static>>();
    let mut handle = heap.mutator();
    handle.enter(|m| queue.register(m, bomb(m, &lit, 50)));
    finish(&mut stepper);
    lit.store(false, Ordering::Relaxed);
    stepper.verify().expect("all that the object reaches is there");
    let found = queue.poll().expect("it is delivered");
    handle.enter(|m| {
        make_list(m, 1000);
        assert_eq!(list_length(m, found.get(m).next), 50);
    });
    assert_eq!(heap.stats().trace_panics, 1);
}
