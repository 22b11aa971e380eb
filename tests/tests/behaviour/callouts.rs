//! Code that the heap calls (drop glue, cleanups, event sinks) must not wait for the collector, and everything else goes on.

use greyset::{Driver, Event, EventSink, Gogc, Heap, Static, Weak, assert_collectable};
use greyset_tests::common::{finish, list_length, make_list, panic_of};
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

/// A mutator runs them in its safepoint, in which it may not enter again. Outside of the heap it may, but not collect.
#[test]
fn drop_glue_and_cleanups_at_a_safepoint_must_not_collect() {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    for inside in [true, false] {
        let reasons = match inside {
            true => ["this thread is inside a heap already", "assert_collectable! with a handle alone"],
            false => [MUST_NOT; 2],
        };
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
        refused(&said, reasons);
        while heap.stats().drop_panics < before + 2 {
            collect();
        }
        refused(&said_later, reasons);
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
