//! Events: what the collector says happened, as values, to whoever subscribed.
//!
//! The collector knows no output format: trace lines, spans and whatever an embedder wants are [`EventSink`]s that get the
//! same stream. Events come at most a few hundred times a second (cycles, phases, handshakes, rare trouble), never for an
//! allocation or an object. The idea of one stream with many sinks is Whippet's.
//!
//! The order in a cycle, where "N" is a [`PhaseChange`](Event::PhaseChange):
//!
//! ```text
//! CycleStart N(Prepare) Asked/Done(Both) N(Begin) Asked/Done(Deletion) N(Mark) [N(Terminate) Asked/Done(Round)…]… MarkDone
//! N(Clear) N(Sweep) Asked/Done(Off) SweepDone N(Idle) CycleEnd
//! ```

use crate::panics::caught;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A step of a cycle, as published to mutators. The order is that of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// No cycle is running.
    Idle,
    /// Handshake 1 is under way: mutators go to barrier mode Both.
    Prepare,
    /// Handshake 2 is under way: mutators go to barrier mode Deletion.
    Begin,
    /// Tracing.
    Mark,
    /// Rounds of handshakes that look for grey objects.
    Terminate,
    /// Weak slots are cleared, cleanups and finalizable objects queued.
    Clear,
    /// Handshake 3, then dead objects become free.
    Sweep,
}

impl Phase {
    /// The phase's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Prepare => "prepare",
            Phase::Begin => "begin",
            Phase::Mark => "mark",
            Phase::Terminate => "terminate",
            Phase::Clear => "clear",
            Phase::Sweep => "sweep",
        }
    }
}

/// Why a cycle began. Of several reasons the one that stands last here counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The heap reached the trigger.
    Trigger,
    /// An allocation failed under the hard limit.
    Limit,
    /// A program asked (`collect`, or a step of the stepping driver).
    Asked,
}

impl Cause {
    /// The cause's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Trigger => "trigger",
            Cause::Limit => "limit",
            Cause::Asked => "asked",
        }
    }
}

/// What a handshake asks of each mutator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HandshakeKind {
    /// Handshake 1: barrier mode Both.
    Both,
    /// Handshake 2: barrier mode Deletion.
    Deletion,
    /// A round of phase Terminate: hand over the grey buffer.
    Round,
    /// Handshake 3: barrier mode Off.
    Off,
}

impl HandshakeKind {
    /// The kind's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            HandshakeKind::Both => "both",
            HandshakeKind::Deletion => "deletion",
            HandshakeKind::Round => "round",
            HandshakeKind::Off => "off",
        }
    }
}

/// Wall time of each phase of a cycle; phases that are entered more than once are summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PhaseTimes {
    /// From the start of the cycle to the last answer to handshake 1.
    pub prepare: Duration,
    /// To the last answer to handshake 2.
    pub begin: Duration,
    /// Tracing.
    pub mark: Duration,
    /// Rounds.
    pub terminate: Duration,
    /// Weak slots, cleanups, finalizable objects.
    pub clear: Duration,
    /// Handshake 3 and sweeping.
    pub sweep: Duration,
}

impl PhaseTimes {
    /// All phases together: how long the cycle was.
    pub fn total(&self) -> Duration {
        self.prepare + self.begin + self.mark + self.terminate + self.clear + self.sweep
    }

    /// Adds `time` to what `phase` has taken so far. Time in `Idle` is not part of a cycle.
    pub(crate) fn add(&mut self, phase: Phase, time: Duration) {
        match phase {
            Phase::Idle => {}
            Phase::Prepare => self.prepare += time,
            Phase::Begin => self.begin += time,
            Phase::Mark => self.mark += time,
            Phase::Terminate => self.terminate += time,
            Phase::Clear => self.clear += time,
            Phase::Sweep => self.sweep += time,
        }
    }
}

/// Processor time that collection took, by who paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CollectorCpu {
    /// Marking by the collector's own threads, within its share.
    pub mark: Duration,
    /// Marking by mutators, charged to their allocations.
    pub assist: Duration,
    /// Sweeping, by anyone.
    pub sweep: Duration,
    /// Marking on processors that had nothing else to do.
    pub idle: Duration,
}

