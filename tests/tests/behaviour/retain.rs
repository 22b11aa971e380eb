//! What a heap keeps of the size it has reached.

use greyset::{Driver, Heap, HeapBuilder, Mutator};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Allocates garbage until a cycle that began at its trigger is over.
fn until_collected(heap: &Heap, m: &mut Mutator) {
    let before = heap.stats().cycles;
    for _ in 0..100_000 {
        let _garbage = m.alloc_bytes(&[0; 16 << 10]);
        m.safepoint();
        if heap.stats().cycles > before {
            return;
        }
    }
    panic!("1.6 GB of garbage, and no cycle");
}

/// The goal of a heap that had 64 MiB live, after cycles that found nothing, and after its memory was wanted back.
fn goals(builder: HeapBuilder) -> (u64, u64) {
    // Zeal asks for cycles, which is to want memory back.
    let heap = builder.driver(Driver::Inline).ignore_environment().build().expect("a heap");
    heap.mutator().enter(|m| {
        let mut kept = Vec::new();
        for _ in 0..64 {
            kept.push(m.alloc_bytes(&[1; MIB as usize]).root(m));
            m.safepoint();
        }
        until_collected(&heap, m);
        drop(kept);
        // The first may have begun before the objects were let go.
        (0..3).for_each(|_| until_collected(&heap, m));
        let goal = heap.stats().goal_bytes;
        heap.release_free_memory();
        (goal, heap.stats().goal_bytes)
    })
}

#[test]
fn a_heap_that_was_large_uses_what_it_has() {
    let (kept, back) = goals(Heap::builder().retain(Duration::from_secs(3600)));
    assert!(kept > 64 * MIB, "{kept}");
    assert!(back < 10 * MIB, "{back}");
}

#[test]
fn nothing_is_kept_when_it_is_off_or_the_pacer_is_the_reference() {
    for builder in [Heap::builder().retain_off(), Heap::builder().pacer(greyset::PacerKind::Reference)] {
        let (goal, back) = goals(builder);
        assert!(goal < 10 * MIB && back == goal, "{goal} {back}");
    }
}
