//! What a heap says of itself.

use greyset::{Driver, Heap, Slot, Stats, StepOutcome};
use greyset_tests::common::{Node, finish, make_list, objects};

fn stepping() -> Heap {
    Heap::builder().driver(Driver::Stepping).build().expect("a heap")
}

/// Bytes and objects that a list of `length` takes.
fn list_of(length: u64) -> (u64, u64) {
    (length * size_of::<Node>() as u64, length)
}

fn allocated(stats: &Stats) -> (u64, u64) {
    (stats.allocated_bytes, stats.allocated_objects)
}

#[test]
fn what_was_allocated_is_what_lives_and_what_was_freed() {
    let heap = stepping();
    let mut stepper = heap.stepper();
    let mut total = (0, 0);
    let mut lists = Vec::new();
    for length in [1, 10, 1000, 12_345, 7] {
        // A handle that is dropped has given its runs back: all that counts is in objects.
        heap.mutator().enter(|m| lists.push(make_list(m, length).root(m)));
        total = (total.0 + list_of(length).0, total.1 + list_of(length).1);
        assert_eq!(allocated(&heap.stats()), total);
        assert_eq!(
            (heap.stats().heap_bytes, heap.census().bytes(), objects(&heap)),
            (total.0, total.0, total.1)
        );
    }
    drop(lists.swap_remove(2));
    finish(&mut stepper);
    let (gone, gone_objects) = list_of(1000);
    let stats = heap.stats();
    assert_eq!(allocated(&stats), total, "what is freed has been allocated all the same");
    assert_eq!((stats.heap_bytes, stats.live_bytes), (total.0 - gone, total.0 - gone));
    assert_eq!((heap.census().bytes(), objects(&heap)), (total.0 - gone, total.1 - gone_objects));
    assert_eq!((stats.marked_objects, stats.marked_bytes), (total.1 - gone_objects, total.0 - gone));
    assert_eq!((stats.peak_bytes >= total.0, stats.cycles, stats.mutators), (true, 1, 0));
    lists.clear();
    finish(&mut stepper);
    let stats = heap.stats();
    assert_eq!((stats.heap_bytes, stats.live_bytes, objects(&heap)), (0, 0, 0));
    assert_eq!((allocated(&stats), stats.cycles), (total, 2));
}

#[test]
fn what_is_allocated_while_a_cycle_runs_counts_as_live() {
    let heap = stepping();
    let mut stepper = heap.stepper();
    stepper.request();
    while stepper.phase() != "mark" {
        let _ = stepper.collector();
    }
    let _ = stepper.collector();
    heap.mutator().enter(|m| _ = make_list(m, 500));
    finish_running(&mut stepper);
    assert_eq!((heap.stats().heap_bytes, objects(&heap)), list_of(500));
    finish(&mut stepper);
    assert_eq!((heap.stats().heap_bytes, objects(&heap)), (0, 0));
}

#[test]
fn what_is_allocated_meanwhile_in_a_run_taken_before_counts_as_live() {
    let heap = stepping();
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| {
        let _before = make_list(m, 1).root(m);
        stepper.request();
        while (stepper.collector(), stepper.phase()) != (StepOutcome::AwaitMarkers, "mark") {
            m.safepoint();
        }
        let kept = make_list(m, 50).root(m);
        while stepper.step_any() != StepOutcome::Idle {
            m.safepoint();
        }
        assert_eq!(greyset_tests::common::list_length(m, kept.get(m)), 50);
        let stats = heap.stats();
        assert_eq!((stats.live_bytes, stats.marked_bytes), (list_of(51).0, list_of(1).0));
    });
}

fn finish_running(stepper: &mut greyset::Stepper) {
    while stepper.step_any() != StepOutcome::Idle {}
    while stepper.sweep(64) {}
}

#[test]
fn free_memory_goes_back_when_asked() {
    let heap = Heap::builder().driver(Driver::Stepping).release_cpu(0).build().expect("a heap");
    let mut stepper = heap.stepper();
    let kept = heap.mutator().enter(|m| {
        m.alloc_array(2_000_000, |_| Slot::<Node>::empty());
        make_list(m, 100_000);
        make_list(m, 1000).root(m)
    });
    let full = heap.stats();
    assert!(full.mapped_bytes > 16 << 20, "{full}");
    finish(&mut stepper);
    let released = heap.release_free_memory();
    let empty = heap.stats();
    assert!(released > 16 << 20 && empty.released_bytes >= released, "{empty}");
    assert!(empty.mapped_bytes + (16 << 20) < full.mapped_bytes, "{full} {empty}");
    assert_eq!(heap.release_free_memory(), 0, "twice gives nothing");
    // What went back can be used again, and reads as fresh.
    heap.mutator().enter(|m| {
        let array = m.alloc_array(2_000_000, |at| at as u64);
        assert!(array.iter().enumerate().all(|(at, &value)| at as u64 == value));
        assert_eq!(greyset_tests::common::list_length(m, kept.get(m)), 1000);
    });
    stepper.verify().expect("a sound heap");
}

#[test]
fn statistics_can_be_read_at_any_time() {
    let heap = Heap::builder().min_heap(64 << 10).build().expect("a heap");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut before = Stats::default();
            for _ in 0..300 {
                let (now, _) = (heap.stats(), heap.census().to_string());
                assert!(now.cycles >= before.cycles && now.peak_bytes >= before.peak_bytes, "{before} {now}");
                assert!(now.heap_bytes < 1 << 40 && now.cpu_share < 1.01, "{now}");
                assert!(!now.to_string().is_empty());
                before = now;
            }
        });
        heap.mutator().enter(|m| {
            while !reader.is_finished() {
                make_list(m, 100);
                m.safepoint();
            }
        });
    });
}

/// Without threads of its own the heap marks on the mutators', and that is counted there, once.
#[test]
fn marking_by_a_mutator_takes_processor_time_of_its() {
    for driver in [Driver::Inline, Driver::Stepping] {
        let heap = Heap::builder().driver(driver).build().expect("a heap");
        heap.mutator().enter(|m| {
            let _list = make_list(m, 100_000).root(m);
            m.collect();
        });
        let cpu = heap.stats().cpu;
        assert!(!cpu.assist.is_zero() && cpu.mark.is_zero(), "{driver:?}: {cpu:?}");
    }
}
