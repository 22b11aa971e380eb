//! Threads that allocate, refill, sweep and release at once, through several cycles, with a verification at the end.
//!
//! A mutator here is a mutex around a cache and the objects it keeps; the collector answers handshakes in its stead by
//! taking that mutex, as a real one does for parked mutators.

use super::*;
use crate::testing::*;
use crate::{Cache, Colour, DeadSlots, Reclaim, Role, SizeClass, Span, SweepLeft, TypeInfo};
use greyset_sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

const MUTATORS: usize = 4;
const CYCLES: usize = if cfg!(miri) { 2 } else { 100 };
const TURNS: usize = if cfg!(miri) { 1 } else { 20 };
const LIVE: usize = if cfg!(miri) { 20 } else { 2000 };

static KINDS: [&TypeInfo; 6] = [&NODE16, &NODE64, &RIVAL, &DROP32, &ARRAY, &TINY8];

struct Object {
    addr: usize,
    size: usize,
}

struct Mutator {
    cache: Cache,
    objects: Vec<Object>,
    colour: Colour,
    seed: u64,
}

struct Shown(AtomicUsize);
impl Reclaim for Shown {
    fn reclaim(&self, span: &Span, dead: DeadSlots<'_>) {
        assert!(span.info().drop.is_some());
        self.0.fetch_add(dead.count(), Relaxed);
    }
}

impl Mutator {
    fn random(&mut self, below: usize) -> usize {
        // Xorshift (G. Marsaglia, 2003).
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as usize % below
    }

    fn step(&mut self, heap: &MHeap, shown: &Shown) {
        let kind = KINDS[self.random(KINDS.len())];
        let size = match kind.size {
            0 if self.random(100) == 0 => 33_000 + self.random(100_000),
            0 => 1 + self.random(2000),
            size => size,
        };
        let fast = match kind.size {
            0 => self.cache.bump_sized(kind, SizeClass::of(size, 8)),
            _ => self.cache.alloc(kind),
        };
        let addr = match fast {
            Some(ptr) => ptr.addr().get(),
            None => match self.cache.refill(heap, shown, kind, size, self.colour) {
                Ok(refilled) => refilled.ptr.addr().get(),
                Err(_) => return self.objects.clear(), // the other threads hold the rest of the reservation
            },
        };
        write(heap, addr, size);
        self.objects.push(Object { addr, size });
        while self.objects.len() > LIVE {
            let at = self.random(self.objects.len());
            let object = self.objects.swap_remove(at);
            check(heap, &object);
        }
    }
}

/// Marks the object's first and last byte with its address.
fn write(heap: &MHeap, addr: usize, size: usize) {
    for at in [addr, addr + size - 1] {
        // SAFETY: the allocator gave these bytes out for this object alone, which is what is tested.
        unsafe { heap.space().pointer(at).write((addr >> 3) as u8) };
    }
}

fn check(heap: &MHeap, object: &Object) {
    for at in [object.addr, object.addr + object.size - 1] {
        // SAFETY: as in `write`; it has been written.
        let found = unsafe { heap.space().pointer(at).read() };
        assert_eq!(found, (object.addr >> 3) as u8, "object at {:#x}", object.addr);
    }
    assert!(colour(heap, object.addr).is_live());
}

/// A mutator, and what it and the collector agree on.
struct Seat {
    mutator: Mutex<Mutator>,
    control: Mutex<Control>,
    changed: Condvar,
}

#[derive(Default)]
struct Control {
    /// The collector waits for the mutator: a lock alone would let the mutator take it again and again.
    wanted: bool,
    /// Turns of work done in this cycle.
    turns: usize,
    /// The test is over, or the mutator has panicked.
    done: bool,
}

