//! Arrays and strings in the heap: contents, ends, panics, bulk changes.

use greyset::{Array, Driver, Gc, Heap, Lock, Mutator, Nan, NanView, Slot, Static, Trace, WordSlot};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `body` in a heap of its own, driven from inside.
fn in_heap<R>(body: impl for<'a> FnOnce(&'a mut Mutator) -> R) -> R {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    heap.mutator().enter(body)
}

/// Counts how many of it were dropped.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn elements_survive_collections() {
    in_heap(|m| {
        let rows: Vec<_> = [0, 1, 2, 13, 1000, 100_000]
            .map(|len| m.alloc_array(len, |i| m.alloc(i as u64 * 3)).root(m))
            .into();
        m.collect();
        m.collect();
        for row in &rows {
            let row = row.get(m);
            assert!(row.iter().enumerate().all(|(i, value)| **value == i as u64 * 3));
        }
        assert_eq!(rows.iter().map(|row| row.get(m).len()).sum::<usize>(), 101_016);
    });
}

/// What an element of several references holds: leaves and others, and nothing here and there.
#[derive(Trace)]
struct Row<'gc> {
    leaf: Slot<'gc, u64>,
    number: u64,
    list: Slot<'gc, Cons<'gc>>,
    last: Slot<'gc, u64>,
}

#[derive(Trace)]
struct Cons<'gc> {
    number: u64,
    rest: Slot<'gc, Cons<'gc>>,
}

fn row<'gc>(m: &'gc Mutator, number: u64) -> Row<'gc> {
    let rest = m.alloc(Cons { number: number + 1, rest: Slot::empty() });
    let list = m.alloc(Cons { number, rest: Slot::new(Some(rest)) });
    let some = |has: bool| has.then(|| m.alloc(number));
    Row {
        leaf: Slot::new(some(!number.is_multiple_of(3))),
        number,
        list: Slot::new((!number.is_multiple_of(5)).then_some(list)),
        last: Slot::new(some(number.is_multiple_of(7))),
    }
}

fn is_whole<'gc>(m: &'gc Mutator, row: &Row<'gc>) {
    let number = row.number;
    assert_eq!(row.leaf.load(m).map(|value| *value), (!number.is_multiple_of(3)).then_some(number));
    assert_eq!(row.last.load(m).map(|value| *value), (number.is_multiple_of(7)).then_some(number));
    let numbers = row.list.load(m).map(|list| (list.number, list.rest.load(m).map(|rest| rest.number)));
    assert_eq!(numbers, (!number.is_multiple_of(5)).then_some((number, Some(number + 1))));
}

/// By a marker in one go, and by the assists of an allocating program in many.
#[test]
fn all_that_the_elements_of_an_array_refer_to_survives() {
    for driver in [Driver::Inline, Driver::Background] {
        let heap = Heap::builder().driver(driver).min_heap(1 << 20).gogc(20).build().expect("a heap");
        heap.mutator().enter(|m| {
            let rows: Vec<_> = [1, 21, 22, 255, 256, 257, 1023, 1025, 20_000]
                .map(|len| m.alloc_array(len, |i| row(m, i as u64)).root(m))
                .into();
            for round in 0..4_u64 {
                m.heap().request_cycle();
                for step in 0..10_000 {
                    row(m, round * step);
                    if step % 100 == 0 {
                        m.safepoint();
                    }
                }
                m.collect();
            }
            for row in &rows {
                row.get(m).iter().for_each(|row| is_whole(m, row));
            }
        });
        heap.verify().expect("a sound heap");
    }
}

#[test]
fn elements_are_dropped_with_the_array() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = || Static(Counted(Arc::clone(&dropped)));
    in_heap(|m| {
        let kept = m.alloc_array(7, |_| counted()).root(m);
        for _ in 0..10 {
            m.alloc_array(11, |_| counted());
        }
        m.collect();
        m.collect();
        assert_eq!((dropped.load(Ordering::Relaxed), kept.get(m).len()), (110, 7));
        drop(kept);
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 117);
}

#[test]
fn a_panic_in_the_making_drops_what_was_made() {
    let dropped = Arc::new(AtomicUsize::new(0));
    in_heap(|m| {
        let made = catch_unwind(AssertUnwindSafe(|| {
            m.alloc_array(10, |i| {
                assert!(i < 4, "the fifth");
                Static(Counted(Arc::clone(&dropped)))
            })
            .len()
        }));
        assert!(made.is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), 4);
        m.collect();
        m.collect();
    });
    assert_eq!(dropped.load(Ordering::Relaxed), 4, "the object left behind was an empty array");
}

