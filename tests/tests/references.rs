//! References to parts of objects, to views of them, and to objects of unknown type.

use greyset::{Driver, Erased, Gc, Heap, Lock, Mutator, Shape, Shaped, Slot, Static, Trace, unsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn in_heap<R>(body: impl for<'a> FnOnce(&'a mut Mutator) -> R) -> R {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    heap.mutator().enter(body)
}

trait Named<'gc>: Trace<'gc> {
    fn name(&self) -> &str;
}

#[derive(Trace)]
struct Person<'gc> {
    name: String,
    numbers: [u64; 4],
    friend: Option<Gc<'gc, Person<'gc>>>,
    nothing: (),
}

impl<'gc> Named<'gc> for Person<'gc> {
    fn name(&self) -> &str {
        &self.name
    }
}

fn person<'gc>(m: &'gc Mutator, name: &str, friend: Option<Gc<'gc, Person<'gc>>>) -> Gc<'gc, Person<'gc>> {
    m.alloc(Person { name: name.to_owned(), numbers: [1, 2, 3, 4], friend, nothing: () })
}

#[derive(Trace)]
struct Holder<'gc> {
    number: Gc<'gc, u64>,
    numbers: Gc<'gc, [u64]>,
    named: Gc<'gc, dyn Named<'gc>>,
    any: Slot<'gc, Erased<'gc>>,
}

