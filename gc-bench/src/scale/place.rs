//! The heap of one test: what is built in it, collected, weighed and torn down is so alike in all of them.
use crate::compare::metric::median;
use crate::failure::Failure;
use crate::latency::{self, Percentiles};
use crate::machine;
use crate::sampler::Sampler;
use crate::scale::figures::Figures;
use crate::workloads::object;
use greyset::{Event, EventSink, Heap, HeapBuilder, Mutator, MutatorHandle, Stats};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A safepoint after so many elements made or looked at.
pub const BATCH: usize = 4096;
/// Whole collections that are measured.
const COLLECTIONS: usize = 3;
/// Between two looks at the heap while it is collected.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A heap with one mutator that works, and the clocks.
pub struct Place {
    heap: Heap,
    handle: MutatorHandle,
    handshakes: Arc<Handshakes>,
    build: Duration,
    /// Handshakes while something was being built, and since.
    building: Histogram<u64>,
    built: Histogram<u64>,
}

/// What whole collections cost.
pub struct Collections {
    /// Time on the clock of one, in seconds.
    pub wall_s: f64,
    /// CPU time of marking, in all of them.
    mark: Duration,
    cycles: u64,
    /// Objects marked in all of them.
    marked: u64,
    /// Bytes of tables, mark stacks and buffers before the first, and the most during them.
    metadata_before: u64,
    metadata_most: u64,
    /// The heap after the last.
    after: Stats,
}

impl Place {
    /// A fresh heap; memory from now on is that of its test.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the environment has settings that no heap takes.
    pub fn new(builder: HeapBuilder) -> Result<Place, Failure> {
        machine::reset_peak_rss();
        let handshakes = Arc::new(Handshakes::new());
        let heap = builder.sink(handshakes.clone()).build().map_err(|e| Failure::Usage(e.to_string()))?;
        let handle = heap.mutator();
        let (building, built) = (latency::empty(), latency::empty());
        Ok(Place { heap, handle, handshakes, build: Duration::ZERO, building, built })
    }

    /// The heap's statistics.
    pub fn stats(&self) -> Stats {
        self.heap.stats()
    }

    /// Runs `work` inside the heap.
    pub fn enter<R>(&mut self, work: impl FnOnce(&mut Mutator) -> R) -> R {
        self.handle.enter(work)
    }

    /// Attaches another mutator, parked.
    pub fn attach(&self) -> MutatorHandle {
        self.heap.mutator()
    }

    /// Builds what the test is about, on the clock.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn build<R>(&mut self, work: impl FnOnce(&mut Place) -> Result<R, Failure>) -> Result<R, Failure> {
        let began = Instant::now();
        let built = work(self)?;
        self.build = began.elapsed();
        self.building = self.handshakes.take();
        Ok(built)
    }

    /// The handshakes since they were last asked for.
    pub fn handshakes(&mut self) -> Option<Percentiles> {
        let since = self.handshakes.take();
        // Same bounds, so adding cannot fail.
        let _ = self.built.add(&since);
        Percentiles::of(&since)
    }

    /// Whole collections of what there is, one after the other. The first ends what cycle may still run and is not measured.
    pub fn collections(&mut self) -> Collections {
        let metadata_before = self.stats().metadata_bytes;
        let sampler = Sampler::start(self.heap.clone(), LOOK_EVERY, |_| ());
        self.collect();
        let before = self.stats();
        let walls = (0..COLLECTIONS).map(|_| self.collect().as_secs_f64()).collect();
        let after = self.stats();
        let samples = sampler.finish();
        let most = samples.iter().map(|sample| sample.metadata_bytes).max().unwrap_or(0);
        let cpu = |stats: &Stats| stats.cpu.mark + stats.cpu.assist + stats.cpu.idle;
        Collections {
            wall_s: median(walls).unwrap_or_default(),
            mark: cpu(&after).saturating_sub(cpu(&before)),
            cycles: after.cycles - before.cycles,
            marked: after.marked_objects - before.marked_objects,
            metadata_before,
            metadata_most: most.max(metadata_before).max(after.metadata_bytes),
            after,
        }
    }

    /// One whole collection; returns how long it took.
    pub fn collect(&mut self) -> Duration {
        let began = Instant::now();
        self.handle.enter(|m| m.collect());
        began.elapsed()
    }

    /// Lets go of all that is held, and of the heap, on the clock, and says what the test found: `own` are figures of the test itself.
    pub fn finish(
        mut self,
        collections: &Collections,
        elements: u64,
        check: String,
        own: &impl Serialize,
        held: impl Sized,
    ) -> Figures {
        // Those since the last look.
        let _ = self.handshakes();
        let safepoints = self.stats().safepoints;
        let max_rss_bytes = machine::peak_rss();
        let Place { heap, handle, build, building, built, .. } = self;
        let began = Instant::now();
        drop((held, handle, heap));
        let tear_down_s = began.elapsed().as_secs_f64();
        let (mapped, metadata) = (collections.after.mapped_bytes, collections.after.metadata_bytes);
        Figures {
            elements,
            build_ns: build.as_nanos() as f64 / elements.max(1) as f64,
            mark_ns: collections.mark_ns(collections.marked),
            marked_objects: collections.marked / collections.cycles.max(1),
            collection_s: collections.wall_s,
            safepoint_max_ns: (safepoints.count() > 0).then(|| safepoints.max()),
            handshake_p9999_ns: Percentiles::of(&built).map(|p| p.p9999),
            build_handshake_max_ns: Percentiles::of(&building).map(|p| p.max),
            mapped_bytes: mapped,
            metadata_bytes: metadata,
            metadata_pct: 100.0 * metadata as f64 / mapped.max(1) as f64,
            metadata_before_bytes: collections.metadata_before,
            metadata_most_bytes: collections.metadata_most,
            max_rss_bytes,
            tear_down_s,
            check,
            own: object(serde_json::to_value(own)),
            notes: Vec::new(),
        }
    }
}

