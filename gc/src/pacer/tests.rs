//! The pacer over the life of a heap: what the recorded scenarios do not reach, and what must hold for any input.

use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;
const NONE: MemoryUse = MemoryUse { mapped: 0, heap_free: 0, heap_alloc: 0 };

fn settings() -> Settings {
    Settings { processors: 8, ..Settings::default() }
}

/// A cycle of 10 ms that starts at the trigger, allocates `allocated` bytes and finds `marked` live.
fn cycle(
    pacer: &mut Pacer,
    allocated: u64,
    marked: u64,
    change: impl FnOnce(&mut CycleInputs),
) -> CycleOutputs {
    let live = pacer.targets(&NONE).trigger;
    pacer.start_cycle(&CycleStart {
        live,
        scannable: live,
        mutator_roots: MIB,
        heap_roots: MIB,
        memory: NONE,
    });
    let mut inputs = CycleInputs {
        live: live + allocated,
        marked,
        heap_work: marked,
        mutator_root_work: MIB,
        heap_root_work: MIB,
        wall: 10_000_000,
        ..CycleInputs::default()
    };
    change(&mut inputs);
    pacer.end_cycle(&inputs)
}

#[test]
fn an_empty_heap() {
    let targets = Pacer::new(settings()).targets(&NONE);
    assert_eq!(targets, Targets { trigger: 3_997_696, goal: 4 * MIB, limited: false });
    let off = Pacer::new(Settings { gogc: Gogc::Off, ..settings() }).targets(&NONE);
    assert!(off.trigger > 1 << 60 && !off.limited);
    let limited = Settings { gogc: Gogc::Off, memory_limit: Some(64 * MIB), ..settings() };
    let targets = Pacer::new(limited).targets(&NONE);
    assert_eq!((targets.goal, targets.limited), (64 * MIB - 64 * MIB / 100 * 3, true));
    let small = Settings { min_heap: MIB, gogc: Gogc::Percent(50), ..settings() };
    assert_eq!(Pacer::new(small).targets(&NONE).goal, MIB / 2);
}

fn ours() -> Settings {
    Settings { kind: PacerKind::Greyset, ..settings() }
}

#[test]
fn our_first_cycle_begins_early() {
    let targets = Pacer::new(ours()).targets(&NONE);
    assert_eq!(targets, Targets { trigger: 45 * (4 * MIB / 64), goal: 4 * MIB, limited: false });
    // A cycle that finds nothing to scan measures nothing, and is not the first for ever.
    let mut pacer = Pacer::new(ours());
    pacer.start_cycle(&CycleStart { live: 3 * MIB, ..CycleStart::default() });
    let ended = pacer.end_cycle(&CycleInputs { live: 3 * MIB, ..CycleInputs::default() });
    assert_eq!(
        ended.targets,
        Targets { trigger: 61 * (3 * MIB / 2 / 64), goal: 3 * MIB / 2, limited: false }
    );
    let mut pacer = Pacer::new(ours());
    // Measured: next to nothing is allocated while a cycle runs, so the second begins late.
    let ended = cycle(&mut pacer, 1, MIB, |inputs| inputs.heap_work = 2 * MIB);
    assert_eq!(ended.targets.trigger, pacer.marked() + 61 * ((4 * MIB - pacer.marked()) / 64));
}

