//! Model of the end of marking under loom: markers that take, find and hand back, and the collector that asks whether it is
//! quiet.
//!
//! Modelled: `Activity` as it is, and for markers that come late `Published`. A double: the injector, here a counter of segments.
//! It is taken from with acquire and release and pushed to with release, which is less than crossbeam's promises (SeqCst on both
//! ends). Not modelled: the markers' own deques, whose owners count as busy as long as they hold anything.

use super::Activity;
use crate::cycle::Published;
use greyset_sync::atomic::{AtomicUsize, Ordering, fence};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::AtomicUsize as Counter;

struct Model {
    activity: Activity,
    segments: AtomicUsize,
    /// Segments that exist, in the queue or in hands. Changes with the loom operation before it, since threads switch only at
    /// those.
    alive: Counter,
    /// Segments ever taken; changes as `alive` does.
    taken: Counter,
    /// What scanning writes, for each segment in the order of taking: colours that Clear will read.
    written: [UnsafeCell<u32>; 2],
}

// SAFETY: `written[n]` is touched by who scans that segment, and by the collector when it is quiet; loom checks.
unsafe impl Sync for Model {}

impl Model {
    fn new(segments: usize) -> Arc<Model> {
        Arc::new(Model {
            activity: Activity::new(),
            segments: AtomicUsize::new(segments),
            alive: Counter::new(segments),
            taken: Counter::new(0),
            written: Default::default(),
        })
    }

    /// Takes a segment; returns which.
    fn take(&self) -> Option<usize> {
        let less = |n: usize| n.checked_sub(1);
        // ORDERING: acquire pairs with the release in `mark`: what the segment holds is visible to who takes it. The release half
        // carries that on to whoever takes the next one (and is acquired in `ask`).
        self.segments.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).ok()?;
        Some(self.taken.fetch_add(1, Ordering::Relaxed))
    }

    /// A marker: takes until nothing is left; the first segment it scans yields `found` more.
    fn mark(&self, mut found: usize) {
        self.activity.begin();
        while let Some(segment) = self.take() {
            // SAFETY: taken, so nobody else's; loom checks.
            self.written[segment].with_mut(|value| unsafe { *value += 1 });
            self.alive.fetch_add(found, Ordering::Relaxed);
            for _ in 0..std::mem::take(&mut found) {
                // ORDERING: release pairs with the acquires in `take` and `ask`.
                self.segments.fetch_add(1, Ordering::Release);
            }
            // Scanned to the end.
            self.alive.fetch_sub(1, Ordering::Relaxed);
        }
        self.activity.end();
    }

    fn ask(&self) {
        // ORDERING: acquire pairs with the releases in `take` and `mark`.
        if self.activity.is_quiet(|| self.segments.load(Ordering::Acquire) == 0) {
            assert_eq!(self.alive.load(Ordering::Relaxed), 0, "quiet, though a segment is left");
            for written in &self.written {
                // SAFETY: everybody who wrote is idle; loom checks that this is known here.
                written.with(|value| assert!(unsafe { *value } <= 1));
            }
        }
    }
}

#[test]
fn loom_quiet_with_one_marker_that_finds_more() {
    loom::model(|| {
        let model = Model::new(1);
        let other = Arc::clone(&model);
        let marker = thread::spawn(move || other.mark(1));
        model.ask();
        marker.join().expect("no panic");
        // ORDERING: as in `ask`.
        assert!(model.activity.is_quiet(|| model.segments.load(Ordering::Acquire) == 0));
    });
}

#[test]
fn loom_quiet_with_two_markers() {
    loom::model(|| {
        let model = Model::new(1);
        let markers = [0, 1].map(|found| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.mark(found))
        });
        model.ask();
        for marker in markers {
            marker.join().expect("no panic");
        }
        model.ask();
    });
}

/// A marker that was woken for a cycle and comes when that ends, or when the next one traces: `Marker::run` on its side, Decide
/// and the flip on the other. Loom takes SeqCst accesses for acquire and release; the fences say what they are besides. It must
/// not work in a cycle that does not wait for it, nor with the colours of another.
fn late_marker(tunes_first: bool) {
    let late = Arc::new((Activity::new(), Published::new(), Counter::new(0)));
    let (activity, published, flips) = &*late;
    let flip = || {
        published.black_lives();
        // Together with the change of the cycle's number, since threads switch only at loom operations.
        flips.store(published.flip() as usize, Ordering::Relaxed);
    };
    flip();
    published.set_tracing(true);
    let other = Arc::clone(&late);
    let marker = thread::spawn(move || {
        let (activity, published, flips) = &*other;
        activity.begin();
        // ORDERING: SeqCst, pairs with the fence below: one of the two sides sees what the other did before its own.
        fence(Ordering::SeqCst);
        let before = published.cycle();
        if published.tracing() {
            let tuned = if tunes_first { before } else { published.cycle() };
            let _ = published.white(); // a choice point: it works from here on
            assert_eq!(tuned as usize, flips.load(Ordering::Relaxed), "the colours of another cycle");
        }
        activity.end();
    });
    published.set_tracing(false);
    // ORDERING: SeqCst, pairs with the fence above.
    fence(Ordering::SeqCst);
    if activity.is_quiet(|| true) {
        flip();
        published.set_tracing(true);
    }
    marker.join().expect("no panic");
}

#[test]
fn loom_late_marker_works_in_the_cycle_that_waits_for_it() {
    loom::model(|| late_marker(false));
}

/// As it once was: the model sees what comes of it.
#[test]
#[should_panic(expected = "the colours of another cycle")]
fn loom_late_marker_with_colours_taken_over_too_early_is_caught() {
    loom::model(|| late_marker(true));
}
