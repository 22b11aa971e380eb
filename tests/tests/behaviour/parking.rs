//! Windows hold the collector up, parked mutators do not.

use greyset::{Driver, Heap, Slot, StepOutcome, Stepper};
use greyset_tests::common::{Node, finish, list_length, make_list, objects, panic_of};
use std::sync::mpsc::channel;
use std::thread;

#[test]
fn a_cycle_waits_for_a_window_and_for_nothing_else() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut stepper = heap.stepper();
    let mut handle = heap.mutator();
    let _parked: Vec<_> = (0..10).map(|_| heap.mutator()).collect();
    handle.enter(|m| {
        let list = make_list(m, 10).root(m);
        stepper.request();
        let mut windows = 0;
        loop {
            match stepper.step_any() {
                StepOutcome::AwaitMutators => {
                    assert_eq!(
                        stepper.step_any(),
                        StepOutcome::AwaitMutators,
                        "still in {}",
                        stepper.phase()
                    );
                    windows += 1;
                    m.safepoint();
                }
                StepOutcome::Idle => break,
                _ => {}
            }
        }
        assert!((4..20).contains(&windows), "handshakes 1, 2 and 3 and two rounds: {windows}");
        assert_eq!(list_length(m, list.get(m)), 10);
        m.blocking(|| finish(&mut stepper));
        assert_eq!(m.heap().stats().cycles, 2, "nothing waits for a mutator that blocks");
    });
    finish(&mut stepper);
    assert_eq!(heap.stats().cycles, 3);
}

#[test]
fn other_mutators_collect_while_one_blocks() {
    let heap = Heap::builder().build().expect("a heap");
    let (tell, told) = channel();
    let (answer, answered) = channel();
    thread::scope(|scope| {
        let heap = &heap;
        scope.spawn(move || {
            heap.mutator().enter(|m| {
                let list = make_list(m, 100).root(m);
                m.blocking(|| {
                    tell.send(()).expect("somebody listens");
                    answered.recv().expect("an answer");
                });
                assert_eq!(list_length(m, list.get(m)), 100);
            });
        });
        told.recv().expect("it blocks");
        heap.mutator().enter(|m| {
            for _ in 0..5 {
                make_list(m, 1000);
                m.collect();
            }
        });
        answer.send(()).expect("it waits");
    });
    assert!(heap.stats().cycles >= 5);
}

#[test]
fn a_handle_moves_between_threads() {
    let heap = Heap::builder().build().expect("a heap");
    let mut handle = heap.mutator();
    let mut list = handle.enter(|m| make_list(m, 10).root(m));
    for _ in 0..20 {
        (handle, list) = thread::spawn(move || {
            handle.enter(|m| {
                assert_eq!(list_length(m, list.get(m)), 10);
                list = make_list(m, 10).root(m);
                m.collect();
            });
            (handle, list)
        })
        .join()
        .expect("no panic");
    }
    assert_eq!(heap.stats().mutators, 1);
}

#[test]
fn a_panic_in_a_window_leaves_the_handle_usable() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let list = handle.enter(|m| make_list(m, 10).root(m));
    let steps = |stepper: &mut Stepper, steps: usize| {
        stepper.request();
        (0..steps).for_each(|_| _ = stepper.step_any());
    };
    for before in 0..30 {
        steps(&mut stepper, before);
        let message = panic_of(|| {
            handle.enter(|m| {
                let first = list.get(m);
                first.next.store(m, first.next.load(m));
                panic!("in a window");
            });
        });
        assert_eq!(message, "in a window");
        finish(&mut stepper);
        handle.enter(|m| assert_eq!(list_length(m, list.get(m)), 10));
    }
    stepper.verify().expect("a sound heap");
}

/// After `steps` steps of a cycle a mutator changes the list in a window and is dropped; another one goes on.
fn hand_over_after(steps: usize, inside: bool) {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut keeper) = (heap.stepper(), heap.mutator());
    let (mut leaver, mut other) = (heap.mutator(), heap.mutator());
    let list = keeper.enter(|m| make_list(m, 50).root(m));
    stepper.request();
    other.enter(|m| {
        for _ in 0..steps {
            if stepper.step_any() == StepOutcome::AwaitMutators {
                m.safepoint();
            }
        }
        if inside {
            // Attached and detached by a thread that is inside a window of its own.
            (0..3).for_each(|_| drop(heap.mutator()));
        }
    });
    // The second half of the list hangs on a new root only, made and unlinked in the last window of the one that leaves.
    let half = leaver.enter(|m| {
        let mut at = list.get(m);
        for _ in 0..24 {
            at = at.next.load(m).expect("fifty");
        }
        at.next.swap(m, None).expect("fifty").root(m)
    });
    drop(leaver);
    let mut newcomer = heap.mutator();
    let half = newcomer.enter(|m| m.alloc(Node { key: 26, next: Slot::new(Some(half.get(m))) }).root(m));
    finish(&mut stepper);
    finish(&mut stepper);
    stepper.verify().expect("a sound heap");
    keeper.enter(|m| {
        make_list(m, 1000);
        assert_eq!(list_length(m, half.get(m)), 26, "after {steps} steps");
        assert_eq!(list.get(m).key, 50);
    });
    assert_eq!(heap.stats().mutators, 3);
}

#[test]
fn mutators_attach_and_detach_at_any_step_of_a_cycle() {
    for steps in 0..40 {
        hand_over_after(steps, false);
        hand_over_after(steps, true);
    }
}

/// A stepper has marked `marked` objects, and holds what they refer to, when it is dropped: the next one finds the rest.
#[test]
fn a_stepper_may_go_in_the_middle_of_marking() {
    for marked in 1..20 {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
        let root = handle.enter(|m| m.alloc_array(100, |length| make_list(m, 1 + length as u64)).root(m));
        handle.enter(|m| _ = make_list(m, 10));
        stepper.request();
        while stepper.collector() != StepOutcome::AwaitMarkers {}
        for objects in 1..=marked {
            assert!(stepper.mark(objects), "there is more");
            stepper = heap.stepper();
        }
        let mut steps = 0;
        while stepper.step_any() != StepOutcome::Idle {
            steps += 1;
            assert!(steps < 10_000, "the cycle ends");
        }
        stepper.verify().expect("a sound heap");
        handle.enter(|m| {
            let rows = root.get(m);
            assert!((0..100).all(|at| list_length(m, rows[at as usize]) == 1 + at));
        });
        assert_eq!(objects(&heap), 1 + 5050);
    }
}