impl Collections {
    /// CPU time of marking for each of so many elements that a collection has looked at, in nanoseconds.
    pub fn mark_ns_of(&self, elements: u64) -> Option<f64> {
        self.mark_ns(elements * self.cycles)
    }

    /// `None`: nobody has timed it, as where mutators do all of the collector's work.
    fn mark_ns(&self, times: u64) -> Option<f64> {
        (times > 0 && !self.mark.is_zero()).then(|| self.mark.as_nanos() as f64 / times as f64)
    }
}

/// Counts how long handshakes take, from asking to the last answer. By its own clock: the heap's event counts from when it has
/// answered for the parked mutators, and those are what one of the tests is about.
struct Handshakes(Mutex<Times>);

struct Times {
    asked: Option<Instant>,
    taken: Histogram<u64>,
}

impl Handshakes {
    fn new() -> Handshakes {
        Handshakes(Mutex::new(Times { asked: None, taken: latency::empty() }))
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // Whoever panicked with it has left a histogram that is one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those since the last call.
    fn take(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.lock().taken, latency::empty())
    }
}

impl EventSink for Handshakes {
    fn event(&self, _: &str, event: &Event) {
        match event {
            Event::HandshakeAsked { .. } => self.lock().asked = Some(Instant::now()),
            Event::HandshakeDone { .. } => {
                let mut times = self.lock();
                if let Some(asked) = times.asked.take() {
                    times.taken.saturating_record(asked.elapsed().as_nanos() as u64);
                }
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_what_it_is_told_to() {
        let mut place = Place::new(Heap::builder().ignore_environment()).expect("a heap");
        let roots = place.build(|place| {
            Ok(place.enter(|m| (0..1000u64).map(|i| m.alloc([i; 2]).root(m)).collect::<Vec<_>>()))
        });
        let roots = roots.expect("built");
        let collections = place.collections();
        assert_eq!((collections.cycles, collections.marked), (3, 3000));
        assert!(collections.metadata_before > 0 && collections.wall_s > 0.0);
        assert!(place.handshakes().is_some_and(|p| p.count >= 4));
        assert_eq!(place.handshakes(), None);
        let figures = place.finish(&collections, 1000, "fine".to_owned(), &(), roots);
        assert_eq!((figures.marked_objects, figures.elements), (1000, 1000));
        assert!(figures.build_ns > 0.0 && figures.handshake_p9999_ns > Some(0));
        assert!(figures.metadata_bytes <= figures.mapped_bytes && figures.own.is_empty());
    }

    #[test]
    fn marking_that_nobody_has_timed_has_no_time() {
        let mut of = Collections {
            wall_s: 0.1,
            mark: Duration::from_nanos(600),
            cycles: 3,
            marked: 30,
            metadata_before: 0,
            metadata_most: 0,
            after: Stats::default(),
        };
        assert_eq!(
            (of.mark_ns(of.marked), of.mark_ns_of(100), of.mark_ns_of(0)),
            (Some(20.0), Some(2.0), None)
        );
        of.mark = Duration::ZERO;
        assert_eq!(of.mark_ns(of.marked), None);
    }
}
