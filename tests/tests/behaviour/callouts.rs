//! Code that the heap calls (drop glue, cleanups, event sinks) must not wait for the collector, and everything else goes on. Drop glue
//! and cleanups may use the heap.

use greyset::{
    AllocError, Driver, Event, EventSink, Gc, Gogc, Heap, Lock, Mutator, MutatorHandle, Root, Static,
    StepOutcome, Trace, Weak, assert_collectable,
};
use greyset_tests::common::{finish, list_length, make_list, panic_of};
use std::mem::forget;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

const MUST_NOT: &str = "drop glue, cleanups and event sinks must not collect in the heap that calls them";

/// Tries to collect in its heap when it is dropped, and says what comes of it.
struct Collects(Heap, Weak<u64>, Mutex<Sender<String>>);

impl Collects {
    fn new(heap: &Heap) -> (Collects, Receiver<String>) {
        let (say, said) = channel();
        let weak = heap.mutator().enter(|m| m.alloc(7u64).downgrade(m));
        (Collects(heap.clone(), weak, Mutex::new(say)), said)
    }
}

impl Drop for Collects {
    fn drop(&mut self) {
        let say = self.2.lock().unwrap_or_else(PoisonError::into_inner);
        for attempt in [&mut || self.0.mutator().enter(|m| m.collect()), &mut || assert_collectable!(self.1)]
            as [&mut dyn FnMut(); 2]
        {
            say.send(panic_of(attempt)).expect("somebody listens");
        }
        // What it may do: ask for a cycle, and set the pace.
        self.0.request_cycle();
        self.0.set_gogc(Gogc::Percent(100)).expect("a setting");
        panic!("and this is counted");
    }
}

/// Both attempts were refused as they should be, by `reason`.
fn refused(said: &Receiver<String>, reasons: [&str; 2]) {
    for reason in reasons {
        let text = said.recv().expect("it was dropped");
        assert!(text.starts_with(reason), "{text}");
    }
}

#[test]
fn drop_glue_and_cleanups_on_the_heaps_threads_must_not_collect() {
    let heap = Heap::builder().build().expect("a heap");
    let (glue, said) = Collects::new(&heap);
    let (argument, said_later) = Collects::new(&heap);
    heap.mutator().enter(|m| {
        let kept = make_list(m, 10).root(m);
        m.alloc(Static(glue));
        m.add_cleanup(m.alloc_str("an object"), drop, argument);
        m.collect();
        refused(&said, [MUST_NOT; 2]);
        // Cleanups run after the cycle.
        m.blocking(|| refused(&said_later, [MUST_NOT; 2]));
        m.collect();
        assert_eq!((list_length(m, kept.get(m)), m.heap().stats().drop_panics), (10, 2));
    });
}

/// A mutator runs them in its safepoint, in which it is parked; or a thread that is in no heap.
#[test]
fn drop_glue_and_cleanups_at_a_safepoint_must_not_collect() {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    for inside in [true, false] {
        let (glue, said) = Collects::new(&heap);
        let (argument, said_later) = Collects::new(&heap);
        let before = heap.stats().drop_panics;
        let weak = heap.mutator().enter(|m| {
            m.alloc(Static(glue));
            m.add_cleanup(m.alloc_str("an object"), drop, argument);
            m.alloc(1u64).downgrade(m)
        });
        let collect = || match inside {
            true => heap.mutator().enter(|m| m.collect()),
            false => assert_collectable!(weak),
        };
        collect();
        refused(&said, [MUST_NOT; 2]);
        while heap.stats().drop_panics < before + 2 {
            collect();
        }
        refused(&said_later, [MUST_NOT; 2]);
    }
}

#[test]
fn drop_glue_and_cleanups_in_a_step_must_not_collect() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (glue, said) = Collects::new(&heap);
    let (argument, said_later) = Collects::new(&heap);
    heap.mutator().enter(|m| {
        m.alloc(Static(glue));
        m.add_cleanup(m.alloc_str("an object"), drop, argument);
    });
    finish(&mut heap.stepper());
    refused(&said, [MUST_NOT; 2]);
    refused(&said_later, [MUST_NOT; 2]);
    assert_eq!(heap.stats().drop_panics, 2);
}

#[derive(Trace)]
struct Shelf<'gc>(Lock<'gc, Vec<Gc<'gc, u64>>>);

/// Enters its heap when it is dropped, and uses it: a root, a lock, memory, safepoints.
struct Uses {
    handle: Mutex<MutatorHandle>,
    shelf: Root<Shelf<'static>>,
    depth: Arc<Depth>,
}

/// How many of them are at it, and how many were at most.
#[derive(Default)]
struct Depth(AtomicUsize, AtomicUsize);

impl Uses {
    fn new(heap: &Heap, shelf: &Root<Shelf<'static>>, depth: &Arc<Depth>) -> Uses {
        Uses { handle: Mutex::new(heap.mutator()), shelf: shelf.clone(), depth: Arc::clone(depth) }
    }
}

impl Drop for Uses {
    fn drop(&mut self) {
        let Depth(now, most) = &*self.depth;
        most.fetch_max(now.fetch_add(1, Relaxed) + 1, Relaxed);
        self.handle.get_mut().expect("no panic").enter(|m| {
            let list = make_list(m, 1000).root(m);
            // Where there are steps of the collector to be taken: they would call the next one.
            (0..10).for_each(|_| m.safepoint());
            assert_eq!(list_length(m, list.get(m)), 1000);
            let shelf = self.shelf.get(m).get();
            shelf.0.write(m).push(m.alloc(1));
        });
        now.fetch_sub(1, Relaxed);
    }
}

