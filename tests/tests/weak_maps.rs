//! `WeakMap` as a value: moved and dropped behind a `Lock` at every step of a cycle, filled for the first time at any.

use greyset::{Driver, Gc, Heap, Lock, Mutator, Root, StepOutcome, Stepper, Trace, Weak, WeakMap, Zeal};

type Names<'gc> = WeakMap<'gc, String, String>;

#[derive(Trace)]
struct Holder<'gc> {
    map: Lock<'gc, Names<'gc>>,
}

/// A map that no lock guards.
#[derive(Trace)]
struct Fresh<'gc> {
    map: Names<'gc>,
}

#[derive(Trace)]
struct Many<'gc> {
    maps: Lock<'gc, Vec<Names<'gc>>>,
}

fn heap() -> Heap {
    Heap::builder().driver(Driver::Stepping).gogc_off().build().expect("a heap")
}

/// More steps than a cycle of these small heaps takes.
const STEPS: usize = 200;

/// One step of whoever can go on, and a safepoint.
fn step(stepper: &mut Stepper, m: &mut Mutator) -> StepOutcome {
    let outcome = stepper.collector();
    match outcome {
        StepOutcome::AwaitMarkers => _ = stepper.mark(1),
        StepOutcome::AwaitSweep => _ = stepper.sweep(64),
        _ => {}
    }
    m.safepoint();
    outcome
}

/// Runs a cycle to its end.
fn finish(stepper: &mut Stepper, m: &mut Mutator) {
    let ended = (0..STEPS).any(|_| step(stepper, m) == StepOutcome::Idle);
    assert!(ended, "still in phase {} after {STEPS} steps", stepper.phase());
}

/// Runs `test` once for each step of a cycle, which has come that far, until there is no such step.
fn at_every_step(
    mut test: impl FnMut(usize, &mut Stepper, &mut Mutator, &mut dyn FnMut(&mut Stepper, &mut Mutator)),
) {
    for at in 0.. {
        let heap = heap();
        let mut stepper = heap.stepper();
        let mut ended = false;
        heap.mutator().enter(|m| {
            test(at, &mut stepper, m, &mut |stepper, m| {
                stepper.request();
                ended = (0..at).any(|_| step(stepper, m) == StepOutcome::Idle);
            });
        });
        if ended {
            assert!(at > 8, "a cycle has more steps");
            return;
        }
        assert!(at < STEPS, "the cycle does not end");
    }
}

/// An entry for a key, in a map; a weak handle on the value, which nothing else keeps.
fn insert<'gc>(m: &'gc Mutator, map: &Names<'gc>, key: Gc<'gc, String>, text: &str) -> Weak<String> {
    let value = m.alloc(text.to_owned());
    assert!(map.insert(m, key, value).is_none());
    value.downgrade(m)
}

/// Whether the entry of `key` is there, with the value that was put in.
#[track_caller]
fn check<'gc>(m: &'gc Mutator, map: &Names<'gc>, key: Gc<'gc, String>, value: &Weak<String>, text: &str) {
    // Asked first: if it is gone the entry leads to what is no object any more.
    assert_eq!(value.upgrade(m).map(|value| value.len()), Some(text.len()), "the value has been freed");
    assert_eq!(map.get(m, key).as_deref().map(String::as_str), Some(text));
}

/// The marker that comes to the lock finds the map that was left behind, and nobody scans what was made in this cycle.
#[test]
fn a_map_moved_into_a_new_object_keeps_its_values() {
    at_every_step(|at, stepper, m, run| {
        let text = format!("value {at}");
        let holder = m.alloc(Holder { map: Lock::default() }).root(m);
        let key = m.alloc("key".to_owned()).root(m);
        let value = insert(m, &holder.get(m).map.write(m), key.get(m), &text);
        run(stepper, m);
        let map = std::mem::take(&mut *holder.get(m).map.write(m));
        let fresh = m.alloc(Fresh { map }).root(m);
        finish(stepper, m);
        check(m, &fresh.get(m).map, key.get(m), &value, &text);
        assert!(holder.get(m).map.write(m).is_empty(m));
        stepper.request();
        finish(stepper, m);
        check(m, &fresh.get(m).map, key.get(m), &value, &text);
        // It is a table of ephemerons still: with the key gone, the entry goes.
        drop(key);
        stepper.request();
        finish(stepper, m);
        assert!(fresh.get(m).map.is_empty(m) && value.upgrade(m).is_none());
    });
}