#[test]
fn what_is_black_earns_room_as_far_as_it_is_likely_to_live() {
    // Of 8 MiB at the trigger (and 2 of roots) half was alive, 4 more are black: 2 of those are taken to be dead.
    let goal = |kind, memory| {
        let mut pacer = Pacer::new(Settings { min_heap: 128 * MIB / 10, kind, ..settings() });
        let live = 8 * MIB;
        pacer.start_cycle(&CycleStart {
            live,
            scannable: live,
            heap_roots: 2 * MIB,
            ..CycleStart::default()
        });
        let (heap_work, heap_root_work) = (3 * MIB, 2 * MIB);
        let inputs = CycleInputs {
            live: 12 * MIB,
            marked: 8 * MIB,
            heap_work,
            heap_root_work,
            memory,
            ..CycleInputs::default()
        };
        pacer.end_cycle(&inputs).targets.goal
    };
    assert_eq!(goal(PacerKind::Reference, NONE), (8 + 8 + 2) * MIB);
    assert_eq!(goal(PacerKind::Greyset, NONE), (8 + 6 + 2) * MIB);
    // A twelfth of the memory in use is tables: half a MiB of the six.
    let memory = MemoryUse { mapped: 13 * MIB, heap_free: MIB, heap_alloc: 11 * MIB };
    assert_eq!(goal(PacerKind::Greyset, memory), (8 + 6 + 2) * MIB - MIB / 2);
    assert_eq!(goal(PacerKind::Reference, memory), (8 + 8 + 2) * MIB);
}

#[test]
fn a_late_start_is_no_size_to_keep() {
    // Cycles that begin 4 MiB beyond their goal, again and again, and find 4 MiB alive.
    let mut pacer = Pacer::new(Settings { retain: 1 << 40, ..ours() });
    for _ in 0..20 {
        let live = pacer.targets(&NONE).goal + 4 * MIB;
        pacer.start_cycle(&CycleStart { live, scannable: live, ..CycleStart::default() });
        let work =
            CycleInputs { live: live + MIB, marked: 5 * MIB, heap_work: 4 * MIB, ..CycleInputs::default() };
        pacer.end_cycle(&work);
    }
    assert!(pacer.targets(&NONE).goal <= 10 * MIB, "{:?}", pacer.targets(&NONE));
}

#[test]
fn roots_count_in_goal_and_runway() {
    let mut pacer = Pacer::new(settings());
    let ended = cycle(&mut pacer, 3 * MIB, 10 * MIB, |_| {});
    assert_eq!(ended.targets.goal, 22 * MIB);
    // 3 MiB allocated by three quarters while one quarter marked 12 MiB; as much to mark again.
    assert_eq!(ended.cons_mark, 3.0 * 0.25 / (12.0 * 0.75));
    assert_eq!(ended.runway, (ended.cons_mark * 0.75 / 0.25 * (12 * MIB) as f64) as u64);
    assert_eq!(ended.targets.trigger, 22 * MIB - ended.runway);
    assert_eq!(ended.utilization, 0.25);
}

#[test]
fn assists_and_idle_marking_raise_the_estimate() {
    let run = |assist_time, idle_time| {
        let mut pacer = Pacer::new(settings());
        cycle(&mut pacer, 3 * MIB, 10 * MIB, |c| (c.assist_time, c.idle_time) = (assist_time, idle_time))
    };
    // 20 ms of the 80 ms of eight processors.
    let assisted = run(20_000_000, 0);
    assert_eq!((assisted.utilization, assisted.cons_mark), (0.5, 3.0 * 0.5 / (12.0 * 0.5)));
    let idle = run(0, 20_000_000);
    assert_eq!((idle.utilization, idle.cons_mark), (0.25, 3.0 * 0.5 / (12.0 * 0.75)));
    let none = run(0, 0);
    assert!(assisted.targets.trigger < none.targets.trigger && idle.targets.trigger < none.targets.trigger);
}

#[test]
fn another_share_moves_the_trigger() {
    let run = |cpu_share| {
        let mut pacer = Pacer::new(Settings { cpu_share, ..settings() });
        cycle(&mut pacer, 3 * MIB, 10 * MIB, |_| {})
    };
    // What was measured at a share is undone at that share: the same runway, whatever it is.
    for share in [10, 25, 50, 90] {
        assert!(run(share).runway.abs_diff(3 * MIB) <= 1, "{share}");
        assert_eq!(run(share).utilization, f64::from(share) / 100.0);
    }
}

