//! Programs that panic where the heap calls them: the n-th `trace`, destructor, cleanup; a finalizer; the window itself.

use greyset::{Driver, Gc, Heap, Lock, Shape, Shaped, Slot, Static, StepOutcome, Trace, Tracer};
use greyset_tests::common::{Counted, Drops, Node, finish, list_length, make_list, objects, panic_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts down at each call, and panics when it comes to 0.
#[derive(Clone, Default)]
struct Fuse(Arc<AtomicU64>);

impl Fuse {
    fn set(&self, calls: u64) {
        self.0.store(calls, Ordering::Relaxed);
    }

    /// Whether it has not gone off.
    fn is_left(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn burn(&self) {
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        assert_ne!(before, Ok(1), "the fuse has gone off");
    }
}

// SAFETY: holds no reference, is `Send + Sync`, borrows nothing.
unsafe impl<'gc> Trace<'gc> for Fuse {
    fn trace(&self, _: &mut Tracer<'gc>) {
        self.burn();
    }
}

// SAFETY: a call covers everything.
unsafe impl<'gc> Shaped<'gc> for Fuse {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = 91;
}

#[derive(Trace)]
struct Link<'gc> {
    fuse: Fuse,
    next: Slot<'gc, Link<'gc>>,
    list: Option<Gc<'gc, Node<'gc>>>,
    drops: Static<Counted>,
}

const LINKS: u64 = 12;

/// A chain of `LINKS`, each with a list.
fn chain<'gc>(m: &'gc greyset::Mutator, fuse: &Fuse, drops: &Drops) -> Gc<'gc, Link<'gc>> {
    let mut head = None;
    for _ in 0..LINKS {
        let list = Some(make_list(m, 5));
        let link = Link { fuse: fuse.clone(), next: Slot::new(head), list, drops: drops.value() };
        head = Some(m.alloc(link));
    }
    head.expect("links")
}

#[test]
fn the_nth_trace_panics() {
    for driver in [Driver::Background, Driver::Inline] {
        // The fuse is for the cycle that the test asks for: none else runs, and no verifier traces.
        let heap = Heap::builder().ignore_environment().driver(driver).build().expect("a heap");
        let (fuse, mut panics) = (Fuse::default(), 0);
        loop {
            let drops = Drops::default();
            heap.mutator().enter(|m| {
                let kept = chain(m, &fuse, &drops).root(m);
                let weak = chain(m, &fuse, &drops).downgrade(m);
                fuse.set(panics + 1);
                m.collect();
                let went_off = !fuse.is_left();
                fuse.set(0);
                assert_eq!(
                    weak.upgrade(m).is_some(),
                    went_off,
                    "nothing dies in a cycle that could not see all"
                );
                let (mut at, mut links) = (Some(kept.get(m)), 0);
                while let Some(link) = at {
                    assert_eq!(list_length(m, link.list.expect("a list")), 5);
                    (at, links) = (link.next.load(m), links + 1);
                }
                assert_eq!((links, drops.count()), (LINKS, if went_off { 0 } else { LINKS }));
                if went_off {
                    panics += 1;
                }
                assert_eq!(heap.stats().trace_panics, panics);
                m.collect();
                assert_eq!(
                    (weak.upgrade(m).is_none(), drops.count()),
                    (true, LINKS),
                    "the next cycle is whole"
                );
            });
            heap.mutator().enter(|m| m.collect());
            if panics == LINKS {
                break;
            }
        }
        assert_eq!(objects(&heap), 0);
    }
}

#[derive(Trace)]
struct Bag<'gc> {
    fuse: Fuse,
    list: Option<Gc<'gc, Node<'gc>>>,
}

