//! Several heaps in one process, and what must not cross from one to another.

use greyset::{Driver, Heap, Root, Slot};
use greyset_tests::common::{Drops, Node, list_length, make_list, objects, panic_of};
use std::thread;

#[test]
fn heaps_do_not_know_each_other() {
    let heaps: Vec<Heap> =
        (0..8).map(|_| Heap::builder().min_heap(64 << 10).build().expect("a heap")).collect();
    let drops: Vec<Drops> = heaps.iter().map(|_| Drops::default()).collect();
    thread::scope(|scope| {
        for (number, (heap, drops)) in heaps.iter().zip(&drops).enumerate() {
            scope.spawn(move || {
                heap.mutator().enter(|m| {
                    let kept = make_list(m, 100 + number as u64).root(m);
                    for _ in 0..20 {
                        make_list(m, 100);
                        m.alloc(drops.value());
                        m.collect();
                    }
                    assert_eq!(list_length(m, kept.get(m)), 100 + number as u64);
                });
            });
        }
    });
    for (heap, drops) in heaps.iter().zip(&drops) {
        assert_eq!((heap.stats().cycles >= 20, drops.count()), (true, 20));
    }
    heaps[3].mutator().enter(|m| m.collect());
    assert_eq!(objects(&heaps[3]), 0);
}

#[test]
fn entering_twice_is_refused_and_harmless() {
    let (one, two) = (Heap::builder().build().expect("a heap"), Heap::builder().build().expect("a heap"));
    let (mut outer, mut inner) = (one.mutator(), one.mutator());
    let mut other = two.mutator();
    outer.enter(|m| {
        let list = make_list(m, 10);
        for handle in [&mut inner, &mut other] {
            let message = panic_of(|| handle.enter(|_| unreachable!("it is refused")));
            assert!(message.contains("inside a heap already"), "{message}");
        }
        assert_eq!(list_length(m, list), 10);
        let list = list.root(m);
        m.collect();
        assert_eq!(list_length(m, list.get(m)), 10);
    });
    other.enter(|m| assert_eq!(list_length(m, make_list(m, 5)), 5));
    inner.enter(|m| assert_eq!(list_length(m, make_list(m, 5)), 5));
}

#[test]
fn another_heap_may_be_entered_while_blocking() {
    let (one, two) = (Heap::builder().build().expect("a heap"), Heap::builder().build().expect("a heap"));
    one.mutator().enter(|m| {
        let kept = make_list(m, 10).root(m);
        let found = m.blocking(|| {
            two.mutator().enter(|other| {
                let found = list_length(other, make_list(other, 20));
                let again = other.blocking(|| one.mutator().enter(|m| list_length(m, kept.get(m))));
                (found, again)
            })
        });
        assert_eq!(found, (20, 10));
        let message = panic_of(|| m.blocking(|| panic!("in blocking")));
        assert_eq!(message, "in blocking");
        assert_eq!(list_length(m, kept.get(m)), 10);
        let message = panic_of(|| one.mutator().enter(|_| ()));
        assert!(message.contains("inside a heap already"), "after blocking it is inside again: {message}");
    });
}

#[test]
fn handles_of_another_heap_are_refused() {
    let (one, two) = (Heap::builder().build().expect("a heap"), Heap::builder().build().expect("a heap"));
    let (root, weak) = one.mutator().enter(|m| {
        let list = make_list(m, 10);
        (list.root(m), list.downgrade(m))
    });
    let queue = one.finalizer_queue::<Node<'static>>();
    two.mutator().enter(|m| {
        let message = panic_of(|| _ = root.get(m));
        assert!(message.contains("another heap"), "{message}");
        let message = panic_of(|| _ = weak.upgrade(m));
        assert!(message.contains("another heap"), "{message}");
        let message = panic_of(|| weak.set(m, None));
        assert!(message.contains("another heap"), "{message}");
        let message = panic_of(|| queue.register(m, make_list(m, 3)));
        assert!(message.contains("another heap"), "{message}");
        m.collect();
    });
    one.mutator().enter(|m| {
        assert_eq!(list_length(m, root.get(m)), 10);
        assert!(weak.upgrade(m).is_some());
    });
}

#[test]
fn roots_of_one_heap_may_lie_in_another() {
    let drops = Drops::default();
    let inner = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    let outer = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    let root: Root<Node<'static>> = inner.mutator().enter(|m| {
        m.alloc(drops.value());
        make_list(m, 10).root(m)
    });
    drop(inner);
    outer.mutator().enter(|m| {
        let held = m.alloc(greyset::Static(root)).root(m);
        m.collect();
        assert_eq!(drops.count(), 0, "the root keeps its heap");
        let heap = m.heap();
        let slot = m.alloc(Slot::new(Some(held.get(m)))).root(m);
        drop(held);
        m.collect();
        assert_eq!(objects(&heap), 2);
        slot.get(m).store(m, None);
        m.collect();
    });
    assert_eq!(drops.count(), 1, "the last root of the inner heap went with its object");
}