impl Seat {
    /// Changes the control, and tells the other side.
    fn set(&self, change: impl FnOnce(&mut Control)) {
        // A thread that panicked has said so.
        change(&mut self.control.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits as long as `waits` says; what the control is then.
    fn wait(&self, waits: impl FnMut(&mut Control) -> bool) -> MutexGuard<'_, Control> {
        let control = self.control.lock().expect("no panic");
        self.changed.wait_while(control, waits).expect("no panic")
    }

    /// For the collector.
    fn take(&self) -> MutexGuard<'_, Mutator> {
        self.set(|control| control.wanted = true);
        let mutator = self.mutator.lock().expect("no panic");
        self.set(|control| control.wanted = false);
        mutator
    }

    /// For the mutator: one turn; false when the test is over.
    fn work(&self, heap: &MHeap, shown: &Shown) -> bool {
        let rests = |control: &mut Control| control.wanted || control.turns > 3 * TURNS;
        if self.wait(|control| !control.done && rests(control)).done {
            return false;
        }
        let mut mutator = self.mutator.lock().expect("no panic");
        (0..100).for_each(|_| mutator.step(heap, shown));
        drop(mutator);
        self.set(|control| control.turns += 1);
        let _ = heap.sweep_some(Role::Mutator, 1, shown);
        true
    }
}

fn each(seats: &[Seat], f: impl FnMut(MutexGuard<'_, Mutator>)) {
    seats.iter().map(Seat::take).for_each(f);
}

fn cycle(heap: &MHeap, seats: &[Seat], white: Colour, shown: &Shown) {
    let black = white.other();
    // Every mutator gets some work done in every cycle.
    for seat in seats {
        drop(seat.wait(|control| control.turns < TURNS && !control.done));
        seat.set(|control| control.turns = 0);
    }
    each(seats, |mut mutator| {
        mutator.cache.recolour(heap, black);
        mutator.colour = black;
    });
    each(seats, |mutator| mutator.objects.iter().for_each(|object| mark(heap, object.addr, black)));
    heap.begin_sweep(white);
    each(seats, |mutator| {
        mutator.cache.flush(heap);
    });
    heap.open_sweep();
    while heap.sweep_some(Role::Background, 8, shown).left != SweepLeft::Nothing {
        let _ = heap.release(16);
        std::thread::yield_now();
    }
}

#[test]
fn mutators_sweepers_and_releasers_at_once() {
    let (heap, _) = heap_of(Config { reserve: 256 << 20, ..Config::default() });
    let seats: Vec<Seat> = (0..MUTATORS)
        .map(|at| {
            let (cache, seed) = (Cache::new(&heap), 0x9e37_79b9 + at as u64);
            let mutator = Mutator { cache, objects: Vec::new(), colour: Colour::A, seed };
            Seat { mutator: Mutex::new(mutator), control: Mutex::default(), changed: Condvar::new() }
        })
        .collect();
    let shown = Shown(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seat in &seats {
            scope.spawn(|| {
                let _stop = StopWhenDropped(std::slice::from_ref(seat));
                while seat.work(&heap, &shown) {}
            });
        }
        let stop = StopWhenDropped(&seats);
        let mut white = Colour::A;
        for _ in 0..CYCLES {
            cycle(&heap, &seats, white, &shown);
            white = white.other();
        }
        drop(stop);
    });
    each(&seats, |mutator| {
        mutator.cache.flush(&heap);
        mutator.objects.iter().for_each(|object| check(&heap, object));
    });
    let report = heap.verify().expect("sound");
    assert!(report.spans > 0 && report.cached == 0);
    assert!(shown.0.load(Relaxed) > 0);
    each(&seats, |mut mutator| mutator.objects.clear());
    sweep_all(&heap, Colour::A, &shown);
    sweep_all(&heap, Colour::B, &shown);
    assert_eq!(heap.verify().expect("sound").spans, 0);
}

/// Lets the mutators end even if the collector's thread panics, and the other way round.
struct StopWhenDropped<'a>(&'a [Seat]);
impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|seat| seat.set(|control| control.done = true));
    }
}