#[test]
fn room_below_the_limit() {
    let room = |limit, marked, tables| {
        let mut pacer = Pacer::new(Settings { memory_limit: limit, ..settings() });
        let _ = cycle(&mut pacer, 0, marked, |_| {});
        pacer.has_room(tables)
    };
    assert!(room(None, 1 << 40, 1 << 40));
    // 3 % of the limit, at least 1 MiB, stay free.
    assert!(room(Some(100 * MIB), 97 * MIB - 1, 0) && !room(Some(100 * MIB), 97 * MIB + 100, 0));
    assert!(
        room(Some(100 * MIB), 87 * MIB - 1, 10 * MIB) && !room(Some(100 * MIB), 87 * MIB + MIB, 10 * MIB)
    );
    assert!(!room(Some(100 * MIB), 200 * MIB, 0) && !room(Some(100 * MIB), 5 * MIB, 200 * MIB));
}

#[test]
fn a_goal_from_the_memory_limit_is_not_stretched() {
    // Twice the work that was expected is done; half of the way to the goal is left.
    let ratio = |kind, gogc| {
        let mut pacer = Pacer::new(Settings { kind, gogc, memory_limit: Some(100 * MIB), ..settings() });
        let _ = cycle(&mut pacer, 0, 20 * MIB, |c| (c.heap_work, c.marked) = (MIB, 20 * MIB));
        pacer.start_cycle(&CycleStart {
            live: 80 * MIB,
            scannable: 2 * MIB,
            memory: NONE,
            ..CycleStart::default()
        });
        let now = Progress { live: 88 * MIB, scannable: 80 * MIB, done: 10 * MIB, ..Progress::default() };
        pacer.revise(&now).work_per_byte
    };
    let work = (71 * MIB) as f64; // 80 scannable and 1 of roots less 10
    let off = |kind| ratio(kind, Gogc::Off);
    let room = pacer_room();
    assert!(
        (off(PacerKind::Greyset) - (work - MIB as f64) / room).abs() < 0.5,
        "{}",
        off(PacerKind::Greyset)
    );
    assert!(off(PacerKind::Reference) < off(PacerKind::Greyset) / 10.0, "{}", off(PacerKind::Reference));
    assert!(ratio(PacerKind::Reference, Gogc::Percent(1000)) < off(PacerKind::Greyset) / 2.0);
}

/// From 88 MiB to what a limit of 100 MiB leaves, in bytes.
fn pacer_room() -> f64 {
    (memory_limit::limit_goal(100 * MIB, &NONE, 0) - 88 * MIB) as f64
}

#[test]
fn what_sweeping_takes_off_counts_at_once() {
    let mut pacer = Pacer::new(settings());
    assert_eq!(cycle(&mut pacer, 0, 100 * MIB, |_| {}).targets.goal, 202 * MIB);
    let corrected = pacer.correct_marked(10 * MIB, &NONE);
    assert_eq!((corrected.goal, pacer.marked()), (22 * MIB, 10 * MIB));
    assert!(corrected.trigger < 22 * MIB);
}

#[test]
fn settings_count_at_once() {
    let mut pacer = Pacer::new(settings());
    let _ = cycle(&mut pacer, 0, 10 * MIB, |c| c.swept = true);
    assert_eq!(pacer.set_gogc(Gogc::Percent(200), 10 * MIB, true, &NONE).goal, 34 * MIB);
    let limited = pacer.set_memory_limit(Some(20 * MIB), 10 * MIB, true, &NONE);
    assert_eq!((limited.goal, limited.limited), (19 * MIB, true));
    // A limit below what is live: a cycle at once, and again and again; the limiter deals with that.
    let hopeless = pacer.set_memory_limit(Some(5 * MIB), 10 * MIB, true, &NONE);
    assert_eq!((hopeless.trigger, hopeless.goal), (10 * MIB, 10 * MIB));
    assert_eq!(pacer.set_memory_limit(None, 10 * MIB, true, &NONE).goal, 34 * MIB);
    assert_eq!(pacer.settings().gogc, Gogc::Percent(200));
    // In a running cycle too: a smaller goal makes allocations owe more.
    let start = CycleStart { live: 30 * MIB, scannable: 30 * MIB, ..CycleStart::default() };
    let before = pacer.start_cycle(&start).assist.work_per_byte;
    assert_eq!(pacer.set_gogc(Gogc::Percent(50), 30 * MIB, true, &NONE).goal, 30 * MIB + (64 << 10));
    let progress = Progress { live: 30 * MIB, scannable: 30 * MIB, ..Progress::default() };
    assert!(pacer.revise(&progress).work_per_byte > before * 10.0);
}

