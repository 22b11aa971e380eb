//! The system refuses to reserve, to commit, to take back, to advise, to start a thread.

use greyset::{Driver, Event, EventSink, Heap, HeapBuilder, HeapError, HugePages, Slot, Static, Zeal};
use greyset_alloc::os::{Call, FakeOs};
use greyset_sync::thread::refuse_nth;
use greyset_tests::common::{Drops, list_length, make_list, objects};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const MIB: u64 = 1 << 20;
/// Reservations of a heap: its objects and the tables.
const RESERVED: usize = 2;

fn on(builder: HeapBuilder, os: &Arc<FakeOs>) -> Result<Heap, HeapError> {
    builder.build_on(Box::new(Arc::clone(os)))
}

fn inline() -> HeapBuilder {
    Heap::builder().ignore_environment().driver(Driver::Inline).gogc_off()
}

/// The n-th call of a kind is refused, for n from 1 on, until `scenario` makes fewer calls; how many it makes.
fn each_nth(kind: Call, scenario: impl Fn(&Arc<FakeOs>, usize)) -> usize {
    each_row(kind, 1, scenario)
}

/// The same with `count` calls in a row.
fn each_row(kind: Call, count: usize, scenario: impl Fn(&Arc<FakeOs>, usize)) -> usize {
    let mut nth = 1;
    loop {
        let os = Arc::new(FakeOs::new());
        os.fail_row(kind, nth, count);
        scenario(&os, nth);
        if os.calls(kind) < nth {
            return nth - 1;
        }
        nth += 1;
        assert!(nth < 5000, "the scenario ends");
    }
}

/// The heap does what heaps do: lists live, garbage goes.
fn is_usable(heap: &Heap) {
    heap.mutator().enter(|m| m.collect());
    let before = objects(heap);
    heap.mutator().enter(|m| {
        let list = make_list(m, 100).root(m);
        make_list(m, 100);
        m.collect();
        assert_eq!((list_length(m, list.get(m)), objects(heap)), (100, before + 100));
    });
    heap.mutator().enter(|m| m.collect());
    assert_eq!(objects(heap), before);
}

#[test]
fn reserving_is_refused_once_and_half_will_do() {
    let refused = each_nth(Call::Reserve, |os, nth| {
        let heap = on(inline().reserve(128 * MIB), os).expect("half of it can be had");
        is_usable(&heap);
        assert_eq!(os.calls(Call::Reserve) > RESERVED, nth <= RESERVED, "call {nth}");
    });
    assert_eq!(refused, RESERVED);
}

#[test]
fn reserving_the_least_is_refused() {
    let refused = each_nth(Call::Reserve, |os, nth| match on(inline().reserve(64 * MIB), os) {
        Ok(heap) => is_usable(&heap),
        Err(error) => {
            assert!(matches!(error, HeapError::Reserve { bytes, .. } if bytes == 64 * MIB), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("reserve") && text.contains("64"), "call {nth}: {text}");
            is_usable(&on(inline().reserve(64 * MIB), os).expect("once more, and the system gives it"));
        }
    });
    assert_eq!(refused, RESERVED);
}

#[test]
fn reserving_is_refused_always() {
    let os = Arc::new(FakeOs::new());
    os.fail_all(Call::Reserve);
    let error = on(inline(), &os).expect_err("there are no addresses");
    assert!(error.to_string().contains("refused by the fake system"), "{error}");
}

/// Allocates by each function that does, each in a class of its own so that each needs fresh pages: how many failed, and how
/// many values that count their drops were made.
fn allocate_everything(heap: &Heap, drops: &Drops) -> (u64, u64) {
    let (refused, made) = (Cell::new(0), Cell::new(0));
    let fails = |failed: bool| refused.set(refused.get() + u64::from(failed));
    let value = || {
        made.set(made.get() + 1);
        drops.value()
    };
    heap.mutator().enter(|m| {
        for round in 0..2 {
            fails(
                m.try_alloc([round; 3]).map_err(|error| assert_eq!(error.into_value(), [round; 3])).is_err(),
            );
            fails(m.try_alloc(value()).is_err());
            fails(m.try_alloc(Static((value(), [0u64; 10_000]))).is_err());
            fails(m.try_alloc(7u8).is_err());
            fails(m.try_alloc_str("a string").is_err());
            fails(m.try_alloc_bytes(&[1; 100_000]).is_err());
            fails(m.try_alloc_slice(&[1u32, 2, 3]).is_err());
            fails(m.try_alloc_array(100, |_| Slot::<String>::empty()).is_err());
            fails(m.try_alloc_array(20_000, |_| 1.5f64).is_err());
            fails(m.try_alloc_array(4, |_| value()).is_err());
        }
    });
    (refused.get(), made.get())
}

