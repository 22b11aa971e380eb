//! The verifier while mutators are attached: at work in windows, parked, coming and going.

use super::Node;
use crate::config::Driver;
use crate::heap::Shared;
use crate::{Blame, Heap, MutatorHandle, Root, Slot, Verified, Zeal};
use greyset_alloc::Colour;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

/// A list of `len` nodes.
fn list(handle: &mut MutatorHandle, len: u64) -> Root<Node<'static>> {
    handle.enter(|m| {
        let mut first = m.alloc(Node { key: 0, next: Slot::empty() });
        for key in 1..len {
            first = m.alloc(Node { key, next: Slot::new(Some(first)) });
        }
        first.root(m)
    })
}

/// What a mutator does in a window: makes lists, cuts some, forgets others, answers the collector.
fn work(handle: &mut MutatorHandle, turns: u64) {
    let kept = list(handle, 20);
    handle.enter(|m| {
        for turn in 0..turns {
            for _ in 0..50 {
                let node = kept.get(m);
                let next = node.next.take(m);
                node.next.store(m, Some(m.alloc(Node { key: turn, next: Slot::new(next) })));
            }
            if turn % 4 == 0 {
                m.alloc_bytes(&[7; 9000]);
                m.alloc_bytes(&vec![7; 200_000]);
                kept.get(m).next.store(m, None);
            }
            m.safepoint();
            thread::yield_now();
        }
    });
}

/// Tells threads to stop when it is dropped, also by a panic: else their scope would wait for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs `body` while two mutators work, one of which comes and goes.
fn with_mutators_at_work<R>(heap: &Heap, body: impl FnOnce() -> R) -> R {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            let mut handle = heap.mutator();
            while !stop.load(Relaxed) {
                work(&mut handle, 10);
            }
        });
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                work(&mut heap.mutator(), 3);
            }
        });
        body()
    })
}

fn shared(heap: &Heap) -> &Shared {
    heap.owner().shared()
}

/// What is found wrong with a heap that stays wrong, as soon as that can be seen.
fn told(heap: &Heap) -> Blame {
    loop {
        match heap.verify() {
            Err(blame) => return blame,
            Ok(Verified { spans: None, .. }) => thread::yield_now(),
            Ok(verified) => panic!("nothing is found wrong: {verified:?}"),
        }
    }
}

/// Paints a Free slot in a colour that is none; returns how to undo that. Nobody allocates meanwhile.
fn paint_a_free_slot(heap: &Heap) -> impl FnOnce() {
    let space = shared(heap).space();
    let mut slot = None;
    shared(heap).alloc.for_each_span(|span| {
        let found = span.colours(space).iter().rev().find(|byte| byte.load(Relaxed) == Colour::FREE.byte());
        slot = found.or(slot);
    });
    let slot = slot.expect("a Free slot");
    slot.store(0b100, Relaxed);
    || slot.store(Colour::FREE.byte(), Relaxed)
}

#[test]
fn a_sound_heap_is_found_sound_whatever_mutators_do_meanwhile() {
    for driver in [Driver::Background, Driver::Inline] {
        let builder = Heap::builder().ignore_environment().driver(driver).min_heap(64 << 10);
        let heap = builder.zeal([Zeal::Continuous, Zeal::Verify]).build().expect("a heap");
        let mut parked = heap.mutator();
        let root = list(&mut parked, 100);
        with_mutators_at_work(&heap, || {
            for _ in 0..10 {
                let verified = heap.verify().expect("a sound heap");
                assert!(verified.roots >= 1 && verified.objects >= 100, "{verified:?}");
                heap.release_free_memory();
                parked.enter(|m| {
                    let verified = m.heap().verify().expect("a sound heap");
                    assert!(verified.objects >= 100, "in a window: {verified:?}");
                    m.collect();
                    assert_eq!(root.get(m).key, 99);
                });
            }
        });
        let before = heap.stats().cycles;
        let zeal = heap.zeal().expect("zeal");
        assert!(zeal.heaps_verified >= 5 && zeal.spans_verified >= zeal.heaps_verified, "{driver}: {zeal}");
        // A cycle is verified before it counts as over, and others go on.
        let (ended, after) = (zeal.heaps_verified + zeal.heaps_not_verified, heap.stats().cycles);
        assert!((before..=after + 1).contains(&ended), "{driver}: {zeal}, {before} to {after} cycles");
    }
}

