//! The events of a cycle, and of a mutator that reaches no safepoint.

use greyset::{Cause, Driver, Event, EventSink, HandshakeKind, Heap, Phase, Static, StepOutcome};
use greyset_tests::common::{finish, list_length, make_list};
use std::panic::panic_any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[derive(Default)]
struct Record(Mutex<Vec<Event>>);

impl EventSink for Record {
    fn event(&self, heap: &str, event: &Event) {
        assert_eq!(heap, "recorded");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

impl Record {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn recorded(watchdog: Duration) -> (Heap, Arc<Record>) {
    let record = Arc::new(Record::default());
    let builder = Heap::builder().driver(Driver::Stepping).name("recorded").watchdog(watchdog);
    (builder.sink(record.clone()).build().expect("a heap"), record)
}

fn short(event: &Event) -> String {
    match event {
        Event::CycleStart { cycle, .. } => format!("start {cycle}"),
        Event::PhaseChange { to, .. } => format!("to {}", to.name()),
        Event::HandshakeAsked { kind, .. } => format!("asked {}", kind.name()),
        Event::HandshakeDone { kind, .. } => format!("done {}", kind.name()),
        Event::MarkDone { objects, .. } => format!("marked {objects}"),
        Event::SweepDone { .. } => "swept".to_owned(),
        Event::CycleEnd(report) => format!("end {}", report.cycle),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_cycle_tells_what_it_does_in_order() {
    let (heap, record) = recorded(Duration::from_secs(60));
    let mut stepper = heap.stepper();
    let _list = heap.mutator().enter(|m| make_list(m, 10).root(m));
    for cycle in 1..3 {
        finish(&mut stepper);
        let told: Vec<String> = record.take().iter().map(short).collect();
        let wanted = format!(
            "start {cycle}, to prepare, asked both, done both, to begin, asked deletion, done deletion, to mark, to terminate, \
             asked round, done round, asked round, done round, marked 10, to clear, to sweep, asked off, done off, swept, \
             to idle, end {cycle}"
        );
        let order = |told: &str| told.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let sorted = |mut row: Vec<String>| {
            row.sort();
            row
        };
        assert_eq!(sorted(told.clone()), sorted(order(&wanted)), "{told:?}");
        assert_eq!(told, order(&wanted));
    }
}

#[test]
fn a_mutator_that_reaches_no_safepoint_is_named() {
    let (heap, record) = recorded(Duration::from_millis(1));
    let mut stepper = heap.stepper();
    let mut handle = heap.mutator_named("the slow one");
    let _parked = heap.mutator_named("parked");
    handle.enter(|_| {
        stepper.request();
        while heap.stats().watchdogs < 3 {
            assert_ne!(stepper.step_any(), StepOutcome::Idle);
        }
    });
    finish(&mut stepper);
    let mut least = Duration::from_millis(1);
    let mut reports = 0;
    for event in record.take() {
        if let Event::Watchdog { name, waiting, .. } = event {
            assert_eq!(name.as_deref(), Some("the slow one"));
            assert!(waiting >= least, "reported again when the time has doubled");
            least = 2 * waiting;
            reports += 1;
        }
    }
    assert_eq!(reports, 3);
    assert_eq!(heap.stats().watchdogs, 3);
}

#[test]
fn events_have_the_numbers_of_the_cycle() {
    let (heap, record) = recorded(Duration::from_secs(60));
    let mut stepper = heap.stepper();
    let _parked = heap.mutator();
    let list = heap.mutator().enter(|m| make_list(m, 1000).root(m));
    finish(&mut stepper);
    drop(list);
    record.take();
    finish(&mut stepper);
    let events = record.take();
    let bytes = 1000 * size_of::<greyset_tests::common::Node>() as u64;
    let freed = events.iter().find_map(|event| match event {
        Event::SweepDone { freed, .. } => Some(*freed),
        _ => None,
    });
    assert_eq!(freed, Some(bytes));
    let report = events.iter().find_map(|event| match event {
        Event::CycleEnd(report) => Some(report),
        _ => None,
    });
    let report = report.expect("a cycle has ended");
    assert_eq!((report.heap_start, report.heap_live, report.marked_bytes), (bytes, 0, 0));
    assert_eq!((report.mutators, report.cycle), (1, 2));
    let off =
        |event: &&Event| matches!(event, Event::HandshakeDone { kind: HandshakeKind::Off, mutators: 1, .. });
    assert_eq!(events.iter().filter(off).count(), 1);
    assert!(matches!(events.last(), Some(Event::CycleEnd(_))));
    assert_eq!(Phase::Idle.name(), stepper.phase());
}

#[test]
fn a_cycle_tells_why_it_began() {
    let record = Arc::new(Record::default());
    let builder =
        Heap::builder().driver(Driver::Inline).name("recorded").min_heap(64 << 10).hard_limit(8 << 20);
    // Zeal asks for cycles of its own.
    let builder = builder.ignore_environment();
    let heap = builder.sink(record.clone()).build().expect("a heap");
    let causes = || {
        let causes = record.take().into_iter().filter_map(|event| match event {
            Event::CycleStart { cause, .. } => Some(cause),
            _ => None,
        });
        causes.collect::<Vec<_>>()
    };
    heap.mutator().enter(|m| {
        m.collect();
        assert_eq!(causes(), [Cause::Asked]);
        assert!(m.try_alloc_bytes(&vec![0; 8 << 20]).is_err());
        while heap.stats().cycles < 2 {
            m.alloc([0u64; 100]);
            m.safepoint();
        }
        assert_eq!(causes(), [Cause::Limit]);
        while heap.stats().cycles < 3 {
            m.alloc([0u64; 100]);
            m.safepoint();
        }
        assert_eq!(causes(), [Cause::Trigger]);
    });
}

/// Looks at the heap whenever it is told something.
#[derive(Default)]
struct Curious {
    heap: Mutex<Option<Heap>>,
    told: AtomicU64,
    looked: AtomicU64,
}

impl EventSink for Curious {
    fn event(&self, _: &str, _: &Event) {
        let heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(heap) = heap {
            self.told.fetch_add(1, Ordering::Relaxed);
            let (stats, census) = (heap.stats(), heap.census());
            assert!(stats.cycles < 1 << 40 && census.objects() < 1 << 40);
            self.looked.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_sink_may_look_at_the_heap() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("this destructor panics");
        }
    }
    for driver in [Driver::Background, Driver::Inline] {
        let sink = Arc::new(Curious::default());
        // No zeal: nothing is to happen any more when the events are counted.
        let builder =
            Heap::builder().ignore_environment().driver(driver).hard_limit(8 << 20).sink(sink.clone());
        let heap = builder.build().expect("a heap");
        *sink.heap.lock().expect("no panic") = Some(heap.clone());
        heap.mutator().enter(|m| {
            assert!(m.try_alloc_bytes(&vec![0; 8 << 20]).is_err());
            m.alloc(Static(Grenade));
            make_list(m, 10_000);
            m.collect();
            m.collect();
            assert_eq!(heap.stats().drop_panics, 1);
        });
        *sink.heap.lock().expect("no panic") = None;
        drop(heap);
        let told = sink.told.load(Ordering::Relaxed);
        assert!(told > 30, "{told} events");
        assert_eq!(sink.looked.load(Ordering::Relaxed), told, "looking neither panics nor waits for ever");
    }
}

/// Panics at every event, with what panics again when it is dropped.
struct Explosive(AtomicU64);

struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        panic_any(Endless);
    }
}

impl EventSink for Explosive {
    fn event(&self, _: &str, _: &Event) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic_any(Endless);
    }
}

#[test]
fn a_sink_whose_panics_panic_again_stops_nobody() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let sink = Arc::new(Explosive(AtomicU64::new(0)));
        let heap = Heap::builder().driver(driver).sink(sink.clone()).build().expect("a heap");
        heap.mutator().enter(|m| {
            let kept = make_list(m, 100).root(m);
            for cycle in 1..4 {
                make_list(m, 100);
                m.collect();
                assert!(heap.stats().cycles >= cycle, "the cycle goes to its end");
                assert_eq!((list_length(m, kept.get(m)), heap.census().objects()), (100, 100));
            }
        });
        let told = sink.0.load(Ordering::Relaxed);
        assert!(told >= 3 * 20, "{told} events");
        if driver == Driver::Stepping {
            heap.stepper().verify().expect("a sound heap");
        }
    }
}
