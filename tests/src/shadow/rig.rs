//! Runs a row of operations: tells actors what to do, steps the collector in between, checks.

use super::actor::Actor;
use super::exec::pick;
use super::ops::{ACTORS, Act, Op};
use super::world::{Checked, World};
use crate::log::{Log, Note};
use greyset::{Driver, Heap, StepOutcome, Stepper};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Steps after which a cycle that does not end counts as stuck.
const PATIENCE: usize = 200_000;

/// A heap under test with its actors.
pub struct Rig {
    world: Arc<Mutex<World>>,
    stepper: Stepper,
    actors: Vec<Actor>,
}

impl Default for Rig {
    fn default() -> Rig {
        Rig::new()
    }
}

impl Rig {
    /// An empty heap, three actors without mutators.
    pub fn new() -> Rig {
        let builder = Heap::builder().driver(Driver::Stepping).gogc_off();
        let heap = builder.reserve(64 << 20).build().expect("a heap");
        let stepper = heap.stepper();
        let world = Arc::new(Mutex::new(World::new(heap, ACTORS as usize)));
        let actors = (0..ACTORS as usize).map(|number| Actor::start(number, &world)).collect();
        Rig { world, stepper, actors }
    }

    /// The model and the handles.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collector.
    pub fn stepper(&mut self) -> &mut Stepper {
        &mut self.stepper
    }

    /// Runs a row of operations, a whole cycle, and the end of the heap.
    ///
    /// # Errors
    /// What is wrong, and after which operation.
    pub fn run(mut self, ops: &[Op]) -> Checked<u64> {
        for (at, op) in ops.iter().enumerate() {
            self.step(*op).map_err(|wrong| format!("after {at}: {op:?}: {wrong}"))?;
        }
        self.full_cycle().map_err(|wrong| format!("in the last cycle: {wrong}"))?;
        let cycles = self.world().heap.stats().cycles;
        self.end().map_err(|wrong| format!("after the end: {wrong}"))?;
        Ok(cycles)
    }

    /// Does one operation.
    ///
    /// # Errors
    /// What is wrong.
    pub fn step(&mut self, op: Op) -> Checked {
        match op {
            Op::Act(actor, act) => self.actors[actor as usize % ACTORS as usize].tell(act)?,
            Op::Step(steps) => {
                for _ in 0..steps {
                    if self.stepper.collector() == StepOutcome::Idle {
                        self.stepper.request();
                    }
                }
            }
            Op::Mark(objects) => drop(self.stepper.mark(objects as usize)),
            Op::Sweep(pages) => drop(self.stepper.sweep(pages as usize)),
            Op::NextPhase => self.next_phase()?,
            Op::Verify => self.verify()?,
            Op::FullCycle => self.full_cycle()?,
            op => drop_handle(&mut self.world(), op)?,
        }
        self.world().absorb()
    }

    fn verify(&self) -> Checked {
        self.stepper.verify().map(drop).map_err(|blame| blame.to_string())
    }

    /// Everybody passes a safepoint, nobody holds anything.
    fn safepoints(&mut self) -> Checked {
        self.actors.iter_mut().try_for_each(|actor| actor.tell(Act::Safepoint))
    }

    /// Steps until no cycle runs, with safepoints where that waits for them.
    fn finish(&mut self) -> Checked {
        for _ in 0..PATIENCE {
            match self.stepper.step_any() {
                StepOutcome::Idle => {
                    while self.stepper.sweep(64) {}
                    return self.world().absorb();
                }
                StepOutcome::AwaitMutators => self.safepoints()?,
                _ => self.world().absorb()?,
            }
        }
        Err(format!("the cycle does not end: stuck in {}", self.stepper.phase()))
    }

