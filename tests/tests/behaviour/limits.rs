//! Running out of memory is an ordinary error.

use greyset::{Driver, Event, EventSink, Heap, LimitKind, Root, Slot, Static, StepOutcome};
use greyset_tests::common::{Drops, Node, list_length, make_list, panic_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const LIMIT: u64 = 4 << 20;

fn limited(driver: Driver) -> Heap {
    Heap::builder().hard_limit(LIMIT).driver(driver).build().expect("a heap")
}

#[test]
fn an_allocation_over_the_limit_gives_the_value_back() {
    for driver in [Driver::Background, Driver::Inline, Driver::Stepping] {
        let (heap, drops) = (limited(driver), Drops::default());
        heap.mutator().enter(|m| {
            let mut kept: Vec<Root<_>> = Vec::new();
            let error = loop {
                match m.try_alloc(Static((drops.value(), [kept.len(); 1000]))) {
                    Ok(object) => kept.push(object.root(m)),
                    Err(error) => break error,
                }
                m.safepoint();
            };
            assert!(kept.len() > 200, "{} objects of 8 KB below 4 MiB", kept.len());
            assert_eq!(drops.count(), 0);
            let text = error.to_string();
            assert!(text.contains("limit"), "{text}");
            let value = error.into_value();
            assert_eq!(value.0.1[0], kept.len());
            drop(value);
            assert_eq!(drops.count(), 1);
            assert!(m.heap().stats().limit_failures >= 1);
            for (number, object) in kept.iter().enumerate() {
                assert_eq!(object.get(m).0.1, [number; 1000]);
            }
            // The program lets go of something, collects, goes on.
            let count = kept.len() as u64;
            kept.truncate(kept.len() / 2);
            m.collect();
            assert_eq!(drops.count(), 1 + count - kept.len() as u64);
            for _ in 0..kept.len() / 2 {
                let object = m.try_alloc(Static((drops.value(), [7; 1000])));
                kept.push(object.expect("there is room again").root(m));
            }
        });
        assert!(heap.stats().mapped_bytes <= LIMIT + (1 << 20), "{}", heap.stats());
    }
}

#[test]
fn everything_that_allocates_can_be_refused() {
    let heap = limited(Driver::Inline);
    heap.mutator().enter(|m| {
        let large = LIMIT as usize;
        assert!(m.try_alloc_bytes(&vec![0; large]).is_err());
        assert!(m.try_alloc_str(&"x".repeat(large)).is_err());
        assert!(m.try_alloc_array(large / 8, |_| Slot::<Node>::empty()).is_err());
        let message = panic_of(|| _ = m.alloc_array(large, |_| 0u8));
        assert!(message.contains("limit"), "{message}");
        let kept = make_list(m, 10_000).root(m);
        m.collect();
        assert_eq!(list_length(m, kept.get(m)), 10_000);
    });
}

#[test]
fn garbage_below_the_limit_never_fails() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = limited(driver);
        heap.mutator().enter(|m| {
            for _ in 0..200 {
                // 200 times a quarter of the limit. Now and then the collector needs to be waited for.
                for _ in 0..16 {
                    if m.try_alloc(Static([0u64; 1000])).is_err() {
                        m.collect();
                        assert!(m.try_alloc(Static([0u64; 1000])).is_ok(), "{}", m.heap().stats());
                    }
                }
                m.safepoint();
            }
        });
    }
}

/// Garbage that no cycle has to find any more: only between the living, so that sweeping it yields no pages.
#[test]
fn holes_between_the_living_serve_the_first_allocation_after_marking() {
    let heap = limited(Driver::Stepping);
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| {
        let mut kept: Vec<Root<_>> = Vec::new();
        while let Ok(object) = m.try_alloc(Static([1u64; 8])) {
            kept.push(object.root(m));
        }
        let (mut at, half) = (0, kept.len() / 2);
        kept.retain(|_| {
            at += 1;
            at > half || at % 2 == 0
        });
        m.safepoint();
        stepper.request();
        loop {
            match stepper.collector() {
                StepOutcome::AwaitSweep => break,
                StepOutcome::AwaitMarkers => _ = stepper.mark(usize::MAX),
                _ => {}
            }
            m.safepoint();
        }
        assert!(m.try_alloc(Static([1u64; 8])).is_ok(), "{} of {half} are dead: {}", half / 2, heap.stats());
    });
}

#[test]
fn the_limit_can_be_moved() {
    let heap = Heap::builder().build().expect("a heap");
    heap.mutator().enter(|m| {
        heap.set_hard_limit(Some(LIMIT)).expect("a limit");
        assert_eq!(heap.stats().hard_limit, Some(LIMIT));
        assert!(m.try_alloc_bytes(&vec![1; LIMIT as usize]).is_err());
        heap.set_hard_limit(Some(4 * LIMIT)).expect("a limit");
        assert!(m.try_alloc_bytes(&vec![1; LIMIT as usize]).is_ok());
        assert!(heap.set_hard_limit(Some(1)).is_err());
        heap.set_hard_limit(None).expect("no limit");
        assert_eq!(heap.stats().hard_limit, None);
        assert!(m.try_alloc_bytes(&vec![1; 4 * LIMIT as usize]).is_ok());
    });
}

#[test]
fn a_refusal_is_an_event() {
    #[derive(Default)]
    struct Count(AtomicU64);
    impl EventSink for Count {
        fn event(&self, _: &str, event: &Event) {
            if let Event::LimitReached { kind: LimitKind::Hard, limit: LIMIT, .. } = event {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let count = Arc::new(Count::default());
    let heap = Heap::builder().hard_limit(LIMIT).sink(count.clone()).build().expect("a heap");
    heap.mutator().enter(|m| assert!(m.try_alloc_bytes(&vec![0; LIMIT as usize]).is_err()));
    assert_eq!((count.0.load(Ordering::Relaxed), heap.stats().limit_failures), (1, 1));
}
