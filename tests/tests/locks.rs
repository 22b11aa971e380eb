//! `Lock`: who may have it when, and what becomes of guards that are forgotten.

use greyset::{Driver, Gc, Heap, Lock, LockGuard, Mutator, Slot, StepOutcome, Trace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

#[derive(Trace)]
struct Table<'gc> {
    rows: Lock<'gc, Vec<Gc<'gc, u64>>>,
    next: Slot<'gc, Table<'gc>>,
}

fn table<'gc>(m: &'gc Mutator) -> Gc<'gc, Table<'gc>> {
    m.alloc(Table { rows: Lock::default(), next: Slot::empty() })
}

fn heap(driver: Driver) -> Heap {
    Heap::builder().driver(driver).build().expect("a heap")
}

/// What a panic said.
fn message(result: std::thread::Result<()>) -> String {
    let payload = result.expect_err("a panic");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or(payload.downcast_ref::<&str>().map(|s| s.to_string()))
        .unwrap()
}

#[test]
fn one_mutator_reads_often_and_writes_alone() {
    heap(Driver::Inline).mutator().enter(|m| {
        let t = table(m);
        let (a, b) = (t.rows.read(m), t.rows.read(m));
        assert_eq!(a.len() + b.len() + t.rows.with(m, |rows| rows.len()), 0);
        assert!(t.rows.try_write(m).is_none());
        drop((a, b));
        let guard = t.rows.try_write(m).expect("free again");
        assert!(t.rows.try_read(m).is_none() && t.rows.try_write(m).is_none());
        drop(guard);
        assert!(t.rows.try_read(m).is_some());
    });
}

#[test]
fn waiting_for_oneself_is_a_panic() {
    heap(Driver::Inline).mutator().enter(|m| {
        let m = &*m;
        let t = table(m);
        let attempts: [&dyn Fn(); 6] = [
            &|| drop((t.rows.write(m), t.rows.write(m))),
            &|| drop((t.rows.write(m), t.rows.read(m))),
            &|| drop((t.rows.read(m), t.rows.write(m))),
            &|| t.rows.with(m, |_| drop(t.rows.write(m))),
            &|| t.rows.with(m, |_| t.rows.with(m, |_| t.rows.set(m, Vec::new()))),
            &|| t.rows.with_mut(m, |_| t.rows.with(m, |_| ())),
        ];
        for (i, attempt) in attempts.iter().enumerate() {
            let said = message(catch_unwind(AssertUnwindSafe(attempt)));
            assert!(said.contains("holds the Lock already"), "{i}: {said}");
            assert!(t.rows.try_write(m).is_some(), "{i}: the panic gave everything back");
        }
        // Reading inside of reading is fine, in any combination.
        let guard = t.rows.read(m);
        t.rows.with(m, |_| t.rows.with(m, |_| drop(t.rows.read(m))));
        drop(guard);
    });
}

#[test]
fn helpers_change_and_copy() {
    heap(Driver::Inline).mutator().enter(|m| {
        let lock = m.alloc(Lock::new(Some(m.alloc(1_u64))));
        assert_eq!(lock.get().get(m).map(|n| *n), Some(1));
        assert_eq!(lock.replace(m, None).map(|n| *n), Some(1));
        lock.set(m, Some(m.alloc(2)));
        lock.with_mut(m, |value| *value = value.map(|n| m.alloc(*n + 1)));
        assert_eq!(lock.with(m, |value| value.map(|n| *n)), Some(3));
        let mut free = Lock::new(5);
        *free.get_mut() += 1;
        assert_eq!(free.into_inner(), 6);
    });
}

#[test]
fn a_panic_gives_the_lock_back() {
    heap(Driver::Inline).mutator().enter(|m| {
        let m = &*m;
        let t = table(m);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut rows = t.rows.write(m);
            rows.push(m.alloc(1));
            panic!("while locked");
        }));
        assert!(result.is_err());
        assert_eq!(t.rows.write(m).len(), 1);
    });
}

