//! Cycles, phases and handshakes as `tracing` spans, trouble as `tracing` events, all under the target `greyset`.
//!
//! A cycle is a span `cycle`; each phase and each handshake is a span below it, with its numbers recorded when it ends. No
//! span is ever *entered*: the collector's work moves between threads, and mutators must not appear to run inside a cycle.
//! Without a subscriber every call is two loads and a branch.

use super::events::{CycleReport, Event, EventSink};
use greyset_sync::atomic::{AtomicUsize, Ordering};
use greyset_sync::{Mutex, Rank};
use std::collections::BTreeMap;
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Span, debug_span, error, info, info_span, warn};

const TARGET: &str = "greyset";

/// The spans of a heap that are open.
#[derive(Debug)]
struct Open {
    cycle: Span,
    phase: Span,
    handshake: Span,
}

impl Open {
    fn none() -> Open {
        Open { cycle: Span::none(), phase: Span::none(), handshake: Span::none() }
    }
}

/// Reports to whatever `tracing` subscriber the program has. Serves any number of heaps.
#[derive(Debug)]
pub struct TracingSink {
    open: Mutex<BTreeMap<String, Open>>,
    /// How many are open: with none, and no subscriber, there is nothing to do.
    count: AtomicUsize,
}

impl Default for TracingSink {
    fn default() -> TracingSink {
        TracingSink::new()
    }
}

impl TracingSink {
    /// A sink with no span open.
    pub fn new() -> TracingSink {
        TracingSink { open: Mutex::new(Rank::Stats, BTreeMap::new()), count: AtomicUsize::new(0) }
    }

    /// Runs `update` on the heap's open spans without holding the lock: opening and closing a span calls the program's
    /// subscriber. Only the collector's one stepper sends the events that get here, so nobody misses what is taken out.
    fn with_open(&self, heap: &str, update: impl FnOnce(&mut Open)) {
        let taken = self.open.lock().remove(heap);
        if taken.is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        let mut open = taken.unwrap_or_else(Open::none);
        update(&mut open);
        if !open.cycle.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            self.open.lock().insert(heap.to_owned(), open);
        }
    }

    /// Whether nobody listens and nothing is open, at a glance.
    fn is_idle(&self) -> bool {
        LevelFilter::current() == LevelFilter::OFF && self.count.load(Ordering::Relaxed) == 0
    }
}

impl EventSink for TracingSink {
    fn event(&self, heap: &str, event: &Event) {
        if self.is_idle() {
            return;
        }
        match event {
            Event::CycleStart { .. }
            | Event::PhaseChange { .. }
            | Event::HandshakeAsked { .. }
            | Event::HandshakeDone { .. }
            | Event::MarkDone { .. }
            | Event::SweepDone { .. }
            | Event::CycleEnd(_) => self.with_open(heap, |open| collector(open, heap, event)),
            _ => trouble(heap, event),
        }
    }
}

/// The regular course of a cycle.
fn collector(open: &mut Open, heap: &str, event: &Event) {
    match event {
        Event::CycleStart { cycle, cause, heap: bytes, goal } => {
            *open = Open::none();
            open.cycle = info_span!(target: TARGET, parent: None, "cycle", heap, cycle, cause = cause.name(),
                heap_start = bytes, goal, heap_end = Empty, heap_live = Empty, marked_objects = Empty,
                assist_us = Empty, mark_us = Empty, sweep_us = Empty, cpu_share = Empty);
        }
        Event::PhaseChange { to, .. } => {
            open.phase = match to {
                super::Phase::Idle => Span::none(),
                phase => debug_span!(target: TARGET, parent: &open.cycle, "phase", name = phase.name(),
                    objects = Empty, bytes = Empty, freed = Empty),
            };
        }
        Event::HandshakeAsked { kind, mutators, .. } => {
            open.handshake = debug_span!(target: TARGET, parent: &open.phase, "handshake", kind = kind.name(),
                mutators, us = Empty);
        }
        Event::HandshakeDone { duration, .. } => {
            open.handshake.record("us", micros(*duration));
            open.handshake = Span::none();
        }
        Event::MarkDone { objects, bytes, .. } => {
            open.phase.record("objects", objects).record("bytes", bytes);
        }
        Event::SweepDone { freed, .. } => {
            open.phase.record("freed", freed);
        }
        Event::CycleEnd(report) => {
            record(&open.cycle, report);
            *open = Open::none();
        }
        _ => {}
    }
}

fn record(cycle: &Span, report: &CycleReport) {
    cycle
        .record("heap_end", report.heap_end)
        .record("heap_live", report.heap_live)
        .record("marked_objects", report.marked_objects)
        .record("mark_us", micros(report.cpu.mark))
        .record("assist_us", micros(report.cpu.assist))
        .record("sweep_us", micros(report.cpu.sweep))
        .record("cpu_share", report.cpu_share);
}

