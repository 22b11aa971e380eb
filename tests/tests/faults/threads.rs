//! Threads that never answer, die inside a window, or end with handles in their thread-local variables.

use greyset::{Driver, Event, EventSink, Heap, MutatorHandle, Root, StepOutcome};
use greyset_tests::common::{Drops, Node, finish, list_length, make_list, objects};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Tells who did not reach a safepoint.
struct Watchdog(Mutex<Sender<String>>);

impl EventSink for Watchdog {
    fn event(&self, _: &str, event: &Event) {
        if let Event::Watchdog { name, .. } = event {
            let tell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = tell.send(name.as_deref().unwrap_or_default().to_owned());
        }
    }
}

/// A mutator sits in a window and never polls: it is reported by name; others allocate up to the limit, which is an error and
/// no wait; when it goes on at last, the cycle ends and there is room.
#[test]
fn a_mutator_never_polls() {
    const LIMIT: u64 = 8 << 20;
    let (report, reported) = channel();
    let builder = Heap::builder().ignore_environment().hard_limit(LIMIT).watchdog(Duration::from_millis(1));
    let heap = builder.sink(Arc::new(Watchdog(Mutex::new(report)))).build().expect("a heap");
    let (entered, is_entered) = channel();
    let (release, released) = channel::<()>();
    let stuck = {
        let heap = heap.clone();
        thread::spawn(move || {
            heap.mutator_named("stuck").enter(|m| {
                let list = make_list(m, 100);
                entered.send(()).expect("somebody waits");
                let _ = released.recv();
                list_length(m, list)
            })
        })
    };
    is_entered.recv().expect("it enters");
    let mut handle = heap.mutator_named("busy");
    handle.enter(|m| {
        let kept = make_list(m, 100).root(m);
        m.heap().request_cycle();
        assert_eq!(reported.recv().expect("a report"), "stuck");
        let mut refused = 0;
        while refused < 3 {
            refused += u32::from(m.try_alloc_bytes(&[0; 10_000]).is_err());
            m.safepoint();
        }
        assert_eq!(list_length(m, kept.get(m)), 100);
        assert_eq!(m.heap().stats().cycles, 0, "the cycle waits");
        release.send(()).expect("it waits");
        m.collect();
        assert!(m.try_alloc_bytes(&[0; 10_000]).is_ok(), "there is room again");
        assert_eq!(list_length(m, kept.get(m)), 100);
    });
    assert_eq!(stuck.join().expect("no panic"), 100);
}