#[test]
fn a_forgotten_guard_lasts_no_longer_than_its_window() {
    let heap = heap(Driver::Inline);
    let mut handle = heap.mutator();
    let (written, read) = handle.enter(|m| {
        let (a, b) = (table(m), table(m));
        std::mem::forget(a.rows.write(m));
        std::mem::forget(b.rows.read(m));
        std::mem::forget(b.rows.read(m));
        assert!(a.rows.try_read(m).is_none() && b.rows.try_write(m).is_none());
        (a.root(m), b.root(m))
    });
    // Parked: the window is over, for everybody else and for the same mutator.
    heap.mutator().enter(|m| {
        assert!(written.get(m).rows.try_read(m).is_some());
        std::mem::forget(written.get(m).get().rows.write(m));
        assert!(read.get(m).rows.try_write(m).is_some());
    });
    handle.enter(|m| {
        written.get(m).rows.write(m).push(m.alloc(1));
        m.collect();
        assert_eq!(*written.get(m).rows.read(m)[0], 1);
        assert!(read.get(m).rows.with(m, |rows| rows.is_empty()));
    });
}

#[test]
fn a_collection_goes_on_after_a_forgotten_guard() {
    heap(Driver::Inline).mutator().enter(|m| {
        let t = table(m).root(m);
        for i in 0..20_u64 {
            {
                let t = t.get(m);
                let mut rows = t.rows.write(m);
                rows.push(m.alloc(i));
                std::mem::forget(rows);
            }
            m.collect();
            assert_eq!(t.get(m).rows.with(m, |rows| rows.iter().map(|n| **n).sum::<u64>()), i * (i + 1) / 2);
        }
    });
}

/// A guard can be leaked, and is then usable for the rest of the window, but the lock stays its own.
#[test]
fn a_leaked_guard_keeps_its_lock_for_the_window() {
    heap(Driver::Inline).mutator().enter(|m| {
        let m = &*m;
        let t = table(m);
        let leaked: &mut LockGuard<'_, '_, _> = Box::leak(Box::new(t.get().rows.write(m)));
        leaked.push(m.alloc(1));
        assert!(t.rows.try_read(m).is_none());
        assert_eq!(leaked.len(), 1);
    });
}

#[test]
fn threads_take_turns_while_the_collector_runs() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 2_000;
    let heap = heap(Driver::Background);
    let shared = heap.mutator().enter(|m| table(m).root(m));
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (heap, shared, start) = (&heap, shared.clone(), &start);
            scope.spawn(move || {
                let mut handle = heap.mutator();
                start.wait();
                handle.enter(|m| {
                    for round in 0..ROUNDS {
                        shared.get(m).rows.write(m).push(m.alloc(thread * ROUNDS + round));
                        if round % 64 == 0 {
                            let seen = shared.get(m).rows.with(m, |rows| rows.iter().map(|n| **n).max());
                            assert!(seen >= Some(thread * ROUNDS + round));
                        }
                        if thread == 0 && round % 500 == 0 {
                            m.collect();
                        }
                        m.safepoint();
                    }
                });
            });
        }
    });
    heap.mutator().enter(|m| {
        m.collect();
        let mut all = shared.get(m).rows.with(m, |rows| rows.iter().map(|n| **n).collect::<Vec<_>>());
        all.sort_unstable();
        assert!(all.into_iter().eq(0..THREADS * ROUNDS));
    });
}

/// The marker cannot scan what a forgotten guard keeps, until the mutator has answered; so it must be asked.
#[test]
fn a_cycle_ends_although_a_guard_was_forgotten() {
    let heap = heap(Driver::Stepping);
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| {
        let t = table(m).root(m);
        stepper.request();
        let mut forgotten = false;
        for _ in 0..1000 {
            match stepper.collector() {
                StepOutcome::AwaitMutators => m.safepoint(),
                StepOutcome::AwaitMarkers => {
                    if !std::mem::replace(&mut forgotten, true) {
                        std::mem::forget(t.get(m).get().rows.write(m));
                    }
                    stepper.mark(64);
                }
                StepOutcome::AwaitSweep => _ = stepper.sweep(64),
                StepOutcome::Idle => break,
                _ => {}
            }
            m.safepoint();
        }
        assert!(forgotten && heap.stats().cycles == 1, "the cycle waits for the lock");
    });
}
