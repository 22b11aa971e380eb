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
    let pass = heap.sweeping.pass().expect("the first");
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

/// Drop glue that sweeps runs inside a pass, and may find more drop glue that sweeps.
#[test]
fn no_pass_begins_beyond_those_that_can_be_counted() {
    for first in [A, B] {
        let (heap, _) = heap();
        let cache = Cache::new(&heap);
        if first == B {
            sweep_all(&heap, A, &Counting::default()); // so that both parities are seen
        }
        alloc(&heap, &cache, &NODE64, first);
        cache.flush(&heap);
        heap.begin_sweep(first);
        heap.open_sweep();
        let state = heap.sweeping.state();
        let all: Vec<_> = std::iter::from_fn(|| heap.sweeping.pass()).take(1 << 15).collect();
        assert_eq!((all.len() as u64, heap.sweeping.state()), (PASSES_MASK, state));
        let nothing = heap.sweep_some(Role::Background, 1, &Counting::default());
        assert_eq!((nothing.pages, nothing.left), (0, SweepLeft::Others));
        drop(all);
        let all = heap.sweep_some(Role::Background, 1, &Counting::default());
        assert_eq!((all.pages, all.left), (1, SweepLeft::Nothing));
        heap.begin_sweep(first.other());
    }
}