/// While marking runs a mutator that takes a `Lock` traces what is behind it: in mode Both when it takes it and when it lets go, in mode
/// Deletion when it takes it first. At each step of a cycle the `nth` of these panics; how often one did.
fn the_trace_of_a_lock_panics(nth: u64) -> u64 {
    let heap = Heap::builder().ignore_environment().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let fuse = Fuse::default();
    let bag = handle.enter(|m| {
        let list = Some(make_list(m, 3));
        m.alloc(Lock::new(Bag { fuse: fuse.clone(), list })).root(m)
    });
    let (mut panics, mut length) = (0, 3);
    for steps in 0..25 {
        stepper.request();
        handle.enter(|m| {
            for _ in 0..steps {
                if stepper.step_any() == StepOutcome::AwaitMutators {
                    m.safepoint();
                }
            }
            let next = length + 1;
            // Made before: an allocation may mark, and trace the bag for the collector.
            let list = Some(make_list(m, next));
            fuse.set(nth);
            let written = catch_unwind(AssertUnwindSafe(|| bag.get(m).write(m).list = list));
            let went_off = !fuse.is_left();
            fuse.set(0);
            assert_eq!(written.is_err(), went_off, "the panic is the mutator's own");
            panics += u64::from(went_off);
            if !went_off || nth == 2 {
                length = next;
            }
            // The lock is free, and nothing behind it is lost.
            let held = bag.get(m).try_write(m).expect("who has panicked has let go").list;
            assert_eq!(list_length(m, held.expect("a list")), length, "after {steps} steps");
            stepper.verify().expect("a sound heap");
        });
        finish(&mut stepper);
        handle.enter(|m| {
            let held = bag.get(m).with(m, |bag| bag.list).expect("a list");
            assert_eq!(list_length(m, held), length, "a cycle later, after {steps} steps");
        });
        finish(&mut stepper);
        stepper.verify().expect("a sound heap");
        assert_eq!(objects(&heap), 1 + length, "the next cycle is whole");
    }
    panics
}

#[test]
fn the_trace_of_a_lock_panics_when_a_mutator_takes_it_and_when_it_lets_go() {
    let [taking, letting_go, never] = [1, 2, 3].map(the_trace_of_a_lock_panics);
    assert!(0 < letting_go && letting_go < taking && taking < 25, "{taking} and {letting_go} of 25");
    assert_eq!(never, 0);
}

/// Panics when it is dropped and its fuse goes off.
struct Fragile(Fuse, Drops);

impl Drop for Fragile {
    fn drop(&mut self) {
        drop(self.1.value());
        self.0.burn();
    }
}

#[test]
fn the_nth_destructor_and_the_nth_cleanup_panic() {
    for driver in [Driver::Background, Driver::Inline] {
        for nth in 1..=22 {
            let heap = Heap::builder().driver(driver).build().expect("a heap");
            let (fuse, drops) = (Fuse::default(), Drops::default());
            heap.mutator().enter(|m| {
                let kept = make_list(m, 10).root(m);
                for _ in 0..10 {
                    let object = m.alloc(Static(Fragile(fuse.clone(), drops.clone())));
                    m.add_cleanup(object, drop, Fragile(fuse.clone(), drops.clone()));
                }
                fuse.set(nth);
                while drops.count() < 20 {
                    m.collect();
                }
                m.collect();
                assert_eq!(drops.count(), 20, "each once");
                assert_eq!(heap.stats().drop_panics, u64::from(nth <= 20), "panic {nth} is counted");
                assert_eq!((list_length(m, kept.get(m)), objects(&heap)), (10, 10));
            });
        }
    }
}

#[test]
fn a_finalizer_panics() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let queue = heap.finalizer_queue::<Node<'static>>();
    handle.enter(|m| (1..=3).for_each(|length| queue.register(m, make_list(m, length))));
    finish(&mut stepper);
    let (mut finalized, mut panics) = (0, 0);
    while !queue.is_empty() {
        let run = || {
            handle.enter(|m| {
                let object = queue.poll().expect("it is not empty");
                finalized += list_length(m, object.get(m));
                assert_ne!(object.get(m).key, 2, "the finalizer of the list of two panics");
            });
        };
        panics += u32::from(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
    assert_eq!((finalized, panics), (6, 1), "the others come all the same, and nobody twice");
    finish(&mut stepper);
    assert_eq!((queue.len(), objects(&heap)), (0, 0));
}

#[test]
fn a_window_panics_while_things_are_half_done() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let drops = Drops::default();
    for steps in 0..25 {
        stepper.request();
        let message = panic_of(|| {
            handle.enter(|m| {
                for _ in 0..steps {
                    if stepper.step_any() == StepOutcome::AwaitMutators {
                        m.safepoint();
                    }
                }
                let _root = make_list(m, 10).root(m);
                let bag = m.alloc(Lock::new(vec![make_list(m, 3)]));
                let _guard = bag.write(m);
                m.alloc_array(5, |at| {
                    assert!(at < 3, "the element cannot be made");
                    drops.value()
                });
            });
        });
        assert_eq!(message, "the element cannot be made");
        finish(&mut stepper);
        finish(&mut stepper);
        stepper.verify().expect("a sound heap");
        assert_eq!((objects(&heap), drops.count()), (0, 3 * (steps + 1)), "after {steps} steps");
    }
}