/// Into an object that the marker may have passed by: its lock has been captured, or it is older and black.
#[test]
fn maps_that_change_places_keep_their_values() {
    at_every_step(|_, stepper, m, run| {
        let holders = [(); 2].map(|()| m.alloc(Holder { map: Lock::default() }).root(m));
        let keys = ["a", "b"].map(|key| m.alloc(key.to_owned()).root(m));
        let values = [0, 1].map(|i| insert(m, &holders[i].get(m).map.write(m), keys[i].get(m), "text"));
        run(stepper, m);
        {
            let [one, other] = [0, 1].map(|i| holders[i].get(m).get());
            std::mem::swap(&mut *one.map.write(m), &mut *other.map.write(m));
        }
        finish(stepper, m);
        for i in [0, 1] {
            check(m, &holders[1 - i].get(m).map.write(m), keys[i].get(m), &values[i], "text");
        }
    });
}

/// The tables lay in the buffer of the `Vec`, where the marker had met them.
#[test]
fn maps_are_dropped_after_the_marker_has_met_them() {
    at_every_step(|_, stepper, m, run| {
        let many = m.alloc(Many { maps: Lock::new((0..8).map(|_| WeakMap::new()).collect()) }).root(m);
        let key = m.alloc("key".to_owned()).root(m);
        for map in many.get(m).maps.write(m).iter() {
            insert(m, map, key.get(m), "value");
        }
        run(stepper, m);
        drop(std::mem::take(&mut *many.get(m).maps.write(m)));
        // Whatever that memory is used for now.
        let sizes = [16, 24, 32, 48, 64, 80, 96, 128, 256, 512];
        let reused: Vec<_> = sizes.iter().flat_map(|&n| [vec![0xa5_u8; n], vec![0xa5; n]]).collect();
        finish(stepper, m);
        assert!(reused.iter().flatten().all(|&byte| byte == 0xa5));
        assert!(many.get(m).maps.write(m).is_empty());
    });
}

#[test]
fn a_map_is_overwritten_by_another() {
    at_every_step(|at, stepper, m, run| {
        let holder = m.alloc(Holder { map: Lock::default() }).root(m);
        let key = m.alloc("key".to_owned()).root(m);
        let old = insert(m, &holder.get(m).map.write(m), key.get(m), "old");
        run(stepper, m);
        let text = format!("value {at}");
        *holder.get(m).map.write(m) = WeakMap::new();
        let value = insert(m, &holder.get(m).map.write(m), key.get(m), &text);
        finish(stepper, m);
        check(m, &holder.get(m).map.write(m), key.get(m), &value, &text);
        // What the one that is gone mapped to goes with the next cycle at the latest.
        stepper.request();
        finish(stepper, m);
        assert!(old.upgrade(m).is_none());
        check(m, &holder.get(m).map.write(m), key.get(m), &value, &text);
    });
}

/// An empty map is nothing to the marker that passes by.
#[test]
fn the_first_entry_may_come_at_any_step() {
    at_every_step(|at, stepper, m, run| {
        let [fresh, source] = [(); 2].map(|()| m.alloc(Fresh { map: WeakMap::new() }).root(m));
        let key = m.alloc("key".to_owned()).root(m);
        let text = format!("value {at}");
        // Kept by an entry elsewhere until then.
        let value = insert(m, &source.get(m).map, key.get(m), &text);
        run(stepper, m);
        let moved = source.get(m).map.remove(m, key.get(m)).expect("an entry");
        fresh.get(m).map.insert(m, key.get(m), moved);
        for _ in 0..2 {
            finish(stepper, m);
            check(m, &fresh.get(m).map, key.get(m), &value, &text);
            stepper.request();
        }
        finish(stepper, m);
        drop(key);
        stepper.request();
        finish(stepper, m);
        assert!(fresh.get(m).map.is_empty(m) && value.upgrade(m).is_none());
    });
}

