//! Modes that act on handles and finalizable objects: `handles`, `clear-weak-early`, `finalize-on-exit`, `blame`; and
//! `assert_collectable!`.

use crate::{heap, report, step_to};
use greyset::{Driver, Gc, Heap, Lock, Root, Zeal, assert_collectable};
use greyset_tests::common::{Node, finish, make_list};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn handles_are_checked_at_each_safepoint() {
    let heap = heap(Driver::Inline, &[Zeal::Handles]);
    heap.mutator().enter(|m| {
        let roots: Vec<Root<Node<'static>>> = (0..3).map(|_| make_list(m, 2).root(m)).collect();
        let weak = roots[0].get(m).downgrade(m);
        for _ in 0..10 {
            m.safepoint();
        }
        assert!(weak.upgrade(m).is_some());
    });
    assert_eq!((report(&heap).safepoints, report(&heap).handles_checked), (10, 40));
}

#[test]
fn weak_handles_are_cleared_before_phase_clear() {
    for (mode, early) in [(Zeal::ClearWeakEarly, true), (Zeal::Verify, false)] {
        let heap = heap(Driver::Stepping, &[mode]);
        let weak = heap.mutator().enter(|m| make_list(m, 1).downgrade(m));
        let kept = heap.mutator().enter(|m| make_list(m, 1).root(m));
        let other = heap.mutator().enter(|m| kept.get(m).downgrade(m));
        let mut stepper = heap.stepper();
        step_to(&mut stepper, "clear");
        assert_eq!(weak.is_cleared(), early);
        assert_eq!(report(&heap).weak_cleared, u64::from(early));
        finish(&mut stepper);
        assert!(weak.is_cleared() && !other.is_cleared());
    }
}

#[test]
fn with_clear_weak_early_a_weak_handle_needs_no_trigger() {
    let heap = heap(Driver::Inline, &[Zeal::ClearWeakEarly]);
    heap.mutator().enter(|m| {
        let weak = make_list(m, 1).downgrade(m);
        let mut safepoints = 0;
        while !weak.is_cleared() {
            m.safepoint();
            safepoints += 1;
            assert!(safepoints < 1000, "nobody asks for a cycle");
        }
        assert_eq!((report(&heap).weak_cleared, report(&heap).safepoints), (1, safepoints));
        let cycles = heap.stats().cycles;
        drop(weak);
        (0..1000).for_each(|_| m.safepoint());
        assert!(heap.stats().cycles <= cycles + 2, "no weak handle is left to ask for one");
    });
}

#[test]
fn what_is_registered_is_finalized_when_the_last_mutator_goes() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let heap = heap(driver, &[Zeal::FinalizeOnExit]);
        let queue = heap.finalizer_queue::<Node<'static>>();
        let (mut first, second) = (heap.mutator(), heap.mutator());
        let root = first.enter(|m| {
            let node = make_list(m, 5);
            queue.register(m, node);
            node.root(m)
        });
        drop(second);
        assert_eq!(queue.len(), 0, "{driver}: one is still there");
        drop(first);
        assert_eq!((queue.len(), report(&heap).finalized), (1, 1), "{driver}");
        let object = queue.poll().expect("it is there");
        assert!(object.ptr_eq(&root), "{driver}");
        heap.mutator().enter(|m| assert_eq!(object.get(m).key, 5));
        assert_eq!(queue.len(), 0, "{driver}: once");
    }
}

#[test]
fn on_exit_waits_for_a_cycle_that_runs() {
    let heap = heap(Driver::Stepping, &[Zeal::FinalizeOnExit]);
    let queue = heap.finalizer_queue::<Node<'static>>();
    let mut handle = heap.mutator();
    let root = handle.enter(|m| {
        let node = make_list(m, 5);
        queue.register(m, node);
        node.root(m)
    });
    let mut stepper = heap.stepper();
    step_to(&mut stepper, "mark");
    drop(handle);
    assert_eq!(queue.len(), 0);
    finish(&mut stepper);
    finish(&mut stepper);
    assert_eq!((queue.len(), report(&heap).finalized), (1, 1));
    stepper.verify().expect("a sound heap");
    drop(root);
}

#[test]
fn blame_notes_every_slot_write() {
    let heap = heap(Driver::Stepping, &[Zeal::Blame(16)]);
    let mut handle = heap.mutator();
    let root = handle.enter(|m| {
        let node = make_list(m, 3);
        for _ in 0..5 {
            let next = node.next.take(m);
            node.next.store(m, next);
        }
        let _ = node.next.compare_exchange(m, node.next.load(m), None);
        node.root(m)
    });
    assert_eq!(report(&heap).writes_noted, 11);
    finish(&mut heap.stepper());
    handle.enter(|m| assert!(root.get(m).next.load(m).is_none()));
}

fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    panic
        .downcast::<String>()
        .map_or_else(|panic| panic.downcast_ref::<&str>().expect("a text").to_string(), |text| *text)
}

/// A heap, a weak handle on the end of a list of three, and a root on its start.
fn kept(driver: Driver) -> (Heap, greyset::Weak<Node<'static>>, Root<Node<'static>>) {
    let heap = heap(driver, &[]);
    let (weak, root) = heap.mutator().enter(|m| {
        let first = make_list(m, 3);
        let last = first.next.load(m).and_then(|node| node.next.load(m)).expect("three");
        (last.downgrade(m), first.root(m))
    });
    (heap, weak, root)
}

#[test]
fn what_is_kept_is_told_with_the_path_that_keeps_it() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let (heap, weak, root) = kept(driver);
        let outside = panic_of(|| assert_collectable!(weak));
        let inside = panic_of(|| heap.mutator().enter(|m| assert_collectable!(m, weak)));
        for text in [outside, inside] {
            assert!(text.contains("should be garbage and has not been collected: it is reachable"), "{text}");
            assert!(text.contains("a root holds") && text.matches("Node").count() == 4, "{text}");
            assert!(text.contains("whose word at offset"), "{text}");
        }
        drop(root);
        assert_collectable!(weak);
        heap.mutator().enter(|m| assert_collectable!(m, weak));
    }
}

#[test]
fn a_path_leads_through_containers() {
    let heap = heap(Driver::Inline, &[]);
    let mut handle = heap.mutator();
    let (root, weak) = handle.enter(|m| {
        let node = make_list(m, 1);
        let cache: Gc<'_, Lock<'_, Vec<Gc<'_, Node<'_>>>>> = m.alloc(Lock::new(vec![node]));
        (cache.root(m), node.downgrade(m))
    });
    let text = panic_of(|| assert_collectable!(weak));
    assert!(text.contains("which, in memory of its own, holds"), "{text}");
    handle.enter(|m| root.get(m).write(m).clear());
    assert_collectable!(weak);
}

#[test]
fn inside_of_a_heap_it_wants_the_mutator() {
    let heap = heap(Driver::Stepping, &[]);
    let mut handle = heap.mutator();
    let weak = handle.enter(|m| make_list(m, 1).downgrade(m));
    let text = handle.enter(|_| panic_of(|| assert_collectable!(weak)));
    assert!(text.contains("inside of a heap write assert_collectable!(m, weak)"), "{text}");
}