    /// Steps until the phase is another one, with safepoints where that waits for them.
    fn next_phase(&mut self) -> Checked {
        let before = self.stepper.phase();
        for _ in 0..PATIENCE {
            match self.stepper.step_any() {
                StepOutcome::Idle => self.stepper.request(),
                StepOutcome::AwaitMutators => self.safepoints()?,
                _ => self.world().absorb()?,
            }
            if self.stepper.phase() != before {
                return Ok(());
            }
        }
        Err(format!("stuck in {before}"))
    }

    /// Ends the running cycle, runs a whole one, and checks that all garbage is gone.
    ///
    /// # Errors
    /// What is wrong.
    pub fn full_cycle(&mut self) -> Checked {
        self.finish()?;
        self.safepoints()?;
        self.world().absorb()?;
        let (strong, may, ready) = {
            let world = self.world();
            (world.strong(), world.model.may(world.anchors()), !world.queue.is_empty())
        };
        self.stepper.request();
        self.finish()?;
        self.world().settle(&strong, &may, ready)?;
        self.verify()?;
        self.actors[0].tell(Act::Walk)
    }

    /// Drops all handles: every value is dropped, every cleanup has run.
    fn end(self) -> Checked {
        let Rig { world, stepper, actors } = self;
        actors.into_iter().for_each(Actor::stop);
        drop(stepper);
        let Ok(world) = Arc::try_unwrap(world) else { return Err("an actor is still there".to_owned()) };
        let World { heap, queue, log, mut model, roots, interiors, weaks, cleanups, .. } =
            world.into_inner().unwrap_or_else(PoisonError::into_inner);
        model.absorb(&log.take(), &model.must(&Default::default()))?;
        drop((roots, interiors, weaks, cleanups, queue, heap));
        let mut left: BTreeMap<(u64, u32), ()> = BTreeMap::new();
        for (&id, shadow) in &model.objects {
            let parts = (0..shadow.kind.parts()).filter(|part| !shadow.dropped.contains(part));
            left.extend(parts.map(|part| ((id, part), ())));
        }
        all_over(&log, left, model.cleanups.iter().map(|cleanup| cleanup.over).collect())
    }
}

/// Checks that the notes say everything that was left, once.
fn all_over(log: &Log, mut left: BTreeMap<(u64, u32), ()>, mut over: Vec<bool>) -> Checked {
    for note in log.take() {
        let fresh = match note {
            Note::Dropped { id, part } => left.remove(&(id, part)).is_some(),
            Note::CleanedUp(number) => !std::mem::replace(&mut over[number as usize], true),
        };
        if !fresh {
            return Err(format!("{note:?} twice"));
        }
    }
    match (left.keys().next(), over.iter().position(|over| !over)) {
        (None, None) => Ok(()),
        (Some(part), _) => Err(format!("{part:?} has not been dropped")),
        (None, Some(number)) => Err(format!("cleanup {number} has not run")),
    }
}

/// Operations on handles by a thread that is no mutator.
fn drop_handle(world: &mut World, op: Op) -> Checked {
    match op {
        Op::CloneRoot(choice) => {
            if let Some(at) = pick(&world.roots, choice) {
                let (root, id) = &world.roots[at];
                let copy = (root.clone(), *id);
                world.roots.push(copy);
            }
        }
        Op::DropRoot(choice) => {
            pick(&world.roots, choice).map(|at| world.roots.swap_remove(at));
        }
        Op::DropInterior(choice) => {
            pick(&world.interiors, choice).map(|at| world.interiors.swap_remove(at));
        }
        Op::DropWeak(choice) => {
            pick(&world.weaks, choice).map(|at| world.weaks.swap_remove(at));
        }
        Op::CancelCleanup(choice) => {
            if let Some(at) = pick(&world.cleanups, choice) {
                let (cleanup, number) = world.cleanups.swap_remove(at);
                if cleanup.cancel() {
                    let shadow = &mut world.model.cleanups[number];
                    if std::mem::replace(&mut shadow.over, true) {
                        return Err(format!("cleanup {number} was taken back, and has run"));
                    }
                }
            }
        }
        _ => unreachable!("no operation on a handle"),
    }
    Ok(())
}
