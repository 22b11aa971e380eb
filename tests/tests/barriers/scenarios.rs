//! For each way to change a reference, the schedule in which it would lose an object if it had no barrier.
//!
//! The only reference to an object moves from a holder that the marker has not seen to one it will never look at (fresh
//! objects are black by birth). Registers: 0 the holder, 1 the object, 2 another node, 3 empty, 4 a fresh node.

use crate::actor::{Actor, Field, How, Op, Outcome, Place};
use crate::{OBJECTS, ROW};

use greyset::{Driver, Heap, StepOutcome, Stepper};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const HOLDER: usize = 0;
const OBJECT: usize = 1;
const OTHER: usize = 2;
const EMPTY: usize = 3;
const FRESH: usize = 4;
const SPARE: usize = 5;

const _: () = assert!(ROW > 2);
const FIELDS: [Field; 4] = [Field::Slot, Field::Word, Field::Nested, Field::Row(2)];

/// How the object is put into the holder, how it is loaded, how it is removed.
type Removal = (Op, Op, Op);

fn removals() -> Vec<Removal> {
    let of = HOLDER;
    let mut all = Vec::new();
    for field in FIELDS {
        let put = Op::Store { of, field, from: OBJECT };
        let load = Op::Load { of, field, to: OBJECT };
        let removals = [
            Op::Take { of, field, to: SPARE },
            Op::Store { of, field, from: EMPTY },
            Op::Store { of, field, from: OTHER },
            Op::Exchange { of, field, current: OBJECT, new: EMPTY },
            Op::Exchange { of, field, current: OBJECT, new: OTHER },
            Op::Hide { of, field, how: How::Store, id: 3, root: 3 },
        ];
        all.extend(removals.map(|removal| (put, load, removal)));
        if let Field::Row(at) = field {
            all.push((put, load, Op::CopyWithin { of, from: 0, len: 1, at }));
            all.push((put, load, Op::CopyRow { of: OTHER, to: of }));
        }
    }
    let (put, load) = (Op::Push { of, from: OBJECT }, Op::First { of, to: OBJECT });
    all.push((put, load, Op::Pop { of, to: SPARE }));
    all.push((put, load, Op::MoveList { of: OTHER, to: of }));
    all
}

fn insertions() -> Vec<Op> {
    let (of, from) = (FRESH, OBJECT);
    let fields = FIELDS.into_iter().flat_map(|field| {
        [Op::Store { of, field, from }, Op::Exchange { of, field, current: EMPTY, new: from }]
    });
    fields.chain([Op::Push { of, from }, Op::PushAndForget { of, from }]).collect()
}

struct Stage {
    stepper: Stepper,
    actors: Vec<Actor>,
    dropped: Arc<Vec<AtomicBool>>,
}

impl Stage {
    /// A holder (root 0) of the object, put in by `put`, and another node (root 1).
    fn new(actors: usize, put: Op) -> Stage {
        let heap = Heap::builder().driver(Driver::Stepping).build().expect("a heap");
        let dropped: Arc<Vec<AtomicBool>> = Arc::new((0..OBJECTS).map(|_| AtomicBool::new(false)).collect());
        let roots = Arc::default();
        let actors = (0..actors).map(|_| Actor::start(&heap, &dropped, &roots)).collect();
        let stage = Stage { stepper: heap.stepper(), actors, dropped };
        for (id, to) in [(0, HOLDER), (1, OBJECT), (2, OTHER)] {
            stage.new_node(0, id, EMPTY, to);
        }
        stage.perform(0, put);
        stage.perform(0, Op::Root { from: HOLDER, root: 0 });
        stage.perform(0, Op::Root { from: OTHER, root: 1 });
        stage.perform(0, Op::Safepoint);
        stage
    }

    fn perform(&self, actor: usize, op: Op) -> Outcome {
        let outcome = self.actors[actor].perform(op);
        assert_ne!(outcome, Outcome::Busy, "{op:?}");
        outcome
    }

    fn new_node(&self, actor: usize, id: usize, from: usize, to: usize) {
        self.perform(actor, Op::New { id, from, place: Place::Slot, to });
    }