/// A mutator sits in a window while the last `Heap` goes: that returns at once, and the heap ends with the window's handle.
#[test]
fn a_heap_is_dropped_while_a_mutator_never_polls() {
    let heap = Heap::builder().build().expect("a heap");
    let drops = Drops::default();
    let (entered, is_entered) = channel();
    let (release, released) = channel::<()>();
    let stuck = {
        let (mut handle, drops) = (heap.mutator(), drops.clone());
        thread::spawn(move || {
            handle.enter(|m| {
                m.alloc(drops.value());
                let list = make_list(m, 100);
                entered.send(()).expect("somebody waits");
                let _ = released.recv();
                list_length(m, list)
            })
        })
    };
    is_entered.recv().expect("it enters");
    heap.request_cycle();
    drop(heap);
    assert_eq!(drops.count(), 0);
    drop(release);
    assert_eq!(stuck.join().expect("no panic"), 100);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_thread_dies_in_its_window() {
    let heap = Heap::builder().min_heap(64 << 10).build().expect("a heap");
    let drops = Drops::default();
    for round in 0..20 {
        let (heap, drops) = (heap.clone(), drops.clone());
        let died = thread::spawn(move || {
            let mut handle = heap.mutator_named("mortal");
            heap.request_cycle();
            handle.enter(|m| {
                let _root = make_list(m, 100).root(m);
                (0..round * 10).for_each(|_| _ = m.alloc(drops.value()));
                panic!("the thread dies");
            })
        });
        died.join().map(|()| unreachable!("it panics")).expect_err("it panics");
    }
    assert_eq!(heap.stats().mutators, 0, "their handles went with them");
    heap.mutator().enter(|m| {
        m.collect();
        assert_eq!((objects(&heap), drops.count()), (0, 10 * 190));
    });
}

thread_local! {
    static HANDLE: RefCell<Option<(MutatorHandle, Root<Node<'static>>)>> = const { RefCell::new(None) };
}

/// The thread's end detaches its mutator and drops its root; both may be the last of their heap.
#[test]
fn handles_go_with_thread_local_variables() {
    let drops = Drops::default();
    for panics in [false, true] {
        let heap = Heap::builder().build().expect("a heap");
        let other = heap.clone();
        let given = drops.clone();
        let thread = thread::spawn(move || {
            let mut handle = other.mutator();
            let root = handle.enter(|m| {
                m.alloc(given.value());
                make_list(m, 10).root(m)
            });
            HANDLE.set(Some((handle, root)));
            drop(other);
            if panics {
                HANDLE.with_borrow_mut(|kept| {
                    let (handle, root) = kept.as_mut().expect("just set");
                    handle.enter(|m| {
                        assert_eq!(list_length(m, root.get(m)), 10);
                        panic!("and it dies in a window");
                    })
                })
            }
        });
        assert_eq!(thread.join().is_err(), panics);
        assert_eq!(heap.stats().mutators, 0);
        heap.mutator().enter(|m| m.collect());
        assert_eq!(objects(&heap), 0);
    }
    assert_eq!(drops.count(), 2);
    // The last handle of a heap, with threads of its own.
    let last = Heap::builder().build().expect("a heap");
    let given = drops.clone();
    let thread = thread::spawn(move || {
        let mut handle = last.mutator();
        let root = handle.enter(|m| {
            m.alloc(given.value());
            m.collect();
            m.alloc(given.value());
            make_list(m, 10).root(m)
        });
        HANDLE.set(Some((handle, root)));
    });
    thread.join().expect("no panic");
    assert_eq!(drops.count(), 4, "the heap ended with the thread");
}

/// One thread verifies all the time, another steps the collector, a third attaches, allocates and detaches: nothing is found wrong,
/// nothing is read that is freed, and nothing is lost.
#[test]
fn a_heap_is_verified_while_others_step_sweep_and_allocate() {
    const CYCLES: u64 = 400;
    // No zeal: a verification would take too long.
    let builder = Heap::builder().ignore_environment().driver(Driver::Stepping).gogc_off();
    let heap = builder.build().expect("a heap");
    let (drops, made, steps) = (Drops::default(), AtomicU64::new(0), AtomicU64::new(0));
    let done = || heap.stats().cycles >= CYCLES;
    let mut others = heap.mutator();
    thread::scope(|scope| {
        scope.spawn(|| {
            let stepper = heap.stepper();
            while !done() {
                let seen = steps.load(Ordering::Relaxed);
                stepper.verify().unwrap_or_else(|blame| panic!("{blame}"));
                // Not at once again: locks are not fair, and nobody else got one for minutes.
                while steps.load(Ordering::Relaxed) == seen && !done() {
                    thread::yield_now();
                }
            }
        });
        scope.spawn(|| {
            let mut stepper = heap.stepper();
            while !done() {
                let root = heap.mutator().enter(|m| make_list(m, 1000).root(m));
                heap.request_cycle();
                while stepper.step_any() != StepOutcome::Idle {
                    steps.fetch_add(1, Ordering::Relaxed);
                }
                drop(root);
                heap.release_free_memory();
            }
        });
        while !done() {
            for handle in [&mut others, &mut heap.mutator()] {
                handle.enter(|m| {
                    m.alloc(drops.value());
                    made.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(list_length(m, make_list(m, 10)), 10);
                });
            }
        }
    });
    drop(others);
    finish(&mut heap.stepper());
    finish(&mut heap.stepper());
    assert_eq!((objects(&heap), drops.count()), (0, made.load(Ordering::Relaxed)));
}
