//! Deep, long, large and empty.

use greyset::{Array, Driver, Heap, Mutator, Slot, Static};
use greyset_tests::common::{Node, list_length, make_list, objects};

fn inline(body: impl FnOnce(&mut Mutator)) {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    heap.mutator().enter(body);
}

#[test]
fn a_list_of_a_million_nodes() {
    const LENGTH: u64 = 1_000_000;
    let heap = Heap::builder().build().expect("a heap");
    heap.mutator().enter(|m| {
        let list = make_list(m, LENGTH).root(m);
        m.collect();
        assert_eq!(list_length(m, list.get(m)), LENGTH);
        drop(list);
        m.collect();
    });
    assert_eq!(objects(&heap), 0);
}

#[test]
fn a_long_list_of_values_with_drop_glue() {
    inline(|m| {
        let mut head = m.alloc(Slot::<Deep>::empty());
        for _ in 0..200_000 {
            let deep = m.alloc(Deep { text: String::from("deep"), below: head });
            head = m.alloc(Slot::new(Some(deep)));
        }
        let head = head.root(m);
        m.collect();
        let (mut at, mut depth) = (head.get(m), 0);
        while let Some(deep) = at.load(m) {
            assert_eq!(deep.text, "deep");
            (at, depth) = (deep.below, depth + 1);
        }
        assert_eq!(depth, 200_000);
    });
}

#[derive(greyset::Trace)]
struct Deep<'gc> {
    text: String,
    below: greyset::Gc<'gc, Slot<'gc, Deep<'gc>>>,
}

#[test]
fn a_huge_array_of_references() {
    const LEN: usize = 2_000_000;
    inline(|m| {
        let array = m.alloc_array(LEN, |_| Slot::<Node>::empty()).root(m);
        for at in (0..LEN).step_by(1000) {
            array.get(m)[at].store(m, Some(make_list(m, 1 + at as u64 % 7)));
            m.safepoint();
        }
        m.collect();
        let slots: greyset::Gc<Array<Slot<Node>>> = array.get(m);
        for at in (0..LEN).step_by(1000) {
            let list = slots[at].load(m).expect("it was stored");
            assert_eq!(list_length(m, list), 1 + at as u64 % 7);
        }
        assert!(slots[1].load(m).is_none());
    });
}

#[test]
fn huge_values_come_and_go() {
    inline(|m| {
        let mut kept = None;
        for round in 0..20_u8 {
            let bytes = m.alloc_bytes(&vec![round; 8 << 20]);
            kept = Some(bytes.root(m));
            m.safepoint();
        }
        m.collect();
        let stats = m.heap().stats();
        assert!(stats.mapped_bytes < 100 << 20, "twenty of 8 MiB, one is kept: {stats}");
        assert!(kept.is_some_and(|bytes| bytes.get(m).iter().all(|&byte| byte == 19)));
    });
}

#[test]
fn empty_things() {
    inline(|m| {
        let (array, bytes) = (m.alloc_array(0, |_| Slot::<Node>::empty()), m.alloc_bytes(b""));
        let roots = (array.root(m), bytes.root(m), m.alloc_str("").root(m), m.alloc(()).root(m));
        let nothing = m.alloc(Static([0u64; 0])).root(m);
        m.collect();
        assert!(roots.0.get(m).is_empty() && roots.1.get(m).is_empty() && roots.2.get(m).as_str().is_empty());
        assert_eq!((*roots.3.get(m), nothing.get(m).0), ((), []));
    });
}