impl CollectorCpu {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.mark + self.assist + self.sweep + self.idle
    }
}

/// A finished cycle in numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct CycleReport {
    /// Number of the cycle, from 1.
    pub cycle: u64,
    /// Why it began.
    pub cause: Cause,
    /// From the making of the heap to the start of the cycle.
    pub started: Duration,
    /// Wall time by phase.
    pub wall: PhaseTimes,
    /// Processor time of this cycle.
    pub cpu: CollectorCpu,
    /// Share of all processor time since the heap was made that collection took, 0 to 1.
    pub cpu_share: f64,
    /// Bytes in objects when the cycle began.
    pub heap_start: u64,
    /// Bytes in objects when marking ended (the peak of the cycle).
    pub heap_end: u64,
    /// Bytes in objects that survived, with those allocated while the cycle ran.
    pub heap_live: u64,
    /// Where the heap should have been at most when marking ended, in bytes.
    pub goal: u64,
    /// Heap size at which the cycle was due, in bytes.
    pub trigger: u64,
    /// Objects marked.
    pub marked_objects: u64,
    /// Bytes marked.
    pub marked_bytes: u64,
    /// Marker threads that took part.
    pub workers: usize,
    /// Mutators attached when marking ended.
    pub mutators: usize,
    /// Rounds of phase Terminate.
    pub rounds: u32,
    /// 99th percentile of the time from asking a handshake to one mutator's answer, since the heap was made.
    pub handshake_p99: Duration,
    /// The longest such time.
    pub handshake_max: Duration,
}

/// Which of the two limits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LimitKind {
    /// The soft limit: from now on it, not growth, decides the goal.
    Soft,
    /// The hard limit: an allocation failed.
    Hard,
}

/// A program that thrashes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thrash {
    /// The soft limit, if there is one.
    pub memory_limit: Option<u64>,
    /// What the last cycle found alive.
    pub live: u64,
    /// What the heap holds.
    pub in_use: u64,
}

/// Something happened in a heap.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A cycle begins.
    CycleStart {
        /// Its number, from 1.
        cycle: u64,
        /// Why.
        cause: Cause,
        /// Bytes in objects.
        heap: u64,
        /// Heap goal in bytes.
        goal: u64,
    },
    /// The collector published another phase.
    PhaseChange {
        /// The running cycle; going to [`Phase::Idle`], the one that ends.
        cycle: u64,
        /// The phase that ends.
        from: Phase,
        /// The phase that begins.
        to: Phase,
        /// Wall time spent in `from`.
        spent: Duration,
    },
    /// A handshake was published.
    HandshakeAsked {
        /// The running cycle.
        cycle: u64,
        /// What is asked.
        kind: HandshakeKind,
        /// Of how many mutators.
        mutators: usize,
    },
    /// All mutators have answered. (None of them waited for another.)
    HandshakeDone {
        /// The running cycle.
        cycle: u64,
        /// What was asked.
        kind: HandshakeKind,
        /// From asking to the last answer.
        duration: Duration,
        /// How many answered.
        mutators: usize,
    },
    /// Marking has ended: what is not black now is dead.
    MarkDone {
        /// The running cycle.
        cycle: u64,
        /// Objects marked.
        objects: u64,
        /// Bytes marked.
        bytes: u64,
        /// From the start of tracing.
        duration: Duration,
    },
    /// Every span has been swept.
    SweepDone {
        /// The running cycle.
        cycle: u64,
        /// Bytes that became free.
        freed: u64,
        /// From the opening of sweeping.
        duration: Duration,
    },
    /// The cycle is over.
    CycleEnd(Box<CycleReport>),
    /// Free pages went back to the system.
    Released {
        /// How much.
        bytes: u64,
        /// How long the calls took.
        duration: Duration,
    },
    /// A mutator has not reached the safepoint it was asked for; reported again each time the waiting time doubles.
    Watchdog {
        /// Number of the mutator.
        mutator: u64,
        /// Its name, if it was given one.
        name: Option<String>,
        /// How long the collector has been waiting.
        waiting: Duration,
    },
    /// A value's destructor panicked on the sweeper; the panic was caught.
    DropPanic {
        /// Type of the value.
        type_name: &'static str,
    },
    /// A `trace` function panicked; the cycle was given up without sweeping.
    TracePanic {
        /// The cycle.
        cycle: u64,
        /// Type of the object, where known.
        type_name: Option<&'static str>,
    },
    /// The system refused a collector thread: from now on mutators do the collector's work at their safepoints.
    ThreadRefused {
        /// What the system said.
        error: String,
    },
    /// The program thrashes: what is live leaves no room below the memory limit, or collection has used up the processor time
    /// that it may take for long. Collection holds back from now on and the heap may pass its memory limit. Told once each
    /// time it begins; a larger limit, less live data, or in the end the hard limit helps.
    Thrash(Thrash),
    /// A limit was met.
    LimitReached {
        /// Which.
        kind: LimitKind,
        /// The limit in bytes.
        limit: u64,
        /// What the heap holds, in bytes.
        in_use: u64,
    },
}

