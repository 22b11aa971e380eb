//! Modes that act at allocations: `alloc`, `fail-alloc`, `oom-at`, `no-assist`, `assist-all`.

use crate::{heap, report, step_to_tracing};
use greyset::{AllocError, Driver, Heap, Zeal};
use greyset_tests::common::make_list;

/// Allocates one by one with a safepoint after each.
fn allocate(heap: &Heap, objects: u64) {
    heap.mutator().enter(|m| {
        for n in 0..objects {
            m.alloc([n; 3]);
            m.safepoint();
        }
    });
}

#[test]
fn alloc_asks_for_a_cycle_each_so_many() {
    let heap = heap(Driver::Inline, &[Zeal::Alloc(10)]);
    allocate(&heap, 1000);
    let report = report(&heap);
    assert_eq!((report.allocations, report.cycles_asked), (1000, 100));
    assert!(heap.stats().cycles > 10, "{} cycles", heap.stats().cycles);
}

#[test]
fn alloc_sees_values_of_every_size() {
    let heap = heap(Driver::Inline, &[Zeal::Alloc(1)]);
    heap.mutator().enter(|m| {
        for n in 0..50_u8 {
            m.alloc(n);
            m.alloc(u64::from(n));
            m.alloc([n; 100]);
            m.alloc([0_u8; 100_000]);
            m.alloc_bytes(&[n; 40]);
        }
    });
    assert_eq!((report(&heap).allocations, report(&heap).cycles_asked), (250, 250));
}

#[test]
fn alloc_at_random_repeats_with_its_seed() {
    let asked = |seed| {
        let heap = heap(Driver::Inline, &[Zeal::AllocRandom(7), Zeal::Seed(seed)]);
        allocate(&heap, 7000);
        report(&heap).cycles_asked
    };
    assert_eq!(asked(1), asked(1));
    assert_ne!(asked(1), asked(2), "of some two hundred likely numbers");
    assert!((800..1200).contains(&asked(3)), "one in seven, about: {}", asked(3));
}

#[test]
fn without_a_seed_one_is_taken_and_reported() {
    let heaps = [(); 2].map(|()| heap(Driver::Inline, &[Zeal::AllocRandom(7)]));
    let [one, two] = heaps.each_ref().map(report);
    assert_ne!(one.seed, two.seed, "of four thousand million");
    assert!(one.variable.ends_with(&format!("seed:{}", one.seed)));
}

#[test]
fn alloc_leaves_a_stepping_heap_alone() {
    let heap = heap(Driver::Stepping, &[Zeal::Alloc(1), Zeal::EverySafepoint, Zeal::Continuous]);
    allocate(&heap, 100);
    assert_eq!((report(&heap).allocations, report(&heap).cycles_asked), (100, 0));
    assert_eq!(heap.stepper().phase(), "idle");
}

/// Which of ten allocations fail, from 1.
fn failures(heap: &Heap) -> Vec<u64> {
    heap.mutator().enter(|m| {
        let failed = |n: &u64| m.try_alloc([*n; 4]).map_err(AllocError::into_value).err();
        (1..=10).filter_map(|n| failed(&n)).map(|value| value[0]).collect()
    })
}

#[test]
fn fail_alloc_fails_the_one_and_gives_its_value_back() {
    let heap = heap(Driver::Inline, &[Zeal::FailAlloc(4)]);
    assert_eq!(failures(&heap), [4]);
    assert_eq!((report(&heap).failed, heap.stats().limit_failures), (1, 1));
    assert_eq!(failures(&heap), []);
}

#[test]
fn fail_alloc_each_fails_again_and_again() {
    let heap = heap(Driver::Inline, &[Zeal::FailAllocEach(3)]);
    assert_eq!(failures(&heap), [3, 6, 9]);
    assert_eq!(report(&heap).failed, 3);
}

#[test]
fn oom_at_fails_until_there_is_room_again() {
    let heap = heap(Driver::Inline, &[Zeal::OomAt(64 << 10)]);
    heap.mutator().enter(|m| {
        let mut roots = Vec::new();
        let error = loop {
            match m.try_alloc([0_u64; 128]) {
                Ok(gc) => roots.push(gc.root(m)),
                Err(error) => break error.to_string(),
            }
        };
        assert_eq!(roots.len(), 64, "of 1 KiB each: {error}");
        drop(roots);
        m.collect();
        assert!(m.try_alloc([0_u64; 128]).is_ok());
    });
    assert_eq!(report(&heap).failed, 1);
}

/// Allocates in mode Deletion beside a list that has not been marked, and returns what the heap says then, and whether the
/// list has been marked meanwhile.
fn allocate_while_marking(mode: Zeal) -> (greyset::ZealReport, bool) {
    let heap = heap(Driver::Stepping, &[mode]);
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let root = handle.enter(|m| make_list(m, 1000).root(m));
    step_to_tracing(&mut stepper);
    handle.enter(|m| (0..10_000).for_each(|n| _ = m.alloc([n; 3])));
    let before = heap.stats().marked_objects;
    while stepper.mark(64) {}
    while stepper.step_any() != greyset::StepOutcome::Idle {}
    drop(root);
    let by_markers = heap.stats().marked_objects - before;
    (report(&heap), stepper.verify().is_ok() && by_markers >= 1000)
}

#[test]
fn no_assist_leaves_all_marking_to_markers() {
    let (report, marked) = allocate_while_marking(Zeal::NoAssist);
    assert!(report.assists_left_out > 10, "{report}");
    assert!(marked);
}

#[test]
fn assist_all_marks_at_every_allocation() {
    let heap = heap(Driver::Stepping, &[Zeal::AssistAll]);
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let root = handle.enter(|m| make_list(m, 1000).root(m));
    step_to_tracing(&mut stepper);
    handle.enter(|m| (0..100).for_each(|n| _ = m.alloc([n; 3])));
    assert_eq!(report(&heap).assists_added, 100);
    assert!(!stepper.mark(1), "the mutator has marked everything");
    while stepper.step_any() != greyset::StepOutcome::Idle {}
    stepper.verify().expect("a sound heap");
    drop(root);
}