#[test]
fn references_to_parts_keep_the_whole() {
    in_heap(|m| {
        let holder = {
            let a = person(m, "a", None);
            let b = person(m, "b", Some(a));
            m.alloc(Holder {
                number: b.project(|p| &p.numbers[2]),
                numbers: person(m, "c", None).project(|p| &p.numbers[1..]),
                named: unsize!(person(m, "d", Some(b)) => dyn Named<'_>),
                any: Slot::new(Some(person(m, "e", None).erase())),
            })
            .root(m)
        };
        for _ in 0..3 {
            m.collect();
            for _ in 0..1000 {
                person(m, "garbage", None);
            }
        }
        let holder = holder.get(m);
        assert_eq!((*holder.number, &*holder.numbers, holder.named.name()), (3, &[2, 3, 4][..], "d"));
        let d = holder.named.downcast::<Person<'static>>(m).expect("a person");
        assert_eq!(d.friend.and_then(|b| b.friend).map(|a| a.get().name.as_str()), Some("a"));
        let e = holder.any.load(m).and_then(|any| any.downcast::<Person<'static>>(m));
        assert_eq!(e.map(|e| e.get().name.as_str()), Some("e"));
    });
}

#[test]
fn what_is_not_a_part_is_refused() {
    in_heap(|m| {
        let m = &*m;
        let p = person(m, "p", Some(person(m, "q", None)));
        static OUTSIDE: u64 = 1;
        let attempts: [&dyn Fn(); 4] = [
            &|| _ = p.project(|p| p.name.as_bytes()),
            &|| _ = p.project(|p| p.friend.as_ref().unwrap().get()),
            &|| _ = p.project(|_| &OUTSIDE),
            &|| _ = m.alloc_bytes(b"abc").project(|bytes| &bytes[1]),
        ];
        for (i, attempt) in attempts.iter().enumerate() {
            assert!(catch_unwind(AssertUnwindSafe(attempt)).is_err(), "{i}");
        }
    });
}

#[test]
fn parts_of_size_zero_are_at_the_start() {
    in_heap(|m| {
        let p = person(m, "p", None);
        assert_eq!(p.project(|p| &p.nothing).as_addr(), p.as_addr());
        assert_eq!(p.project(|p| &p.numbers[4..]).as_addr(), p.as_addr(), "not one past the end");
        assert!(p.project(|p| &p.numbers[4..]).is_empty());
        let byte = m.alloc(Static([0_u8; 40]));
        let aligned = byte.project(|_| &[0_u64; 0]);
        assert_eq!(aligned.as_addr(), byte.as_addr());
        let odd = byte.project(|b| &b.0[1..2]);
        assert!(catch_unwind(AssertUnwindSafe(|| _ = odd.project(|_| &[0_u64; 0]))).is_err());
    });
}

#[test]
fn downcast_finds_the_type_and_nothing_else() {
    #[derive(Trace)]
    struct Wrapper<'gc>(Person<'gc>);
    #[derive(Trace)]
    struct Pair<A, B>(A, B);

    in_heap(|m| {
        let m = &*m;
        let p = person(m, "p", None);
        assert!(p.downcast::<Wrapper<'static>>(m).is_none());
        assert!(p.downcast::<String>(m).is_none(), "the first field may lie at the start, but is no object");
        let name = p.project(|p| &p.name);
        let found = name.downcast::<Person<'static>>(m).is_some();
        assert_eq!(found, name.as_addr() == p.as_addr(), "the object that starts there");
        assert!(p.project(|p| &p.numbers[1]).downcast::<Person<'static>>(m).is_none());

        let pair = m.alloc(Pair(p, 1_u64)).erase();
        assert!(pair.downcast::<Pair<Gc<'static, Person<'static>>, u64>>(m).is_some());
        assert!(pair.downcast::<Pair<Gc<'static, Person<'static>>, i64>>(m).is_none());
        assert_eq!(m.alloc_str("x").erase().downcast::<greyset::Str<'static>>(m).map(|s| s.len()), Some(1));
        assert!(m.alloc_str("x").erase().downcast::<greyset::Bytes<'static>>(m).is_none());
        let row = m.alloc_array(3, |_| Slot::new(Some(p))).erase();
        let row = row.downcast::<greyset::Array<'static, Slot<'static, Person<'static>>>>(m);
        assert_eq!(row.map(|row| row.len()), Some(3));
        let large = m.alloc(Static([0_u8; 100_000])).erase();
        assert!(large.downcast::<Static<[u8; 100_000]>>(m).is_some());
        assert!(m.alloc(7_u64).erase().downcast::<u64>(m).is_none(), "small values share their memory");
    });
}

#[test]
fn comparison_is_of_values_and_identity_apart() {
    in_heap(|m| {
        let (a, b) = (m.alloc(1_u64), m.alloc(1_u64));
        assert!(a == b && !Gc::ptr_eq(a, b) && Gc::ptr_eq(a, a));
        assert!(m.alloc(2_u64) > a);
        assert_eq!(format!("{a} {a:?}"), "1 1");
        assert_eq!(format!("{a:p}"), format!("{:#x}", a.as_addr()));
    });
}

#[test]
fn shapes_say_where_references_lie() {
    #[derive(Trace)]
    #[repr(C)]
    struct Mixed<'gc> {
        a: u32,
        b: Gc<'gc, u64>,
        c: (u8, Option<Gc<'gc, u64>>),
        d: Slot<'gc, u64>,
        e: [Slot<'gc, u64>; 2],
        f: Arc<str>,
        #[trace(skip)]
        g: u64,
    }
    #[derive(Trace)]
    struct Tree<'gc> {
        kids: Vec<Tree<'gc>>,
        leaf: Option<Gc<'gc, u64>>,
    }
    #[derive(Trace)]
    enum Kind {
        A,
        B(String, [f64; 2]),
    }
    #[derive(Trace)]
    enum Ref<'gc> {
        A(Gc<'gc, u64>),
        B,
    }

    let Shape::Words(words) = Mixed::SHAPE else { panic!("{:?}", Mixed::SHAPE) };
    assert_eq!(words.offsets(), [8, 24, 32, 40, 48]);
    assert_eq!(Tree::SHAPE, Shape::Call);
    assert_eq!((Kind::SHAPE, Ref::SHAPE), (Shape::Leaf, Shape::Call));
    assert_eq!(<Lock<'_, u64>>::SHAPE, Shape::Leaf);
    assert_eq!(<Lock<'_, Slot<'_, u64>>>::SHAPE, Shape::Call);
    assert!(matches!(<greyset::Array<'_, Slot<'_, u64>>>::SHAPE, Shape::Rows(rows) if rows.stride == 8));
    assert_eq!(<greyset::Array<'_, Kind>>::SHAPE, Shape::Leaf);
    assert_ne!(Kind::HASH, Ref::HASH);

    in_heap(|m| {
        let n = m.alloc(1_u64);
        let mixed = Mixed {
            a: 1,
            b: n,
            c: (2, None),
            d: Slot::empty(),
            e: [Slot::empty(), Slot::new(Some(n))],
            f: "f".into(),
            g: 3,
        };
        let tree = Tree { kids: vec![Tree { kids: Vec::new(), leaf: Some(n) }], leaf: None };
        let (mixed, tree) = (m.alloc(mixed).root(m), m.alloc(tree).root(m));
        let kinds = [Kind::A, Kind::B("b".to_owned(), [0.5; 2])];
        let kinds = kinds.map(|kind| m.alloc(kind).root(m));
        let refs = [Ref::A(n), Ref::B].map(|kind| m.alloc(kind).root(m));
        m.collect();
        m.collect();
        let mixed = mixed.get(m);
        let words =
            (u64::from(mixed.a) + *mixed.b, mixed.c.0, mixed.c.1.is_none(), mixed.d.load(m).is_none());
        assert_eq!(words, (2, 2, true, true));
        assert_eq!((*mixed.e[1].load(m).unwrap(), &*mixed.f, mixed.g), (1, "f", 3));
        assert_eq!(tree.get(m).kids[0].leaf.map(|n| *n), Some(1));
        assert!(tree.get(m).leaf.is_none());
        assert!(matches!(*kinds[0].get(m), Kind::A));
        assert!(matches!(&*kinds[1].get(m), Kind::B(b, [x, _]) if b == "b" && *x == 0.5));
        assert!(matches!(*refs[0].get(m), Ref::A(n) if *n == 1) && matches!(*refs[1].get(m), Ref::B));
    });
}
