//! Guards, handles and steppers given to `mem::forget`.

use greyset::{Driver, Gc, Heap, Lock, StepOutcome, Stepper, Trace};
use greyset_tests::common::{Drops, finish, list_length, make_list, objects};
use std::mem::forget;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

/// A whole cycle by a mutator, which must not wait for the stepper that has marked a little of it.
fn collect_besides_a_stepper(look_after: impl FnOnce(Stepper) -> Option<Stepper>) {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut handle = heap.mutator();
    let list = handle.enter(|m| make_list(m, 1000).root(m));
    let mut stepper = heap.stepper();
    stepper.request();
    while stepper.collector() != StepOutcome::AwaitMarkers {}
    assert!(stepper.mark(1), "there is more to mark");
    let kept = look_after(stepper);
    let (say, said) = channel();
    let collector = spawn(move || {
        handle.enter(|m| {
            make_list(m, 10);
            m.collect();
            say.send((list_length(m, list.get(m)), m.heap().stats().cycles)).expect("somebody listens");
        });
    });
    // The cycle under way, and a whole one that begins after the call.
    assert_eq!(said.recv_timeout(Duration::from_secs(60)), Ok((1000, 2)));
    collector.join().expect("no panic");
    drop(kept);
}

#[test]
fn a_stepper_forgotten_or_idle_while_it_marks_holds_nobody_up() {
    collect_besides_a_stepper(|stepper| {
        forget(stepper);
        None
    });
    collect_besides_a_stepper(Some);
    collect_besides_a_stepper(|stepper| {
        drop(stepper);
        None
    });
}

#[derive(Trace)]
struct Bag<'gc>(Lock<'gc, Vec<Gc<'gc, greyset_tests::common::Node<'gc>>>>);

#[test]
fn a_forgotten_handle_stays_parked_and_holds_nobody_up() {
    let heap = Heap::builder().build().expect("a heap");
    let mut handle = heap.mutator();
    handle.enter(|m| _ = make_list(m, 10));
    forget(handle);
    heap.mutator().enter(|m| {
        make_list(m, 10);
        m.collect();
        m.collect();
    });
    assert_eq!((heap.stats().mutators, objects(&heap)), (1, 0));
}

#[test]
fn a_forgotten_root_keeps_its_object() {
    let (heap, drops) = (Heap::builder().build().expect("a heap"), Drops::default());
    heap.mutator().enter(|m| {
        forget(m.alloc(drops.value()).root(m));
        m.collect();
        m.collect();
    });
    assert_eq!((objects(&heap), drops.count()), (1, 0));
}

/// A guard is forgotten after so many steps of a cycle; what was put in through it is there afterwards.
fn forget_a_guard_after(steps: usize, writing: bool) {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let bag = handle.enter(|m| m.alloc(Bag(Lock::new(vec![make_list(m, 10)]))).root(m));
    stepper.request();
    handle.enter(|m| {
        for _ in 0..steps {
            if stepper.step_any() == StepOutcome::AwaitMutators {
                m.safepoint();
            }
        }
        let bag = bag.get(m);
        if writing {
            let mut guard = bag.0.write(m);
            guard.clear();
            guard.push(make_list(m, 20));
            forget(guard);
            assert!(bag.0.try_write(m).is_none(), "it counts until the window ends");
        } else {
            let guard = bag.0.read(m);
            assert_eq!(guard.len(), 1);
            forget(guard);
        }
    });
    finish(&mut stepper);
    finish(&mut stepper);
    stepper.verify().expect("a sound heap");
    handle.enter(|m| {
        make_list(m, 1000);
        let mut items = bag.get(m).get().0.write(m);
        assert_eq!(list_length(m, items[0]), if writing { 20 } else { 10 });
        items.clear();
    });
    finish(&mut stepper);
    finish(&mut stepper);
    assert_eq!(objects(&heap), 1, "after {steps} steps");
}

#[test]
fn a_forgotten_guard_holds_nobody_up() {
    for steps in 0..30 {
        forget_a_guard_after(steps, true);
        forget_a_guard_after(steps, false);
    }
}