    /// The actor gets hold of holder, object and other node.
    fn take_hold(&self, actor: usize, load: Op) {
        self.perform(actor, Op::FromRoot { root: 0, to: HOLDER });
        self.perform(actor, Op::FromRoot { root: 1, to: OTHER });
        assert_eq!(self.perform(actor, load), Outcome::Id(Some(1)), "{load:?}");
    }

    /// The actor hides the object in a fresh node.
    fn hide(&self, actor: usize) {
        self.new_node(actor, 4, OBJECT, FRESH);
        self.perform(actor, Op::Root { from: FRESH, root: 2 });
    }

    /// Steps the collector until it waits for mutators.
    fn ask(&mut self) {
        while self.stepper.collector() != StepOutcome::AwaitMutators {}
    }

    /// Mutators pass safepoints until tracing is open; nothing has been scanned then.
    fn open_tracing(&mut self) {
        loop {
            match self.stepper.collector() {
                StepOutcome::AwaitMarkers => return,
                StepOutcome::AwaitMutators => self.everybody_passes(),
                _ => {}
            }
        }
    }

    fn everybody_passes(&self) {
        (0..self.actors.len()).for_each(|actor| _ = self.perform(actor, Op::Safepoint));
    }

    /// Ends the cycle, and runs another: the object must be there.
    fn finish(mut self, what: &str) {
        for _ in 0..2 {
            loop {
                match self.stepper.step_any() {
                    StepOutcome::Idle => break,
                    StepOutcome::AwaitMutators => self.everybody_passes(),
                    _ => {}
                }
            }
            assert!(!self.dropped[1].load(Ordering::Relaxed), "lost the object: {what}");
            self.stepper.request();
        }
    }
}

/// Mode Deletion: what is removed from a holder is shaded.
#[test]
fn removed_while_tracing() {
    for (put, load, remove) in removals() {
        let mut stage = Stage::new(1, put);
        stage.stepper.request();
        stage.open_tracing();
        stage.take_hold(0, load);
        stage.perform(0, remove);
        stage.hide(0);
        stage.finish(&format!("{remove:?} while tracing"));
    }
}

/// Mode Both: what is removed is shaded, since another mutator, already in mode Deletion, may have loaded it.
#[test]
fn removed_between_the_handshakes() {
    for (put, load, remove) in removals() {
        let mut stage = Stage::new(2, put);
        stage.stepper.request();
        stage.ask();
        stage.everybody_passes(); // handshake 1: both in mode Both
        stage.ask();
        stage.perform(1, Op::Safepoint); // handshake 2: actor 1 in mode Deletion, fresh objects black
        stage.take_hold(1, load);
        stage.take_hold(0, load);
        stage.perform(0, remove);
        stage.hide(1);
        stage.finish(&format!("{remove:?} in mode Both"));
    }
}

/// Mode Both: what is inserted is shaded, since it may have been removed by a mutator that was in mode Off still.
#[test]
fn inserted_between_the_handshakes() {
    let put = Op::Store { of: HOLDER, field: Field::Slot, from: OBJECT };
    let load = Op::Load { of: HOLDER, field: Field::Slot, to: OBJECT };
    for insert in insertions() {
        let mut stage = Stage::new(2, put);
        stage.stepper.request();
        stage.ask();
        stage.perform(0, Op::Safepoint); // handshake 1: actor 0 in mode Both, actor 1 in mode Off
        stage.take_hold(0, load);
        stage.take_hold(1, load);
        stage.perform(1, Op::Take { of: HOLDER, field: Field::Slot, to: SPARE }); // shades nothing
        stage.perform(1, Op::Safepoint);
        stage.ask();
        stage.perform(1, Op::Safepoint); // handshake 2: actor 1 in mode Deletion, fresh objects black
        stage.new_node(1, 4, EMPTY, FRESH);
        stage.perform(1, Op::Root { from: FRESH, root: 2 });
        stage.perform(0, Op::FromRoot { root: 2, to: FRESH });
        stage.perform(0, insert);
        stage.finish(&format!("{insert:?} in mode Both"));
    }
}