/// The same by the functions that panic where they fail.
fn allocate_everything_or_panic(heap: &Heap, drops: &Drops) -> (u64, u64) {
    let (refused, made) = (Cell::new(0), Cell::new(0));
    let value = || {
        made.set(made.get() + 1);
        drops.value()
    };
    heap.mutator().enter(|m| {
        let all: [&dyn Fn(); 9] = [
            &|| _ = m.alloc([1; 3]),
            &|| _ = m.alloc(value()),
            &|| _ = m.alloc(Static((value(), [0u64; 10_000]))),
            &|| _ = m.alloc(7u8),
            &|| _ = m.alloc_str("a string"),
            &|| _ = m.alloc_bytes(&[1; 100_000]),
            &|| _ = m.alloc_slice(&[1u32, 2, 3]),
            &|| _ = m.alloc_array(100, |_| Slot::<String>::empty()),
            &|| _ = m.alloc_array(4, |_| value()),
        ];
        for alloc in all {
            let failed = catch_unwind(AssertUnwindSafe(alloc)).is_err();
            refused.set(refused.get() + u64::from(failed));
        }
    });
    (refused.get(), made.get())
}

#[test]
fn the_nth_allocation_is_refused() {
    for (all, of) in [(allocate_everything as fn(&Heap, &Drops) -> _, 20), (allocate_everything_or_panic, 9)]
    {
        for nth in 1.. {
            let heap = inline().zeal([Zeal::FailAlloc(nth)]).build().expect("a heap");
            let drops = Drops::default();
            let (failed, made) = all(&heap, &drops);
            assert_eq!(heap.zeal().map(|zeal| zeal.failed), Some(failed), "the {nth}th, and no other");
            if failed == 0 {
                assert_eq!(nth, of + 1, "until the scenario passes");
                break;
            }
            is_usable(&heap);
            heap.verify().expect("a sound heap");
            assert_eq!((objects(&heap), drops.count()), (0, made), "values are dropped once: the {nth}th");
        }
    }
}

#[test]
fn committing_is_refused() {
    // An allocation asks again, for less and when it has looked for what to sweep: one refusal alone is no error.
    assert_eq!(committing_is_refused_in_a_row_of(1), 0);
    assert!(committing_is_refused_in_a_row_of(4) > 10);
}

/// How many allocations fail where so many calls are refused, from each on.
fn committing_is_refused_in_a_row_of(count: usize) -> u64 {
    let errors = Cell::new(0);
    let calls = each_row(Call::Commit, count, |os, nth| {
        let heap = on(inline().reserve(64 * MIB), os).expect("a heap");
        let drops = Drops::default();
        let kept = heap.mutator().enter(|m| match m.try_alloc("kept".to_owned()) {
            Ok(text) => Some(text.root(m)),
            Err(error) => {
                assert_eq!(error.into_value(), "kept");
                None
            }
        });
        let (failed, made) = allocate_everything(&heap, &drops);
        let failed = failed + u64::from(kept.is_none());
        errors.set(errors.get() + failed);
        // No error comes without a refusal.
        let refused = (os.calls(Call::Commit) + 1).saturating_sub(nth).min(count);
        assert!(failed <= refused as u64, "{failed} errors for {refused} refusals");
        assert_eq!(heap.stats().limit_failures, failed);
        heap.mutator().enter(|m| {
            m.collect();
            assert!(kept.as_ref().is_none_or(|kept| kept.get(m).as_str() == "kept"));
        });
        is_usable(&heap);
        drop((kept, heap));
        assert_eq!(drops.count(), made, "every value is dropped");
    });
    assert!(calls > 10, "{calls} calls");
    errors.get()
}