/// What stands outside of the course of a cycle, and may come from any thread.
fn trouble(heap: &str, event: &Event) {
    match event {
        Event::Released { bytes, duration } => {
            info!(target: TARGET, heap, bytes, us = micros(*duration), "memory given back");
        }
        Event::Watchdog { mutator, name, waiting } => {
            let name = name.as_deref().unwrap_or("");
            warn!(target: TARGET, heap, mutator, name, us = micros(*waiting), "mutator reaches no safepoint");
        }
        Event::DropPanic { type_name } => error!(target: TARGET, heap, type_name, "panic in a destructor"),
        Event::TracePanic { cycle, type_name } => {
            let type_name = type_name.unwrap_or("");
            error!(target: TARGET, heap, cycle, type_name, "panic in a trace function, cycle given up");
        }
        Event::Thrash(super::Thrash { memory_limit, live, in_use }) => {
            warn!(target: TARGET, heap, memory_limit, live, in_use, "thrashing");
        }
        Event::LimitReached { kind, limit, in_use } => {
            warn!(target: TARGET, heap, ?kind, limit, in_use, "memory limit reached");
        }
        _ => {}
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, HandshakeKind, LimitKind, Phase};
    use super::*;
    use std::fmt::Write;
    use std::sync::Arc;
    use std::time::Duration;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Metadata, Subscriber};

    /// Writes down what a subscriber is told: `+id<parent name …` opened, `=id` recorded, `-id` closed, `!` event.
    #[derive(Default)]
    struct Notes {
        last: Leaf<u64>,
        text: Leaf<String>,
    }

    /// A leaf lock of the test's.
    struct Leaf<T>(Mutex<T>);

    impl<T: Default> Default for Leaf<T> {
        fn default() -> Self {
            Leaf(Mutex::new(Rank::Leaf, T::default()))
        }
    }

    struct Fields<'a>(&'a mut String);

    impl Visit for Fields<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let _ = write!(self.0, " {field}={value:?}");
        }
    }

    impl Notes {
        fn note(&self, start: String, fields: impl FnOnce(&mut Fields<'_>)) {
            let mut text = self.text.0.lock();
            text.push_str(&start);
            fields(&mut Fields(&mut text));
            text.push('\n');
        }
    }

    struct Recorder(Arc<Notes>);

    impl Subscriber for Recorder {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == TARGET
        }
        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let mut last = self.0.last.0.lock();
            *last += 1;
            let id = *last;
            drop(last);
            let parent = span.parent().map_or(0, Id::into_u64);
            self.0.note(format!("+{id}<{parent} {}", span.metadata().name()), |fields| span.record(fields));
            Id::from_u64(id)
        }
        fn record(&self, span: &Id, values: &Record<'_>) {
            self.0.note(format!("={}", span.into_u64()), |fields| values.record(fields));
        }
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            self.0.note(format!("! {}", event.metadata().level()), |fields| event.record(fields));
        }
        fn enter(&self, _: &Id) {
            panic!("no span is entered");
        }
        fn exit(&self, _: &Id) {}
        fn try_close(&self, id: Id) -> bool {
            self.0.note(format!("-{}", id.into_u64()), |_| {});
            true
        }
    }

    #[test]
    fn a_cycle_is_a_tree_of_spans() {
        let notes = Arc::new(Notes::default());
        let us = Duration::from_micros;
        let change = |from, to| Event::PhaseChange { cycle: 1, from, to, spent: us(1) };
        tracing::subscriber::with_default(Recorder(notes.clone()), || {
            let sink = TracingSink::new();
            let (kind, mutators) = (HandshakeKind::Both, 2);
            for event in [
                change(Phase::Idle, Phase::Idle), // Outside of a cycle nothing is opened.
                Event::CycleStart { cycle: 1, cause: Cause::Trigger, heap: 10, goal: 20 },
                change(Phase::Idle, Phase::Prepare),
                Event::HandshakeAsked { cycle: 1, kind, mutators },
                Event::HandshakeDone { cycle: 1, kind, duration: us(7), mutators },
                change(Phase::Prepare, Phase::Mark),
                Event::MarkDone { cycle: 1, objects: 3, bytes: 4, duration: us(1) },
                Event::LimitReached { kind: LimitKind::Hard, limit: 5, in_use: 6 },
                change(Phase::Mark, Phase::Idle),
                Event::CycleEnd(Box::new(super::super::gctrace::tests::report())),
            ] {
                sink.event("h", &event);
            }
            assert!(sink.open.lock().is_empty());
        });
        let expected = "\
+1<0 cycle heap=\"h\" cycle=1 cause=\"trigger\" heap_start=10 goal=20
+2<1 phase name=\"prepare\"
+3<2 handshake kind=\"both\" mutators=2
=3 us=7
-3
+4<1 phase name=\"mark\"
-2
=4 objects=3
=4 bytes=4
! WARN message=memory limit reached heap=\"h\" kind=Hard limit=5 in_use=6
-4
=1 heap_end=69310464
=1 heap_live=33344512
=1 marked_objects=1000000
=1 mark_us=4100
=1 assist_us=220
=1 sweep_us=2050
=1 cpu_share=0.031
-1
";
        assert_eq!(*notes.text.0.lock(), expected);
    }
}
