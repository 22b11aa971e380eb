//! A weak upgrade that is overtaken by phase Clear: the collector moves between the load of the slot and the judgement.
//!
//! Needs the choice points: `cargo test -p greyset --features sim --test weak_upgrade`.

#![cfg(feature = "sim")]

use greyset::{Driver, Gc, Heap, Mutator, Root, Slot, StepOutcome, Stepper, Trace};
use greyset_sync::Point;
use greyset_sync::sim::{Hooks, set_hooks};
use std::cell::RefCell;

thread_local! {
    /// The collector, and how many steps it takes at the next judgement of a weak slot.
    static COLLECTOR: RefCell<Option<(Stepper, usize)>> = const { RefCell::new(None) };
}

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
}

fn list(m: &Mutator, length: u64) -> Gc<'_, Node<'_>> {
    let next = if length > 1 { Slot::new(Some(list(m, length - 1))) } else { Slot::empty() };
    m.alloc(Node { key: length, next })
}

fn with_collector<R>(body: impl FnOnce(&mut Stepper, &mut usize) -> R) -> R {
    COLLECTOR.with_borrow_mut(|collector| {
        let (stepper, steps) = collector.as_mut().expect("it was put in");
        body(stepper, steps)
    })
}

/// A scheduler with one task, whose collector moves at one point.
static HOOKS: Hooks = Hooks {
    point: |at| {
        if at == Point::WeakJudge {
            set_hooks(None);
            with_collector(|stepper, steps| (0..*steps).for_each(|_| _ = stepper.collector()));
        }
    },
    blocked: |_| unreachable!("nobody else holds a lock"),
    sleep: |_| (),
    spawn: |_, _| unreachable!("a stepping heap has no threads"),
    wake: |_| (),
    is_finished: |_| true,
    task: || 1,
    now: || 0,
    fail: |what| panic!("{what}"),
    held: Vec::new,
    keeps_story: || false,
    tell: |_| (),
    blame: |_| String::new(),
};

fn upgrade_overtaken_by(steps: usize) {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut stepper = heap.stepper();
    let mut handle = heap.mutator();
    let queue = heap.finalizer_queue::<Node<'static>>();
    let weak = handle.enter(|m| {
        let first = list(m, 10);
        queue.register(m, first);
        first.downgrade(m)
    });
    stepper.request();
    while stepper.phase() != "clear" {
        assert_ne!(stepper.step_any(), StepOutcome::Idle);
    }
    COLLECTOR.set(Some((stepper, steps)));
    let rest: Option<Root<Node<'static>>> = handle.enter(|m| {
        set_hooks(Some(&HOOKS));
        let first = weak.upgrade(m);
        set_hooks(None);
        let rest = first.and_then(|first| first.next.swap(m, None));
        while with_collector(|stepper, _| stepper.collector()) == StepOutcome::Worked {}
        rest.map(|rest| rest.root(m))
    });
    with_collector(|stepper, _| while stepper.step_any() != StepOutcome::Idle {});
    with_collector(|stepper, _| while stepper.sweep(64) {});
    with_collector(|stepper, _| stepper.verify()).expect("what was handed out stays");
    handle.enter(|m| {
        let mut at = rest.as_ref().map(|rest| rest.get(m));
        for key in (1..10).rev().take_while(|_| rest.is_some()) {
            let node = at.expect("it is there");
            assert_eq!(node.key, key, "overtaken by {steps} steps");
            at = node.next.load(m);
        }
    });
    COLLECTOR.set(None);
}

#[test]
fn an_upgrade_may_be_overtaken_by_phase_clear() {
    (0..16).for_each(upgrade_overtaken_by);
}