#[test]
fn the_memory_held_moves_goal_and_trigger() {
    let limit = Settings { memory_limit: Some(100 * MIB), gogc: Gogc::Off, ..settings() };
    let pacer = Pacer::new(limit);
    let held = MemoryUse { mapped: 60 * MIB, heap_free: 10 * MIB, heap_alloc: 30 * MIB };
    let targets = pacer.targets(&held);
    assert_eq!(targets.goal, 80 * MIB - 80 * MIB / 100 * 3);
    assert!(targets.trigger < pacer.targets(&NONE).trigger);
}

#[test]
fn a_cycle_that_starts_late_has_a_runway() {
    let mut pacer = Pacer::new(settings());
    let start = CycleStart { live: 50 * MIB, scannable: 50 * MIB, ..CycleStart::default() };
    let plan = pacer.start_cycle(&start);
    assert_eq!(plan.goal, 50 * MIB + (64 << 10));
    assert_eq!(plan.workers, Workers { dedicated: 2, fractional: 0.0, idle: 6 });
    assert_eq!(plan.assist.work_per_byte, 1000.0 / f64::from(64 << 10));
    pacer.abandon_cycle();
    assert_eq!(pacer, Pacer::new(settings()));
}

#[test]
fn sweeping_holds_the_trigger_back() {
    let mut pacer = Pacer::new(Settings { min_heap: 64 << 10, ..settings() });
    let ended = cycle(&mut pacer, 0, 1000, |c| (c.mutator_root_work, c.heap_root_work) = (0, 0));
    assert_eq!(ended.targets.trigger, 1000 + MIB);
    // The roots of the last cycle were a mebibyte.
    assert_eq!(ended.targets.goal, (2000 + MIB).max(1000 + MIB));
    let swept = pacer.set(*pacer.settings(), 1000, true, &NONE);
    assert!(swept.trigger < 1000 + MIB);
}

#[test]
fn memory_to_keep() {
    let mut pacer = Pacer::new(settings());
    assert_eq!(pacer.release_goal(&NONE), ReleaseGoal { heap: u64::MAX, total: u64::MAX });
    let _ = cycle(&mut pacer, 0, 10 * MIB, |c| (c.in_use, c.swept) = (8 * MIB, true));
    // The last goal was 4 MiB, the next is 22.
    let goal = pacer.release_goal(&NONE);
    assert_eq!(goal, ReleaseGoal { heap: (8.0 * MIB as f64 * 5.5 * 1.1) as u64, total: u64::MAX });
    pacer.set_memory_limit(Some(100 * MIB), 0, true, &NONE);
    assert_eq!(pacer.release_goal(&NONE).total, 95 * MIB);
}

#[derive(Clone, Debug)]
enum Call {
    Start(CycleStart),
    Revise(Progress),
    End(CycleInputs),
    Set(Option<u32>, Option<u64>, u64, bool, MemoryUse),
    Abandon,
    Pass(u64),
    Forget,
}

/// A byte count of any magnitude.
fn bytes() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

fn memory() -> impl Strategy<Value = MemoryUse> {
    (bytes(), bytes(), bytes()).prop_map(|(mapped, heap_free, heap_alloc)| MemoryUse {
        mapped,
        heap_free,
        heap_alloc,
    })
}

