//! What is reserved and not filled yet is nobody's: no destructor sees it, whatever lay there before.
//!
//! Arrays of values with drop glue once had their elements dropped before they were made, in an unoptimised build; the profile
//! of the tests builds this package unoptimised.

use greyset::{Array, Driver, Heap, Mutator, Root, Slot, Static, StepOutcome, Trace, Weak};
use greyset_tests::common::{Drops, Node, finish, make_list, panic_of};

#[derive(Trace)]
struct Observer {
    seen: Weak<Node<'static>>,
    drops: Static<greyset_tests::common::Counted>,
}

fn observer(m: &Mutator, drops: &Drops) -> Observer {
    Observer { seen: make_list(m, 2).downgrade(m), drops: drops.value() }
}

/// Objects with a `Weak`, alone and in arrays of all sizes; a few are kept. Returns how many observers were made.
fn populate(m: &Mutator, drops: &Drops, kept: &mut Vec<Root<Array<'static, Observer>>>) -> u64 {
    let mut made = 0;
    for len in [0, 1, 2, 3, 7, 50, 400, 3000] {
        let array = m.alloc_array(len, |_| observer(m, drops));
        m.alloc(observer(m, drops));
        m.alloc_array(len, |_| Slot::<Node>::empty());
        made += len as u64 + 1;
        if len % 2 == 1 {
            kept.push(array.root(m));
        }
    }
    made
}

fn finish_all(heap: Heap, drops: &Drops, made: u64, kept: Vec<Root<Array<'static, Observer>>>) {
    heap.mutator().enter(|m| {
        for array in &kept {
            assert!(array.get(m).iter().all(|observer| observer.seen.upgrade(m).is_none()));
        }
    });
    let live: u64 = heap.mutator().enter(|m| kept.iter().map(|array| array.get(m).len() as u64).sum());
    assert_eq!(drops.count(), made - live);
    drop((kept, heap));
    assert_eq!(drops.count(), made);
}

#[test]
fn arrays_of_weak_handles_are_dropped_once() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = Heap::builder().min_heap(64 << 10).driver(driver).build().expect("a heap");
        let (drops, mut made, mut kept) = (Drops::default(), 0, Vec::new());
        heap.mutator().enter(|m| {
            for _ in 0..6 {
                made += populate(m, &drops, &mut kept);
                kept.truncate(5);
                m.collect();
            }
            m.collect();
        });
        finish_all(heap, &drops, made, kept);
    }
}

#[test]
fn arrays_may_be_under_construction_at_any_step_of_a_cycle() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut stepper = heap.stepper();
    let (drops, mut made, mut kept) = (Drops::default(), 0, Vec::new());
    for _ in 0..3 {
        heap.mutator().enter(|m| made += populate(m, &drops, &mut kept));
    }
    kept.truncate(3);
    let mut handle = heap.mutator();
    for steps in 0..40 {
        stepper.request();
        handle.enter(|m| {
            for _ in 0..steps {
                if stepper.step_any() == StepOutcome::AwaitMutators {
                    m.safepoint();
                }
            }
            // Steps between the elements: slot and array are there, not all of the values.
            m.alloc_array(9, |_| {
                let _ = stepper.step_any();
                observer(m, &drops)
            });
            let message = panic_of(|| {
                m.alloc_array(9, |at| {
                    let _ = stepper.step_any();
                    assert!(at < 4, "no more elements");
                    observer(m, &drops)
                });
            });
            assert_eq!(message, "no more elements");
            made += 13;
        });
        finish(&mut stepper);
    }
    finish(&mut stepper);
    stepper.verify().expect("a sound heap");
    drop((stepper, handle));
    finish_all(heap, &drops, made, kept);
}
