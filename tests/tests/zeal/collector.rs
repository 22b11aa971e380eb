//! Modes that act in the collector: `continuous`, `every-safepoint`, `slices`, `yield-before`, `verify`, `steal-storm`,
//! `tiny-buffers`, `jitter`.

use crate::{heap, report, step_to_tracing};
use greyset::{Driver, Phase, StepOutcome, Zeal};
use greyset_tests::common::{finish, make_list};

#[test]
fn continuous_begins_a_cycle_when_one_ends() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = heap(driver, &[Zeal::Continuous]);
        heap.mutator().enter(|m| {
            while heap.stats().cycles < 20 {
                make_list(m, 10);
                m.safepoint();
                std::thread::yield_now();
            }
        });
        assert!(report(&heap).cycles_asked >= 20, "{driver}");
    }
}

#[test]
fn every_safepoint_takes_a_step() {
    let heap = heap(Driver::Inline, &[Zeal::EverySafepoint]);
    heap.mutator().enter(|m| {
        let root = make_list(m, 100).root(m);
        for _ in 0..200 {
            m.safepoint();
        }
        assert_eq!(root.get(m).key, 100);
    });
    assert_eq!(report(&heap).safepoints, 200);
    assert!(heap.stats().cycles >= 10, "{} cycles", heap.stats().cycles);
    assert!(report(&heap).cycles_asked >= heap.stats().cycles);
}

#[test]
fn slices_are_short() {
    let steps = |modes: &[Zeal]| {
        let heap = heap(Driver::Inline, modes);
        heap.mutator().enter(|m| {
            let root = make_list(m, 5000).root(m);
            m.collect();
            assert_eq!(root.get(m).key, 5000);
        });
        heap
    };
    // Objects are taken in batches of 32.
    let sliced = steps(&[Zeal::Slices(1)]);
    assert!(report(&sliced).slices >= 5000 / 32, "{}", report(&sliced));
    assert_eq!(report(&steps(&[Zeal::Slices(1 << 30)])).slices, 0);
}

#[test]
fn yield_before_holds_back_the_phase_and_no_other() {
    let phases = [
        Phase::Idle,
        Phase::Prepare,
        Phase::Begin,
        Phase::Mark,
        Phase::Terminate,
        Phase::Clear,
        Phase::Sweep,
    ];
    for phase in phases {
        let heap = heap(Driver::Stepping, &[Zeal::YieldBefore(phase)]);
        let root = heap.mutator().enter(|m| make_list(m, 10).root(m));
        let mut stepper = heap.stepper();
        for cycles in 1..=3 {
            finish(&mut stepper);
            assert_eq!(report(&heap).yields, cycles, "{}", phase.name());
        }
        drop(root);
    }
    let heap = heap(Driver::Stepping, &phases.map(Zeal::YieldBefore));
    finish(&mut heap.stepper());
    assert_eq!(report(&heap).yields, 7);
}

#[test]
fn verify_checks_what_each_cycle_has_marked() {
    for driver in [Driver::Background, Driver::Inline] {
        let heap = heap(driver, &[Zeal::Verify]);
        heap.mutator().enter(|m| {
            let root = make_list(m, 100).root(m);
            (0..3).for_each(|_| m.collect());
            assert_eq!(root.get(m).key, 100);
        });
        let report = report(&heap);
        assert_eq!((report.verifications, report.objects_verified), (3, 300), "{driver}");
        assert_eq!((report.heaps_verified, report.heaps_not_verified), (3, 0), "{driver}");
        assert!(report.spans_verified >= 3, "{driver}: {report}");
    }
}

#[test]
fn the_setting_verify_is_the_mode() {
    let heap = greyset::Heap::builder().ignore_environment().verify(true).build().expect("a heap");
    heap.mutator().enter(|m| m.collect());
    let report = report(&heap);
    assert!(report.variable.starts_with("GREYSET_ZEAL=verify,seed:"), "{report}");
    assert_eq!(report.verifications, 1);
}