/// A subscriber to a heap's events.
///
/// Called on collector threads and on mutators, from several at once, with no lock of the heap held but while the collector
/// waits: be quick. It must not use the heap (`heap.stats()` and the like are fine, and so is `heap.request_cycle()`): to collect in
/// it, or to change settings, is a panic, since it would wait for itself. Nor may it wait for a thread that does so. A panic in it is
/// caught and dropped.
pub trait EventSink: Send + Sync {
    /// `event` happened in the heap called `heap`.
    fn event(&self, heap: &str, event: &Event);
}

/// A function as a subscriber to [`Event::Thrash`] alone.
pub(crate) struct OnThrash<F>(pub(crate) F);

impl<F: Fn(&Thrash) + Send + Sync> EventSink for OnThrash<F> {
    fn event(&self, _: &str, event: &Event) {
        if let Event::Thrash(thrash) = event {
            (self.0)(thrash);
        }
    }
}

/// The subscribers of a heap.
#[derive(Clone, Default)]
pub(crate) struct Sinks(Vec<Arc<dyn EventSink>>);

impl Sinks {
    /// Adds a subscriber.
    pub(crate) fn push(&mut self, sink: Arc<dyn EventSink>) {
        self.0.push(sink);
    }

    /// Adds all subscribers of `others`.
    pub(crate) fn extend(&mut self, others: &Sinks) {
        self.0.extend(others.0.iter().cloned());
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands `event` to every subscriber in turn. A panic in one is caught, so that it cannot stop the collector; the
    /// panic hook has already reported it.
    pub(crate) fn emit(&self, heap: &str, event: &Event) {
        for sink in &self.0 {
            let _ = caught(|| sink.event(heap, event));
        }
    }
}

impl fmt::Debug for Sinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sinks", self.0.len())
    }
}

/// The same subscribers in the same order.
impl PartialEq for Sinks {
    fn eq(&self, other: &Sinks) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Eq for Sinks {}

#[cfg(test)]
mod tests {
    use super::*;
    use greyset_sync::atomic::{AtomicU64, Ordering};

    struct Count(AtomicU64);

    impl EventSink for Count {
        fn event(&self, heap: &str, event: &Event) {
            assert_eq!((heap, event), ("h", &Event::DropPanic { type_name: "T" }));
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Panics;

    impl EventSink for Panics {
        fn event(&self, _: &str, _: &Event) {
            std::panic::resume_unwind(Box::new("a sink panics"));
        }
    }

    #[test]
    fn a_panicking_sink_stops_nobody() {
        let count = Arc::new(Count(AtomicU64::new(0)));
        let mut sinks = Sinks::default();
        for sink in [Arc::new(Panics) as Arc<dyn EventSink>, count.clone(), Arc::new(Panics), count.clone()] {
            sinks.push(sink);
        }
        sinks.emit("h", &Event::DropPanic { type_name: "T" });
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(sinks, sinks.clone());
        assert_ne!(sinks, Sinks::default());
    }

    #[test]
    fn phase_times_add_up() {
        let mut times = PhaseTimes::default();
        for (i, phase) in
            [Phase::Idle, Phase::Mark, Phase::Terminate, Phase::Mark, Phase::Sweep].iter().enumerate()
        {
            times.add(*phase, Duration::from_millis(1 << i));
        }
        assert_eq!(times.mark, Duration::from_millis(10));
        assert_eq!(times.total(), Duration::from_millis(30));
    }
}
