//! Many threads on one heap, verified after each cycle.
//!
//! Each test does a fixed amount of work, so that it ends under a sanitizer too.

use greyset::{Driver, Heap, Mutator, Slot};
use greyset_tests::graph::{Pair, World};
use greyset_tests::log::sum;
use greyset_tests::random::Random;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Windows of each thread: as many as the test likes, or what `STRESS_ROUNDS` says.
fn rounds(usual: usize) -> usize {
    std::env::var("STRESS_ROUNDS").map_or(usual, |text| text.parse().expect("STRESS_ROUNDS is a number"))
}

fn shared_graph(heap: Heap, threads: u64, rounds: usize) {
    let world = World::new(heap);
    thread::scope(|scope| {
        for seed in 1..=threads {
            let world = &world;
            scope.spawn(move || world.work(seed, rounds, || true));
        }
    });
    let tally = world.wind_up(threads);
    let cleaned = tally.cleaned.load(Ordering::Relaxed);
    assert_eq!(cleaned, tally.cleanups.load(Ordering::Relaxed), "cleanups have run when the heap is gone");
}

#[test]
fn threads_share_a_graph_with_background_threads() {
    let heap = Heap::builder().min_heap(256 << 10).workers(2).verify(true).build().expect("a heap");
    shared_graph(heap, 3, rounds(40_000));
}

#[test]
fn threads_share_a_graph_and_collect_inline() {
    let builder = Heap::builder().min_heap(256 << 10).driver(Driver::Inline).verify(true);
    shared_graph(builder.build().expect("a heap"), 3, rounds(40_000));
}

#[test]
fn mutators_come_and_go() {
    let heap = Heap::builder().min_heap(64 << 10).build().expect("a heap");
    let working = AtomicUsize::new(3);
    let (heap, working) = (&heap, &working);
    thread::scope(|scope| {
        for seed in 1..=3 {
            scope.spawn(move || {
                let mut random = Random::new(seed);
                for _ in 0..rounds(2000) {
                    (0..random.below(10)).for_each(|_| thread::yield_now());
                    let depths = random.below(20) as u64;
                    heap.mutator().enter(|m| {
                        for depth in 0..=depths {
                            m.alloc(Pair { depth, sum: sum(depth), rest: Slot::empty() });
                        }
                    });
                }
                working.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut handle = heap.mutator();
        while working.load(Ordering::Relaxed) > 0 {
            handle.enter(Mutator::collect);
        }
    });
    let stats = heap.stats();
    assert!(stats.heap_bytes < 1 << 30 && stats.peak_bytes < 1 << 30, "{stats}");
}