#[test]
fn markers_share_at_every_turn_in_a_storm() {
    let shares = |modes: &[Zeal]| {
        let heap = heap(Driver::Stepping, modes);
        let root = heap.mutator().enter(|m| {
            let rows: Vec<_> = (0..2000).map(|_| make_list(m, 3)).collect();
            m.alloc_array(rows.len(), |at| greyset::Slot::new(Some(rows[at]))).root(m)
        });
        finish(&mut heap.stepper());
        drop(root);
        report(&heap).shares
    };
    assert_eq!(shares(&[Zeal::Poison]), 0, "a single marker has nobody to share with");
    assert!(shares(&[Zeal::StealStorm]) > 50);
}

#[test]
fn several_markers_finish_in_a_storm() {
    let builder = greyset::Heap::builder().ignore_environment().workers(3);
    let heap = builder.zeal([Zeal::StealStorm, Zeal::TinyBuffers, Zeal::Verify]).build().expect("a heap");
    heap.mutator().enter(|m| {
        let roots: Vec<_> = (0..50).map(|_| make_list(m, 200).root(m)).collect();
        (0..5).for_each(|_| m.collect());
        assert!(roots.iter().all(|root| root.get(m).key == 200));
    });
    assert_eq!(report(&heap).objects_verified, 5 * 50 * 200);
}

#[test]
fn markers_steal_from_each_other_in_a_storm() {
    let builder = greyset::Heap::builder().ignore_environment().workers(3);
    let heap = builder.zeal([Zeal::StealStorm, Zeal::TinyBuffers]).build().expect("a heap");
    heap.mutator().enter(|m| {
        let rows: Vec<_> = (0..5000).map(|_| make_list(m, 5)).collect();
        let root = m.alloc_array(rows.len(), |at| greyset::Slot::new(Some(rows[at]))).root(m);
        let mut cycles = 0;
        while report(&heap).steals == 0 {
            m.collect();
            cycles += 1;
            assert!(cycles < 2000, "nobody steals: {}", report(&heap));
        }
        assert_eq!(root.get(m).len(), 5000);
    });
}

#[test]
fn tiny_buffers_cut_what_markers_hand_over() {
    let cut = |mode| {
        let heap = heap(Driver::Stepping, &[mode]);
        let root = heap.mutator().enter(|m| {
            let rows: Vec<_> = (0..200).map(|_| make_list(m, 3)).collect();
            m.alloc_array(rows.len(), |at| greyset::Slot::new(Some(rows[at]))).root(m)
        });
        let mut stepper = heap.stepper();
        step_to_tracing(&mut stepper);
        // One object, the array, and what it has shaded goes to whoever marks next.
        assert!(stepper.mark(1));
        let cut = report(&heap).segments_cut;
        finish(&mut stepper);
        stepper.verify().expect("a sound heap");
        drop(root);
        cut
    };
    assert_eq!(cut(Zeal::Poison), 0);
    assert!((200 / 16 - 2..=200 / 16).contains(&cut(Zeal::TinyBuffers)), "{}", cut(Zeal::TinyBuffers));
}

#[test]
fn tiny_buffers_are_handed_over_in_twos() {
    let heap = heap(Driver::Stepping, &[Zeal::TinyBuffers]);
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let root = handle.enter(|m| make_list(m, 101).root(m));
    step_to_tracing(&mut stepper);
    // Cutting the list shades what was cut off: a hundred objects, none of them marked before.
    let rest: Vec<_> = handle.enter(|m| {
        let mut at = root.get(m);
        let mut rest = Vec::new();
        while let Some(next) = at.next.take(m) {
            rest.push(next.root(m));
            at = next;
        }
        rest
    });
    assert_eq!((rest.len(), report(&heap).small_buffers), (100, 50));
    while stepper.step_any() != StepOutcome::Idle {}
    stepper.verify().expect("a sound heap");
    assert_eq!(heap.census().objects(), 101);
}

#[test]
fn jitter_yields_at_steps_of_the_protocol() {
    let jitters = |seed| {
        let heap = heap(Driver::Stepping, &[Zeal::Jitter, Zeal::Seed(seed)]);
        let mut stepper = heap.stepper();
        for _ in 0..20 {
            heap.mutator().enter(|m| _ = make_list(m, 10));
            finish(&mut stepper);
        }
        report(&heap).jitters
    };
    assert!(jitters(1) > 20);
    assert_eq!(jitters(7), jitters(7), "one thread: the seed decides");
}
