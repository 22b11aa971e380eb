//! What becomes of threads that slept while the sweep went on without them.

use super::*;
use crate::testing::*;
use crate::{Cache, SizeClass};

const A: Colour = Colour::A;
const B: Colour = Colour::B;

#[test]
fn a_word_holds_all_there_is_to_say() {
    for generation in [0, 1, 7, u32::MAX] {
        for (white, open) in [(A, true), (B, false), (Colour::FREE, false)] {
            let state = SweepState { generation, white, open };
            assert_eq!(SweepState::unpack(state.pack() | PASSES), state);
            assert_eq!([0, 1].map(|parity| passes(state.pack(), parity)), [0, 0]);
        }
    }
}

/// A mutator reads where sweeping stands, sleeps, and pops a span that is new in the next generation: white for it is what
/// that span's live objects are coloured.
#[test]
fn a_refill_that_slept_puts_a_newer_span_back() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    sweep_all(&heap, A, &Counting::default());
    let slept = heap.sweeping.state();
    heap.begin_sweep(B);
    let objects: Vec<usize> = (0..1000).map(|_| alloc(&heap, &cache, &NODE64, A)).collect();
    cache.flush(&heap);
    let class = heap.registry.class(&heap.space, &NODE64, SizeClass::of_size(64)).expect("known");
    let spans = heap.stats().spans;
    for _ in 0..2 * spans {
        assert!(heap.claim_of(class, slept).is_none());
    }
    heap.verify().expect("every span is in its set");
    assert!(objects.iter().all(|&addr| colour(&heap, addr) == A));
    heap.open_sweep();
    let left = heap.sweep_some(Role::Background, usize::MAX, &Counting::default()).left;
    assert_eq!((left, heap.stats().spans), (SweepLeft::Nothing, spans));
}

#[test]
fn the_next_sweep_waits_for_passes_under_way() {
    let (heap, _) = heap();
    let pass = heap.sweeping.pass();
    std::thread::scope(|scope| {
        let begin = scope.spawn(|| heap.begin_sweep(A));
        while heap.sweeping.state().generation == pass.state.generation {
            std::thread::yield_now();
        }
        assert!(!begin.is_finished(), "a pass is under way");
        drop(pass);
        begin.join().expect("no panic");
    });
    assert_eq!(heap.sweeping.state().generation, 1);
}