fn call() -> impl Strategy<Value = Call> {
    let many = || proptest::array::uniform8(bytes());
    prop_oneof![
        (many(), memory()).prop_map(|([live, scannable, mutator_roots, heap_roots, ..], memory)| {
            Call::Start(CycleStart { live, scannable, mutator_roots, heap_roots, memory })
        }),
        (many(), memory()).prop_map(|([live, scannable, mutator_roots, done, ..], memory)| {
            Call::Revise(Progress { live, scannable, mutator_roots, done, memory })
        }),
        (many(), bytes(), any::<bool>(), any::<bool>(), memory()).prop_map(
            |(b, in_use, swept, asked, memory)| {
                let [
                    live,
                    marked,
                    heap_work,
                    mutator_root_work,
                    heap_root_work,
                    wall,
                    assist_time,
                    idle_time,
                ] = b;
                Call::End(CycleInputs {
                    live,
                    marked,
                    heap_work,
                    mutator_root_work,
                    heap_root_work,
                    wall,
                    assist_time,
                    idle_time,
                    in_use,
                    swept,
                    asked,
                    memory,
                })
            }
        ),
        (any::<Option<u32>>(), proptest::option::of(bytes()), bytes(), any::<bool>(), memory())
            .prop_map(|(gogc, limit, live, swept, memory)| Call::Set(gogc, limit, live, swept, memory)),
        Just(Call::Abandon),
        bytes().prop_map(Call::Pass),
        Just(Call::Forget),
    ]
}

fn check(pacer: &Pacer, memory: &MemoryUse) -> Result<(), TestCaseError> {
    let targets = pacer.targets(memory);
    prop_assert!(targets.trigger <= targets.goal, "{targets:?}");
    prop_assert!(targets.goal >= pacer.marked().min(targets.goal));
    let _ = pacer.release_goal(memory);
    Ok(())
}

proptest! {
    #[test]
    fn any_calls_in_any_order(
        processors in 0u32..5000, cpu_share in 0u32..=100, min_heap: u64, retain: u64, ours: bool,
        calls in prop::collection::vec(call(), 0..40)
    ) {
        let kind = if ours { PacerKind::Greyset } else { PacerKind::Reference };
        let mut pacer = Pacer::new(Settings { processors, cpu_share, min_heap, retain, kind, ..Settings::default() });
        check(&pacer, &NONE)?;
        for call in calls {
            let memory = match call {
                Call::Start(start) => {
                    let plan = pacer.start_cycle(&start);
                    prop_assert!(plan.assist.work_per_byte > 0.0 && plan.assist.work_per_byte.is_finite());
                    start.memory
                }
                Call::Revise(progress) => {
                    let ratio = pacer.revise(&progress);
                    prop_assert!(ratio.work_per_byte > 0.0 && ratio.work_per_byte.is_finite());
                    progress.memory
                }
                Call::End(inputs) => {
                    let ended = pacer.end_cycle(&inputs);
                    prop_assert!(ended.cons_mark.is_finite() && ended.cons_mark >= 0.0);
                    prop_assert!(ended.utilization.is_finite());
                    prop_assert!(ended.targets.trigger <= ended.targets.goal);
                    prop_assert!(ended.targets.goal >= inputs.marked);
                    inputs.memory
                }
                Call::Set(gogc, memory_limit, live, swept, memory) => {
                    let gogc = gogc.map_or(Gogc::Off, Gogc::Percent);
                    let targets = pacer.set(Settings { gogc, memory_limit, ..*pacer.settings() }, live, swept, &memory);
                    prop_assert!(targets.trigger <= targets.goal);
                    memory
                }
                Call::Pass(ns) => {
                    pacer.pass(ns);
                    NONE
                }
                Call::Forget => {
                    pacer.forget();
                    NONE
                }
                Call::Abandon => {
                    pacer.abandon_cycle();
                    NONE
                }
            };
            check(&pacer, &memory)?;
        }
    }
}

#[test]
fn a_heap_that_grows_is_paced_by_its_size() {
    // Filled from nothing, everything alive: half of the way from trigger to goal is gone, and nothing has been marked.
    let ratio = |kind| {
        let mut pacer = Pacer::new(Settings { kind, ..settings() });
        let start = CycleStart { live: 3 * MIB, scannable: 3 * MIB, ..CycleStart::default() };
        pacer.start_cycle(&start).assist.work_per_byte
    };
    assert!(ratio(PacerKind::Reference) < 0.001);
    assert_eq!(ratio(PacerKind::Greyset), 3.0);
}
