//! Poison and quarantine by behaviour: what they do, and what they find.

use crate::testing::*;
use crate::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

const A: Colour = Colour::A;
const B: Colour = Colour::B;

fn zealous(zeal: Zeal) -> MHeap {
    heap_of(Config { reserve: Config::MIN_RESERVE, zeal, ..Config::default() }).0
}

/// Allocates so many objects and returns their runs.
fn some(heap: &MHeap, objects: usize) -> Vec<usize> {
    let cache = Cache::new(heap);
    let addrs = (0..objects).map(|_| alloc(heap, &cache, &NODE64, A)).collect();
    cache.flush(heap);
    addrs
}

fn bytes(heap: &MHeap, addr: usize) -> Vec<u8> {
    // SAFETY: a slot of 64 bytes of this heap, which nobody else uses in these tests.
    unsafe { std::slice::from_raw_parts(heap.space().pointer(addr), 64) }.to_vec()
}

#[test]
fn swept_slots_are_filled_and_checked_when_they_are_handed_out() {
    let heap = zealous(Zeal { poison: true, ..Zeal::default() });
    let addrs = some(&heap, 100);
    mark(&heap, addrs[0], B);
    // SAFETY: a slot of this heap, taken above.
    unsafe { heap.space().pointer(addrs[1]).write_bytes(7, 64) };
    sweep_all(&heap, A, &Counting::default());
    assert_eq!(bytes(&heap, addrs[1]), [0xfb; 64]);
    let before = heap.zeal_counts();
    assert!(before.poisoned >= 99 + 100, "its span when it was made, and 99 dead: {before:?}");
    some(&heap, 50);
    assert!(heap.zeal_counts().poison_checked >= before.poison_checked + 50);
}

#[test]
fn a_write_to_a_free_slot_is_found_with_type_and_address() {
    let heap = zealous(Zeal { poison: true, ..Zeal::default() });
    let addrs = some(&heap, 3);
    mark(&heap, addrs[0], B);
    sweep_all(&heap, A, &Counting::default());
    // SAFETY: it is not safe: a Free slot is written to, which is what is to be found.
    unsafe { heap.space().pointer(addrs[2] + 8).write(1) };
    let panic = catch_unwind(AssertUnwindSafe(|| some(&heap, 10))).expect_err("it is found");
    let text = panic.downcast::<String>().expect("a text");
    let wanted = format!("a Free slot of type fixed at {:#x} has been written to: word 1 is", addrs[2]);
    assert!(text.starts_with(&wanted), "{text}");
}

#[test]
fn a_quarantined_slot_comes_back_a_cycle_later_and_not_before() {
    let heap = zealous(Zeal { quarantine: 10, poison: true, ..Zeal::default() });
    let addrs = some(&heap, 30);
    mark(&heap, addrs[0], B);
    sweep_all(&heap, A, &Counting::default());
    assert_eq!(heap.verify().map(|report| report.coloured), Ok([0, 1]));
    let held: Vec<_> = addrs.iter().filter(|&&addr| colour(&heap, addr) == Colour::QUARANTINE).collect();
    assert_eq!(held.len(), 10);
    assert!(some(&heap, 200).iter().all(|addr| !held.contains(&addr)));
    // All that lives now is A and B; everything A dies, the slots held before are free again.
    mark(&heap, addrs[0], B);
    sweep_all(&heap, A, &Counting::default());
    assert_eq!((heap.zeal_counts().quarantined, heap.zeal_counts().released), (20, 10));
    assert!(heap.verify().is_ok());
}

#[test]
fn a_dead_span_stays_until_its_quarantine_is_over() {
    let heap = zealous(Zeal { quarantine: 5, ..Zeal::default() });
    some(&heap, 30);
    sweep_all(&heap, A, &Counting::default());
    assert_eq!(heap.verify().map(|report| report.spans), Ok(1));
    sweep_all(&heap, B, &Counting::default());
    assert_eq!(heap.verify().map(|report| report.spans), Ok(0));
}

#[test]
fn one_slot_runs_make_every_allocation_slow() {
    let heap = zealous(Zeal { one_slot_runs: true, ..Zeal::default() });
    let cache = Cache::new(&heap);
    for info in [&NODE64, &TINY1, &TINY8, &DROP32] {
        for _ in 0..20 {
            assert_eq!(cache.alloc(info), None, "no run has a slot left");
            let taken = cache.refill(&heap, &Counting::default(), info, info.size, A).expect("memory");
            assert_eq!(taken.objects, 1);
        }
    }
    assert_eq!((cache.reserved_bytes(), cache.flush(&heap)), (0, 0));
    assert_eq!(heap.verify().map(|report| report.coloured), Ok([80, 0]));
}
