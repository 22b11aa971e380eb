//! Modes that act in the heap's memory: `poison`, `quarantine`. What they find is tested where a mistake can be made on
//! purpose, inside the crates.

use crate::{heap, report};
use greyset::{Driver, Zeal};
use greyset_tests::common::{finish, make_list};

#[test]
fn poison_fills_what_is_swept_and_checks_what_is_handed_out() {
    let heap = heap(Driver::Stepping, &[Zeal::Poison]);
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let root = handle.enter(|m| {
        make_list(m, 1000);
        make_list(m, 1).root(m)
    });
    let before = report(&heap);
    assert!(before.poisoned >= 1001 && before.poison_checked >= 1001, "spans when they are made: {before}");
    finish(&mut stepper);
    let swept = report(&heap);
    assert!(swept.poisoned >= before.poisoned + 1000, "{swept}");
    handle.enter(|m| _ = make_list(m, 1000));
    assert!(report(&heap).poison_checked >= swept.poison_checked + 1000);
    drop(root);
}

#[test]
fn quarantine_keeps_slots_for_a_whole_cycle() {
    let heap = heap(Driver::Stepping, &[Zeal::Quarantine(100)]);
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let dead: Vec<usize> = handle.enter(|m| (0..100).map(|n| m.alloc([n; 4]).as_addr()).collect());
    let again = |handle: &mut greyset::MutatorHandle| {
        let fresh: Vec<usize> = handle.enter(|m| (0..400).map(|n| m.alloc([n; 4]).as_addr()).collect());
        fresh.iter().filter(|addr| dead.contains(addr)).count()
    };
    finish(&mut stepper);
    assert_eq!((report(&heap).quarantined, report(&heap).quarantine_released), (100, 0));
    assert_eq!(again(&mut handle), 0, "while they are kept");
    finish(&mut stepper);
    assert_eq!((report(&heap).quarantined, report(&heap).quarantine_released), (200, 100));
    assert!(again(&mut handle) > 0, "when they have been released");
    stepper.verify().expect("a sound heap");
}

#[test]
fn with_quarantine_every_use_of_a_handle_is_looked_at() {
    let heap = heap(Driver::Inline, &[Zeal::Quarantine(10)]);
    heap.mutator().enter(|m| {
        let root = make_list(m, 1).root(m);
        let weak = root.get(m).downgrade(m);
        assert!((0..10).all(|_| weak.upgrade(m).is_some()));
        assert_eq!(report(&heap).handles_checked, 11);
    });
}
