//! Objects that are handed to a queue when nobody reaches them any more.

use greyset::{Driver, Heap, Root, StepOutcome};
use greyset_tests::common::{Node, finish, list_length, make_list};

/// Polls after `steps` steps in phase Clear, and takes what it gets apart at once. False if it got nothing.
fn take_apart_after(steps: usize) -> bool {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut stepper = heap.stepper();
    let queue = heap.finalizer_queue::<Node<'static>>();
    let mut handle = heap.mutator();
    handle.enter(|m| queue.register(m, make_list(m, 10)));
    stepper.request();
    while stepper.phase() != "clear" {
        assert_ne!(stepper.step_any(), StepOutcome::Idle);
    }
    for _ in 0..steps {
        assert_ne!(stepper.collector(), StepOutcome::Idle);
    }
    let polled_in_clear = stepper.phase() == "clear";
    let rest: Option<Root<Node<'static>>> = handle.enter(|m| {
        let first = queue.poll()?;
        let first = first.get(m);
        let rest = first.next.swap(m, None)?;
        // The window stays open until the collector can do no more without it.
        while stepper.collector() == StepOutcome::Worked {}
        Some(rest.root(m))
    });
    finish(&mut stepper);
    if let Some(rest) = rest {
        stepper.verify().expect("what a finalizer takes out of its object stays");
        handle.enter(|m| {
            make_list(m, 1000);
            assert_eq!(list_length(m, rest.get(m)), 9, "after {steps} steps in Clear");
        });
    }
    polled_in_clear
}

#[test]
fn a_finalizable_object_may_be_taken_apart_at_once() {
    let mut steps = 0;
    while take_apart_after(steps) {
        steps += 1;
        assert!(steps < 100, "phase Clear ends");
    }
    assert!(steps > 3, "phase Clear has steps");
}

#[test]
fn a_queue_that_is_dropped_lets_go_of_what_waits_in_it() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let queue = heap.finalizer_queue::<Node<'static>>();
    let other = queue.clone();
    let weak = handle.enter(|m| {
        let list = make_list(m, 10);
        queue.register(m, list);
        list.next.load(m).expect("ten").downgrade(m)
    });
    finish(&mut stepper);
    assert_eq!((queue.len(), other.len()), (1, 1));
    assert!(weak.is_cleared(), "weak handles on what a finalizable object reaches are cleared, too");
    drop(queue);
    assert_eq!(other.len(), 1);
    drop(other);
    finish(&mut stepper);
    assert_eq!(heap.census().rows().iter().map(|row| row.objects).sum::<u64>(), 0);
    handle.enter(|m| heap.finalizer_queue::<Node<'static>>().register(m, make_list(m, 10)));
    finish(&mut stepper);
    assert_eq!(heap.census().rows().iter().map(|row| row.objects).sum::<u64>(), 0, "no queue, no life after");
}
