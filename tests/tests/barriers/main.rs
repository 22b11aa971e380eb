//! Programs over every kind of reference field, with several mutators and a collector that is moved step by step: chosen ones
//! (`scenarios`) and random ones.
//!
//! Each mutator is a thread that does one operation when told to and answers; so a run is a function of its seed. Beside the
//! heap a shadow keeps what refers to what. Every object has a witness that says when it was dropped:
//!
//! - whatever the shadow can reach must not have been dropped, and loads must give what the shadow says;
//! - what it cannot reach must have been dropped after two quiet cycles.
//!
//! A failure names its seed: `BARRIERS_SEED=… cargo test -p greyset-tests --test barriers`.

mod actor;
mod scenarios;
mod shadow;

use actor::{Actor, Op};
use greyset::{Driver, Heap, StepOutcome, Stepper};
use shadow::Shadow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Registers of a mutator: references it holds in its window.
pub(crate) const REGISTERS: usize = 6;
/// Roots, which all mutators share.
pub(crate) const ROOTS: usize = 12;
/// Slots in the array of each node.
pub(crate) const ROW: usize = 6;

const OBJECTS: usize = 4000;

/// Marsaglia's xorshift: all the randomness there is.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

struct Run {
    stepper: Stepper,
    actors: Vec<Actor>,
    shadow: Shadow,
    random: Random,
    dropped: Arc<Vec<AtomicBool>>,
    awaits_mutators: bool,
    /// One in so many steps is a safepoint while the collector waits for some.
    patience: usize,
    /// Cycles completed, to see that the test does something.
    cycles: u64,
    heap: Heap,
}

impl Run {
    fn new(seed: u64, mutators: usize) -> Run {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let dropped: Arc<Vec<AtomicBool>> = Arc::new((0..OBJECTS).map(|_| AtomicBool::new(false)).collect());
        let roots = Arc::default();
        Run {
            stepper: heap.stepper(),
            actors: (0..mutators).map(|_| Actor::start(&heap, &dropped, &roots)).collect(),
            shadow: Shadow::new(mutators),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            dropped,
            awaits_mutators: false,
            patience: [4, 40][seed as usize % 2],
            cycles: 0,
            heap,
        }
    }

    /// Lets `actor` do `op`, and the shadow after it.
    fn perform(&mut self, actor: usize, op: Op) {
        let outcome = self.actors[actor].perform(op);
        let expected = self.shadow.perform(actor, op, outcome);
        assert_eq!(outcome, expected, "actor {actor}: {op:?}");
    }

    fn random_step(&mut self) {
        // Quick handshakes and slow marking: mutators do much between any two objects scanned.
        let actor = self.random.below(self.actors.len());
        let tracing = self.stepper.phase() == "mark" && !self.awaits_mutators;
        if self.awaits_mutators && self.random.one_in(self.patience) {
            self.pass(actor);
        } else if self.random.one_in(if tracing { 10 } else { 3 }) {
            self.collector_step();
        } else {
            let op = self.shadow.choose(actor, &mut self.random, OBJECTS);
            self.perform(actor, op);
        }
    }

    fn collector_step(&mut self) {
        match self.random.below(4) {
            0 => {
                self.stepper.mark(1);
            }
            1 => {
                self.stepper.sweep(1);
            }
            _ => {
                let outcome = self.stepper.collector();
                self.awaits_mutators = outcome == StepOutcome::AwaitMutators;
                if outcome == StepOutcome::Idle {
                    self.check();
                    self.stepper.request();
                }
            }
        }
    }

    /// Runs the collector to the end of its cycle; mutators pass safepoints.
    fn finish_cycle(&mut self) {
        loop {
            match self.stepper.step_any() {
                StepOutcome::Idle => return,
                StepOutcome::AwaitMutators => (0..self.actors.len()).for_each(|actor| self.pass(actor)),
                _ => {}
            }
        }
    }

    fn pass(&mut self, actor: usize) {
        let op = if self.shadow.is_parked(actor) { Op::Unpark } else { Op::Safepoint };
        self.perform(actor, op);
    }

    fn is_dropped(&self, id: usize) -> bool {
        self.dropped[id].load(Ordering::Relaxed)
    }

    /// Nothing that can be reached is gone.
    fn check(&mut self) {
        self.cycles = self.heap.stats().cycles;
        for (id, reachable) in self.shadow.reachable().into_iter().enumerate() {
            assert!(!(reachable && self.is_dropped(id)), "object {id} was dropped, and can be reached");
        }
    }

    /// What cannot be reached goes within two whole cycles.
    fn check_garbage(&mut self) {
        self.finish_cycle();
        for _ in 0..2 {
            self.stepper.request();
            self.finish_cycle();
        }
        self.check();
        for (id, reachable) in self.shadow.reachable().into_iter().enumerate() {
            assert!(reachable || self.is_dropped(id), "object {id} cannot be reached, and was kept");
        }
        if let Err(blame) = self.stepper.verify() {
            panic!("{blame:?}");
        }
    }
}

fn run(seed: u64, mutators: usize, steps: usize) -> u64 {
    let outcome = std::panic::catch_unwind(|| {
        let mut run = Run::new(seed, mutators);
        for _ in 0..steps {
            run.random_step();
        }
        run.check_garbage();
        run.cycles
    });
    outcome.unwrap_or_else(|_| panic!("seed {seed} with {mutators} mutators"))
}

fn seeds(mutators: usize, count: u64) {
    let steps = 3000 * mutators;
    if let Ok(seed) = std::env::var("BARRIERS_SEED") {
        run(seed.parse().expect("BARRIERS_SEED is a number"), mutators, steps);
        return;
    }
    let cycles: u64 = (1..=count).map(|seed| run(seed, mutators, steps)).sum();
    assert!(cycles > count * 5, "only {cycles} cycles in {count} runs");
}

#[test]
fn one_mutator() {
    seeds(1, 100);
}

#[test]
fn two_mutators() {
    seeds(2, 100);
}

#[test]
fn three_mutators() {
    seeds(3, 100);
}
