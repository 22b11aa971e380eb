//! External bytes: they count as live data does, and come off when their object is swept.

use greyset::{Charged, Driver, Gc, Heap, Lock, OwnedBytes, Static, Trace};
use greyset_tests::common::finish;

const MIB: usize = 1 << 20;

#[derive(Trace)]
struct Page<'gc> {
    text: Charged<Static<Vec<u8>>>,
    links: Lock<'gc, Charged<Vec<Gc<'gc, u64>>>>,
}

fn page(m: &greyset::Mutator, bytes: usize) -> Gc<'_, Page<'_>> {
    let text = Charged::new(m, Static(vec![1; bytes]));
    m.alloc(Page { text, links: Lock::new(Charged::new(m, Vec::new())) })
}

#[test]
fn what_dead_objects_own_comes_off_when_they_are_swept() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    let kept = handle.enter(|m| {
        page(m, 3 * MIB);
        let kept = page(m, 5 * MIB);
        let link = m.alloc(7u64);
        kept.links.write(m).edit().extend(std::iter::repeat_n(link, 1 << 17));
        kept.root(m)
    });
    let external = heap.stats().external_bytes;
    assert_eq!(external as usize, 9 * MIB);
    assert!(heap.stats().heap_bytes > external);
    finish(&mut stepper);
    let stats = heap.stats();
    assert_eq!(stats.external_bytes as usize, 6 * MIB);
    // As if it lay in the heap: growth is relative to it, less what the tables take.
    assert!((6 * MIB..7 * MIB).contains(&(stats.live_bytes as usize)), "{stats}");
    assert!((11 * MIB..14 * MIB).contains(&(stats.goal_bytes as usize)), "{stats}");
    handle.enter(|m| {
        let kept = kept.get(m);
        assert_eq!((kept.text.len(), *kept.links.read(m)[99]), (5 * MIB, 7));
        let mut links = kept.links.write(m);
        let mut links = links.edit();
        links.truncate(1);
        links.shrink_to_fit();
    });
    assert_eq!(heap.stats().external_bytes as usize, 5 * MIB + 8);
    drop(kept);
    finish(&mut stepper);
    let stats = heap.stats();
    // Nothing lives: the smallest goal there is.
    assert_eq!((stats.external_bytes, stats.goal_bytes as usize), (0, 3 * MIB / 2));
    assert!(stats.live_bytes < 1 << 20, "{stats}");
}

#[test]
fn buffers_reach_the_trigger() {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    heap.mutator().enter(|m| {
        for _ in 0..100 {
            page(m, MIB);
            m.safepoint();
        }
    });
    let stats = heap.stats();
    assert!(stats.cycles >= 10 && stats.external_bytes < 40 << 20, "{stats}");
}

#[test]
fn both_limits_count_them() {
    let heap = Heap::builder().driver(Driver::Stepping).gogc_off().build().expect("a heap");
    let mut stepper = heap.stepper();
    heap.set_memory_limit(Some(64 << 20)).expect("a limit");
    let before = heap.stats().goal_bytes;
    assert!(before > 60 << 20, "{before}");
    let kept = heap.mutator().enter(|m| page(m, 32 * MIB).root(m));
    finish(&mut stepper);
    // The goal is one for both together.
    let stats = heap.stats();
    assert!((60 << 20..64 << 20).contains(&stats.goal_bytes) && stats.live_bytes > 32 << 20, "{stats}");
    heap.set_memory_limit(None).expect("off");
    heap.set_hard_limit(Some(33 << 20)).expect("a limit");
    let mut handle = heap.mutator();
    let refused =
        |handle: &mut greyset::MutatorHandle| handle.enter(|m| m.try_alloc_bytes(&vec![0; 4 * MIB]).is_err());
    assert!(refused(&mut handle));
    drop(kept);
    finish(&mut stepper);
    assert!(!refused(&mut handle), "{}", heap.stats());
}

#[test]
fn by_hand_it_stops_at_zero_and_leaves_charges_alone() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let mut handle = heap.mutator();
    let kept = handle.enter(|m| page(m, MIB).root(m));
    heap.adjust_external(500);
    assert_eq!(heap.stats().external_bytes as usize, MIB + 500);
    for by in [-200, -1000, i64::MIN] {
        heap.adjust_external(by);
    }
    assert_eq!(heap.stats().external_bytes as usize, MIB);
    for by in [i64::MAX, i64::MAX, i64::MIN, i64::MIN] {
        heap.adjust_external(by);
    }
    assert_eq!(heap.stats().external_bytes as usize, MIB);
    drop(kept);
    finish(&mut heap.stepper());
    assert_eq!(heap.stats().external_bytes, 0);
    assert!(heap.stats().heap_bytes < 1 << 20, "{}", heap.stats());
}

#[test]
fn a_charge_may_outlive_its_heap() {
    let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
    let charged = heap.mutator().enter(|m| Charged::new(m, vec![0u8; 100]));
    drop(heap);
    let mut charged = charged;
    charged.edit().push(1);
    assert_eq!(charged.len(), 101);
}