/// The capture is complete when the guard is made, so that nobody waits for its end.
#[test]
fn a_forgotten_guard_does_not_keep_marking_going() {
    at_every_step(|_, stepper, m, run| {
        let holder = m.alloc(Holder { map: Lock::default() }).root(m);
        let key = m.alloc("key".to_owned()).root(m);
        let value = insert(m, &holder.get(m).map.write(m), key.get(m), "value");
        run(stepper, m);
        std::mem::forget(holder.get(m).get().map.write(m));
        // The window goes on. While marking lasts no handshake is asked that could end it.
        let waits = (0..STEPS).any(|_| {
            let outcome = stepper.collector();
            if outcome == StepOutcome::AwaitMarkers {
                stepper.mark(64);
            }
            matches!(outcome, StepOutcome::AwaitMutators | StepOutcome::AwaitSweep | StepOutcome::Idle)
        });
        assert!(waits, "still in phase {}", stepper.phase());
        finish(stepper, m);
        // Answers a handshake at last, which frees the lock.
        stepper.request();
        finish(stepper, m);
        check(m, &holder.get(m).map.write(m), key.get(m), &value, "value");
    });
}

/// Each window makes a map with an entry, puts it behind a lock, and captures it.
#[test]
fn new_maps_do_not_keep_marking_going() {
    let heap = heap();
    let mut stepper = heap.stepper();
    heap.mutator().enter(|m| {
        let key = m.alloc("key".to_owned()).root(m);
        let mut kept = Vec::new();
        stepper.request();
        for _ in 0..STEPS {
            let map = WeakMap::new();
            let value = insert(m, &map, key.get(m), "value");
            let holder = m.alloc(Holder { map: Lock::new(map) });
            assert_eq!(holder.map.write(m).len(m), 1);
            kept.push((holder.root(m), value));
            if step(&mut stepper, m) == StepOutcome::Idle {
                break;
            }
        }
        assert_eq!((stepper.phase(), heap.stats().cycles), ("idle", 1));
        for (holder, value) in &kept {
            check(m, &holder.get(m).map.write(m), key.get(m), value, "value");
        }
    });
}

const MAPS: usize = 12;

/// Takes a map out of one bin, keeps it in an object of this cycle for some windows, and puts it into the other bin.
fn carry(m: &mut Mutator, bins: [&Root<Many<'static>>; 2], keys: &[Root<String>], windows: usize) {
    let Some(map) = bins[0].get(m).maps.write(m).pop() else { return };
    let carried = m.alloc(Holder { map: Lock::new(map) }).root(m);
    for i in 0..windows {
        m.alloc(format!("garbage {i}"));
        m.safepoint();
    }
    let map = std::mem::take(&mut *carried.get(m).map.write(m));
    assert_eq!(keys.iter().filter(|key| map.contains(m, key.get(m))).count(), 1);
    bins[1].get(m).maps.write(m).push(map);
}

#[test]
fn threads_move_maps_while_cycles_follow_one_another() {
    let heap = Heap::builder().zeal([Zeal::Continuous, Zeal::Verify]).build().expect("a heap");
    let (bins, keys) = heap.mutator().enter(|m| {
        let keys: Vec<_> = (0..MAPS).map(|i| m.alloc(format!("key {i}")).root(m)).collect();
        let bins = [(); 2].map(|()| m.alloc(Many { maps: Lock::default() }).root(m));
        for (i, key) in keys.iter().enumerate() {
            let map = WeakMap::new();
            map.insert(m, key.get(m), m.alloc(format!("value {i}")));
            bins[i % 2].get(m).maps.write(m).push(map);
        }
        (bins, keys)
    });
    std::thread::scope(|threads| {
        for me in 0..2 {
            let (heap, bins, keys) = (&heap, &bins, &keys);
            threads.spawn(move || {
                heap.mutator().enter(|m| {
                    for round in 0.. {
                        if heap.stats().cycles > 60 {
                            break;
                        }
                        let from = (me + round) % 2;
                        carry(m, [&bins[from], &bins[1 - from]], keys, round % 5);
                    }
                });
            });
        }
    });
    heap.mutator().enter(|m| {
        m.collect();
        for (i, key) in keys.iter().enumerate() {
            let bins = bins.iter().map(|bin| bin.get(m).get());
            let found: Vec<_> = bins
                .flat_map(|bin| {
                    bin.maps.write(m).iter().filter_map(|map| map.get(m, key.get(m))).collect::<Vec<_>>()
                })
                .map(|value| value.to_string())
                .collect();
            assert_eq!(found, [format!("value {i}")]);
        }
    });
}