#[test]
fn too_long_an_array_is_an_error_and_nothing_is_made() {
    let heap = Heap::builder().driver(Driver::Inline).hard_limit(64 << 20).build().expect("a heap");
    heap.mutator().enter(|m| {
        for len in [usize::MAX, usize::MAX / 8, 1 << 40, 16 << 20] {
            let mut made = 0;
            let result = m.try_alloc_array(len, |i| {
                made += 1;
                i as u64
            });
            assert!(result.is_err() && made == 0, "{len} words, {made} made");
        }
        assert!(m.try_alloc_bytes(&[0; 1000]).is_ok() && m.try_alloc_str("fits").is_ok());
    });
}

#[test]
fn elements_of_any_size_and_alignment() {
    #[derive(Trace, Clone, Copy, PartialEq, Debug)]
    #[repr(align(64))]
    struct Line(u8);

    in_heap(|m| {
        let nothing = m.alloc_array(5, |_| ());
        assert_eq!((nothing.len(), nothing.wide().project(|all| &all[4]).as_addr()), (5, nothing.as_addr()));
        let lines = m.alloc_array(3, |i| Line(i as u8));
        assert!(lines.iter().all(|line| std::ptr::from_ref(line).addr() % 64 == 0));
        assert_eq!(lines[2], Line(2));
        let none = m.alloc_array(0, |_| Line(0));
        assert!(none.is_empty() && none.wide().is_empty());
        assert_eq!(none.wide().as_addr(), none.as_addr(), "not one past the end");
        let bytes = m.alloc_array(3, |i| i as u8);
        assert_eq!(*bytes.wide().project(|all| &all[1..]), [1, 2]);
    });
}

#[test]
fn strings_are_what_they_were_made_of() {
    in_heap(|m| {
        for text in ["", "a", "äöü", &"long ".repeat(20_000)] {
            let (copy, bytes) = (m.alloc_str(text), m.alloc_bytes(text.as_bytes()));
            assert_eq!((&**copy, &**bytes), (text, text.as_bytes()));
            assert_eq!((copy.as_str().len(), bytes.as_slice().len()), (text.len(), text.len()));
            assert!(*copy == *text && copy == m.alloc_str(text));
        }
        let part: Gc<str> = m.alloc_str("hello world").wide().project(|text| &text[6..]);
        assert_eq!(&*part, "world");
        assert!(m.alloc_str("a") < m.alloc_str("b"));
    });
}

#[test]
fn arrays_of_containers_and_locks() {
    in_heap(|m| {
        let table = m.alloc_array(4, |_| Lock::new(Vec::<Gc<usize>>::new())).root(m);
        for i in 0..100 {
            table.get(m)[i % 4].write(m).push(m.alloc(i));
            if i % 10 == 0 {
                m.collect();
            }
        }
        let sum: usize =
            table.get(m).iter().map(|row| row.with(m, |row| row.iter().map(|n| **n).sum::<usize>())).sum();
        assert_eq!(sum, 4950);
    });
}

fn contents<'gc>(m: &'gc Mutator, row: Gc<'gc, Array<'gc, Slot<'gc, u64>>>) -> Vec<Option<u64>> {
    row.iter().map(|slot| slot.load(m).map(|value| *value)).collect()
}

proptest! {
    #[test]
    fn copy_within_is_that_of_slices(len in 0_usize..20, start in 0_usize..25, end in 0_usize..25, at in 0_usize..25) {
        let mut expected: Vec<_> = (0..len as u64).map(|i| (i % 5 != 0).then_some(i)).collect();
        let fits = start <= end && end <= len && at <= len && end - start <= len - at;
        let copied = in_heap(|m| {
            let row = m.alloc_array(len, |i| Slot::new((i % 5 != 0).then(|| m.alloc(i as u64))));
            let copied = catch_unwind(AssertUnwindSafe(|| row.copy_within(m, start..end, at)));
            assert_eq!(copied.is_ok(), fits);
            contents(m, row)
        });
        if fits {
            expected.copy_within(start..end, at);
        }
        prop_assert_eq!(copied, expected);
    }
}

#[test]
fn fill_and_copy_between_arrays() {
    in_heap(|m| {
        let (a, b) = (m.alloc_array(5, |_| Slot::empty()), m.alloc_array(3, |_| Slot::empty()));
        a.fill(m, Some(m.alloc(1)));
        b.copy_from(m, 1, a, 2..4);
        assert_eq!(contents(m, b), [None, Some(1), Some(1)]);
        let words = m.alloc_array(4, |_| WordSlot::new(Nan::<u64>::int(7)));
        words.fill(m, Nan::bool(true));
        words[0].store(m, Nan::nil());
        words.copy_within(m, 0..2, 2);
        let views: Vec<_> = words.iter().map(|word| word.load(m).view()).collect();
        assert!(matches!(views[..], [NanView::Nil, NanView::Bool(true), NanView::Nil, NanView::Bool(true)]));
    });
}