/// Spans of objects with such drop glue, and cleanups, while the mutator that collects has forgotten a guard of the lock they want.
fn all_use_the_heap(driver: Driver, collect: impl Fn(&mut Mutator)) {
    const OBJECTS: usize = 300;
    let heap = Heap::builder().driver(driver).min_heap(1 << 20).build().expect("a heap");
    let depth = Arc::new(Depth::default());
    heap.mutator().enter(|m| {
        let shelf = m.alloc(Shelf(Lock::new(Vec::new()))).root(m);
        for _ in 0..OBJECTS {
            // Large, so that they fill many spans.
            m.alloc(Static((Uses::new(&heap, &shelf, &depth), [0u64; 256])));
            m.add_cleanup(m.alloc_str("an object"), drop, Uses::new(&heap, &shelf, &depth));
        }
        forget(shelf.get(m).0.write(m));
        let done = |m: &Mutator| shelf.get(m).get().0.try_read(m).map_or(0, |all| all.len()) == 2 * OBJECTS;
        while !done(m) {
            collect(m);
            assert_eq!(heap.stats().drop_panics, 0, "{driver}");
        }
        assert_eq!(shelf.get(m).0.read(m).iter().map(|one| **one).sum::<u64>(), 2 * OBJECTS as u64);
    });
    assert_eq!(depth.1.load(Relaxed), 1, "one at a time: {driver}");
}

#[test]
fn drop_glue_and_cleanups_use_the_heap_when_a_mutator_collects() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        all_use_the_heap(driver, Mutator::collect);
    }
}

#[test]
fn drop_glue_and_cleanups_use_the_heap_at_safepoints() {
    all_use_the_heap(Driver::Inline, |m| {
        make_list(m, 1000);
        m.safepoint();
    });
}

/// Allocates when it is dropped until that is refused.
struct Fills(Heap, Sender<AllocError<[u64; 64]>>);

impl Drop for Fills {
    fn drop(&mut self) {
        self.0.mutator().enter(|m| {
            let mut kept = Vec::new();
            let refused = loop {
                match m.try_alloc([7; 64]) {
                    Ok(some) => kept.push(some.root(m)),
                    Err(error) => break error,
                }
                m.safepoint();
            };
            self.1.send(refused).expect("somebody listens");
        });
    }
}

#[test]
fn drop_glue_that_meets_the_hard_limit_gets_an_error() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let heap = Heap::builder().driver(driver).hard_limit(4 << 20).build().expect("a heap");
        let (say, said) = channel();
        heap.mutator().enter(|m| {
            m.alloc(Static(Mutex::new(Fills(heap.clone(), say))));
            m.collect();
            assert_eq!(said.recv().expect("it was dropped").into_value(), [7; 64]);
            m.collect();
            make_list(m, 1000);
        });
        assert_eq!(heap.stats().drop_panics, 0);
    }
}

/// Enters when it is dropped, and says what comes of it.
struct Enters(Heap, Mutex<Sender<String>>);

impl Drop for Enters {
    fn drop(&mut self) {
        let text = panic_of(|| self.0.mutator().enter(|m| _ = m.alloc(1u64)));
        self.1.lock().expect("no panic").send(text).expect("somebody listens");
    }
}

#[test]
fn drop_glue_called_by_a_stepper_in_a_window_cannot_enter_and_is_told_why() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (say, said) = channel();
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| {
        m.alloc(Static(Enters(heap.clone(), Mutex::new(say))));
        stepper.request();
        while stepper.step_any() != StepOutcome::Idle {
            m.safepoint();
        }
    });
    let text = said.recv().expect("it was dropped");
    assert!(text.starts_with("this thread is inside a heap already: the drop glue"), "{text}");
    assert!(text.contains("Step a Stepper") && text.contains("inside Mutator::blocking"), "{text}");
}

/// At the first event of a cycle it tries what it must not.
struct Meddles(Mutex<Option<Heap>>, Mutex<Sender<String>>);

impl EventSink for Meddles {
    fn event(&self, _: &str, event: &Event) {
        let heap = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(heap), Event::CycleStart { .. }) = (heap, event) else { return };
        let say = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let stepping = || heap.stepper().collector();
        for attempt in [
            &mut || heap.mutator().enter(|m| m.collect()),
            &mut || heap.set_gogc(Gogc::Percent(50)).expect("a setting"),
            &mut || _ = heap.release_free_memory(),
            &mut || _ = stepping(),
        ] as [&mut dyn FnMut(); 4]
        {
            say.send(panic_of(attempt)).expect("somebody listens");
        }
        panic!("and this is caught");
    }
}

#[test]
fn an_event_sink_must_not_collect_or_change_the_heap() {
    const MUST_NOT_CHANGE: &str = "an event sink must not change, step or verify the heap";
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let (say, said) = channel();
        let sink = Arc::new(Meddles(Mutex::new(None), Mutex::new(say)));
        // No zeal: a mutator may not begin the cycle by itself.
        let builder = Heap::builder().ignore_environment().driver(driver).sink(sink.clone());
        let heap = builder.build().expect("a heap");
        *sink.0.lock().expect("no panic") = Some(heap.clone());
        let list = heap.mutator().enter(|m| make_list(m, 10).root(m));
        let weak = heap.mutator().enter(|m| m.alloc(1u64).downgrade(m));
        assert_collectable!(weak);
        let stepper = match driver {
            Driver::Stepping => MUST_NOT_CHANGE,
            _ => "Heap::stepper needs",
        };
        for reason in [MUST_NOT, MUST_NOT_CHANGE, MUST_NOT_CHANGE, stepper] {
            let text = said.recv().expect("a cycle has begun");
            assert!(text.starts_with(reason), "{text}");
        }
        *sink.0.lock().expect("no panic") = None;
        heap.mutator().enter(|m| {
            m.collect();
            assert_eq!(list_length(m, list.get(m)), 10);
        });
    }
}