#[test]
fn what_is_wrong_is_told_while_mutators_work() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = Heap::builder().ignore_environment().driver(driver).min_heap(64 << 10).gogc(1000);
        let heap = heap.build().expect("a heap");
        let mut parked = heap.mutator();
        let _kept = list(&mut parked, 100);
        with_mutators_at_work(&heap, || {
            shared(&heap).pace.objects.fetch_add(5, Relaxed);
            let blame = told(&heap);
            assert!(blame.rule.starts_with("the account says that "), "{blame}");
            shared(&heap).pace.objects.fetch_sub(5, Relaxed);
        });
        // Nothing else is wrong.
        while heap.verify().expect("a sound heap").spans.is_none() {
            parked.enter(|m| m.collect());
        }
    }
}

#[test]
fn what_is_wrong_is_told_beside_an_open_window() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = Heap::builder().ignore_environment().driver(driver).gogc_off().build().expect("a heap");
        let (mut parked, mut open) = (heap.mutator_named("parked"), heap.mutator());
        let root = list(&mut parked, 3);
        // Gives runs back, so that there are Free slots.
        parked.enter(|m| {
            m.collect();
            m.alloc([1_u64; 5]);
        });
        open.enter(|m| {
            m.alloc([1_u64; 9]);
            assert!(heap.verify().is_ok_and(|verified| verified.spans.is_some()));

            let undo = paint_a_free_slot(&heap);
            let blame = told(&heap);
            assert!(blame.rule.starts_with("heap corrupt: ColourByte"), "{blame}");
            undo();

            let mut unused = 0;
            crate::mutator::with_parked_caches(shared(&heap), &shared(&heap).mutators.lock(), |_, cache| {
                cache.for_each_reserved(&shared(&heap).alloc, |slot| unused = slot);
            });
            let first = root.get(m).as_addr();
            root.set_addr(unused);
            let blame = told(&heap);
            assert!(blame.rule.contains("lies in the run of mutator 1 (\"parked\")"), "{blame}");
            root.set_addr(first);

            shared(&heap).pace.objects.fetch_add(1, Relaxed);
            assert!(told(&heap).rule.starts_with("the account says that "));
            shared(&heap).pace.objects.fetch_sub(1, Relaxed);

            assert!(heap.verify().is_ok_and(|verified| verified.spans.is_some()));
        });
    }
}

/// In a process of its own, which the report ends: each cycle checks everything when all is swept.
#[test]
fn zeal_finds_what_is_wrong_when_a_cycle_is_over() {
    const CHILD: &str = "GREYSET_TEST_BREAKS";
    let name = "verify::tests::at_work::zeal_finds_what_is_wrong_when_a_cycle_is_over";
    if let Ok(what) = std::env::var(CHILD) {
        return break_and_collect(&what);
    }
    let program = std::env::current_exe().expect("a program");
    for driver in ["background", "inline"] {
        for (what, wanted) in
            [("counter", "the account says that "), ("colour", "heap corrupt: ColourByte"), ("nothing", "")]
        {
            let child = Command::new(&program)
                .args([name, "--exact", "--nocapture"])
                .env(CHILD, format!("{driver} {what}"))
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&child.stderr).into_owned();
            assert_eq!(child.status.success(), what == "nothing", "{driver} {what}: {said}");
            let report = format!("heap verification failed: {wanted}");
            assert!(what == "nothing" || said.contains(&report), "{driver} {what}: {said}");
        }
    }
}

/// The child: with a mutator parked, another one in a window.
fn break_and_collect(what: &str) {
    let driver = if what.starts_with("inline") { Driver::Inline } else { Driver::Background };
    let heap = Heap::builder().ignore_environment().driver(driver).gogc_off();
    let heap = heap.zeal([Zeal::Verify]).build().expect("a heap");
    let mut parked = heap.mutator();
    let _kept = list(&mut parked, 100);
    // Gives runs back, so that there are Free slots.
    parked.enter(|m| m.collect());
    let (started, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            heap.mutator().enter(|m| {
                while !stop.load(Relaxed) {
                    m.safepoint();
                    started.fetch_add(1, Relaxed);
                    thread::yield_now();
                }
            });
        });
        while started.load(Relaxed) == 0 {
            thread::yield_now();
        }
        match what.split_once(' ').expect("a driver and a word").1 {
            "counter" => _ = shared(&heap).pace.objects.fetch_add(5, Relaxed),
            "colour" => _ = paint_a_free_slot(&heap),
            _ => {}
        }
        parked.enter(|m| m.collect());
    });
    assert_eq!(heap.zeal().map(|zeal| (zeal.heaps_verified, zeal.heaps_not_verified)), Some((2, 0)));
}