/// Says what it likes.
struct Liar(usize);

impl OwnedBytes for Liar {
    fn owned_bytes(&self) -> usize {
        self.0
    }
}

/// Most bytes of one charge, and of all.
const MOST_CHARGE: u64 = 1 << 56;
const MOST: u64 = 1 << 62;

#[test]
fn what_nobody_can_own_is_cut_and_comes_off_as_it_went_on() {
    let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
    let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
    heap.adjust_external(500);
    for by in [i64::MAX, 1 << 60] {
        heap.adjust_external(by);
        assert_eq!(heap.stats().external_bytes, MOST_CHARGE + 500);
        heap.adjust_external(-by);
        assert_eq!(heap.stats().external_bytes, 500);
    }
    handle.enter(|m| {
        let mut liars: Vec<_> = (0..70).map(|_| Charged::new(m, Liar(usize::MAX))).collect();
        assert_eq!(heap.stats().external_bytes, MOST);
        // What the account had no room for is not taken off.
        liars.drain(64..);
        assert_eq!(heap.stats().external_bytes, MOST);
        heap.adjust_external(800);
        liars[0].edit().0 = 7;
        assert_eq!(heap.stats().external_bytes, 63 * MOST_CHARGE + 7);
        liars[0].edit().0 = usize::MAX;
        assert_eq!(heap.stats().external_bytes, MOST);
        liars.clear();
    });
    assert_eq!(heap.stats().external_bytes, 500);
    heap.adjust_external(-500);
    assert_eq!(heap.stats().external_bytes, 0);
    finish(&mut stepper);
    assert!(heap.stats().heap_bytes < 1 << 20, "{}", heap.stats());
}

#[test]
fn an_absurd_account_is_paced_in_every_phase() {
    // The second: what is taken off in part and put on while a cycle runs, or between its end and that of sweeping.
    for at in ["idle", "mark", "sweep"] {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let (mut stepper, mut handle) = (heap.stepper(), heap.mutator());
        heap.adjust_external(i64::MAX);
        let liar = handle.enter(|m| {
            let liar = Charged::new(m, Liar(usize::MAX));
            (m.alloc_bytes(&[7; 100_000]).root(m), liar)
        });
        stepper.request();
        while stepper.phase() != at {
            handle.enter(|m| m.safepoint());
            stepper.step_any();
        }
        heap.adjust_external(-1);
        handle.enter(|m| drop((Charged::new(m, Liar(usize::MAX)), m.alloc_bytes(&[7; 100_000]))));
        finish(&mut stepper);
        assert_eq!(heap.stats().external_bytes, 2 * MOST_CHARGE - 1, "{at}");
        assert!(heap.stats().live_bytes > 2 * MOST_CHARGE - 1, "{at}");
        drop(liar);
        heap.adjust_external(1 - MOST_CHARGE as i64);
        finish(&mut stepper);
        let stats = heap.stats();
        assert!(
            stats.external_bytes == 0 && stats.live_bytes < 1 << 20 && stats.goal_bytes < 4 << 20,
            "{stats}"
        );
    }
}

#[test]
fn an_absurd_charge_beside_a_limit_is_an_error_until_it_is_gone() {
    for driver in [Driver::Inline, Driver::Background] {
        let heap = Heap::builder().driver(driver).hard_limit(64 << 20).build().expect("a heap");
        let mut handle = heap.mutator();
        let refused = |handle: &mut greyset::MutatorHandle| {
            handle.enter(|m| {
                m.try_alloc_bytes(&vec![0; 4 * MIB]).is_err_and(|error| error.in_use >= MOST_CHARGE)
            })
        };
        assert!(!refused(&mut handle));
        heap.adjust_external(i64::MAX);
        assert!(refused(&mut handle));
        heap.adjust_external(-i64::MAX);
        assert!(!refused(&mut handle));
        let liar = handle.enter(|m| m.alloc(Lock::new(Charged::new(m, Static(Liar(0))))).root(m));
        handle.enter(|m| liar.get(m).write(m).edit().0.0 = usize::MAX);
        assert!(refused(&mut handle));
        drop(liar);
        // It comes off when it is swept, in the background.
        while heap.stats().external_bytes > 0 {
            handle.enter(|m| m.collect());
        }
        assert!(!refused(&mut handle), "{}", heap.stats());
    }
}

#[test]
fn threads_that_correct_by_hand_leave_nothing() {
    let heap = Heap::builder().build().expect("a heap");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for turn in 0..3000 {
                    let by = if turn % 5 == 0 { i64::MAX } else { turn };
                    heap.adjust_external(by);
                    heap.adjust_external(-by);
                }
            });
        }
        heap.mutator().enter(|m| {
            for _ in 0..20 {
                (0..1000).for_each(|i| _ = m.alloc([i; 3]));
                m.collect();
            }
        });
    });
    assert_eq!(heap.stats().external_bytes, 0);
}