#[test]
fn committing_is_refused_for_a_while() {
    let os = Arc::new(FakeOs::new());
    let heap = on(inline(), &os).expect("a heap");
    let drops = Drops::default();
    assert_eq!(allocate_everything(&heap, &drops), (0, 12));
    os.fail_all(Call::Commit);
    heap.mutator().enter(|m| {
        let error = m.try_alloc_bytes(&[0; 1 << 20]).expect_err("it needs pages");
        assert!(error.to_string().contains("no memory for 1056768 more bytes"), "{error}");
        // What the heap has serves on: garbage makes room.
        m.collect();
        for _ in 0..100 {
            m.alloc([1u64; 3]);
        }
    });
    os.fail_none(Call::Commit);
    heap.mutator().enter(|m| assert!(m.try_alloc_bytes(&[0; 1 << 20]).is_ok()));
    is_usable(&heap);
}

#[test]
fn giving_back_is_refused() {
    let kept_back = Cell::new(0);
    let calls = each_nth(Call::GiveBack, |os, nth| {
        let heap = on(inline().release_cpu(0), os).expect("a heap");
        heap.mutator().enter(|m| {
            let kept = make_list(m, 10).root(m);
            for _ in 0..20 {
                m.alloc_bytes(&[0; 1 << 20]);
            }
            m.collect();
            let mapped = heap.stats().mapped_bytes;
            let before = os.calls(Call::GiveBack);
            let first = heap.release_free_memory();
            let refused = (before..os.calls(Call::GiveBack)).contains(&(nth - 1));
            let second = heap.release_free_memory();
            assert!(first + second >= 19 * MIB, "{first} and {second} of {mapped}");
            assert!(second == 0 || refused, "what was refused stays the heap's, and goes the next time");
            kept_back.set(kept_back.get() + u32::from(second > 0));
            assert_eq!(list_length(m, kept.get(m)), 10);
        });
        is_usable(&heap);
    });
    assert!(calls >= 2 && kept_back.get() >= 1, "{calls} calls");
}

#[test]
fn advice_is_refused_and_nobody_cares() {
    let calls = each_nth(Call::AdviseHuge, |os, _| {
        let heap = on(inline().huge_pages(HugePages::Advise), os).expect("huge pages are a wish");
        is_usable(&heap);
    });
    assert!(calls >= 1, "{calls} calls");
}

/// What was said about threads.
#[derive(Default)]
struct Refusals(Mutex<Vec<String>>);

impl EventSink for Refusals {
    fn event(&self, _: &str, event: &Event) {
        if let Event::ThreadRefused { error } = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(error.clone());
        }
    }
}

#[test]
fn threads_are_refused_and_mutators_do_the_work() {
    for nth in 1..=6 {
        let sink = Arc::new(Refusals::default());
        let builder = Heap::builder().ignore_environment().workers(3).min_heap(64 << 10).sink(sink.clone());
        let heap = builder.build().expect("no thread is started yet");
        let drops = Drops::default();
        refuse_nth(nth);
        heap.mutator().enter(|m| {
            let list = make_list(m, 1000).root(m);
            for _ in 0..50 {
                m.alloc(drops.value());
                make_list(m, 100);
                m.safepoint();
            }
            m.collect();
            assert_eq!((list_length(m, list.get(m)), drops.count()), (1000, 50));
        });
        is_usable(&heap);
        let told = sink.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wanted: &[&str] = if nth <= 4 { &["refused for a test"] } else { &[] };
        assert_eq!(told, wanted, "collector, sweeper and two markers are started: {nth}");
        refuse_nth(0);
    }
}

/// The threads that could be started run a whole cycle while the others are being started and the last is refused.
#[test]
fn a_thread_is_refused_when_the_cycle_is_over() {
    for _ in 0..100 {
        let heap =
            Heap::builder().ignore_environment().workers(64).build().expect("no thread is started yet");
        refuse_nth(65);
        heap.request_cycle();
        refuse_nth(0);
        is_usable(&heap);
    }
}

/// Somebody waits for a cycle, and the thread that was to start the collector's is refused one and goes its way.
#[test]
fn a_thread_is_refused_while_another_one_waits_for_the_cycle() {
    for _ in 0..50 {
        let heap =
            Heap::builder().ignore_environment().workers(64).build().expect("no thread is started yet");
        let (tell, told) = channel();
        let starter = {
            let heap = heap.clone();
            thread::spawn(move || {
                refuse_nth(65);
                tell.send(()).expect("somebody listens");
                heap.request_cycle();
            })
        };
        heap.mutator().enter(|m| {
            let list = make_list(m, 10).root(m);
            told.recv().expect("it starts");
            m.collect();
            assert_eq!(list_length(m, list.get(m)), 10);
        });
        starter.join().expect("no panic");
    }
}
