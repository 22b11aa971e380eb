//! A mutator on a thread of its own that does what it is told.

use crate::{REGISTERS, ROOTS, ROW};
use greyset::{Array, Gc, Heap, Lock, Mutator, MutatorHandle, Nan, Root, Slot, Trace, WordSlot};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Says when the object it is in is dropped.
pub(crate) struct Witness {
    dropped: Arc<Vec<AtomicBool>>,
    id: usize,
}

impl Drop for Witness {
    fn drop(&mut self) {
        assert!(!self.dropped[self.id].swap(true, Ordering::Relaxed), "object {} was dropped twice", self.id);
    }
}

#[derive(Trace)]
pub(crate) struct Node<'gc> {
    id: usize,
    #[trace(skip)]
    _witness: Witness,
    fixed: Option<Gc<'gc, Node<'gc>>>,
    slot: Slot<'gc, Node<'gc>>,
    word: WordSlot<'gc, Nan<'gc, Node<'gc>>>,
    list: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
    nested: Lock<'gc, Lock<'gc, Option<Gc<'gc, Node<'gc>>>>>,
    row: Gc<'gc, Array<'gc, Slot<'gc, Node<'gc>>>>,
}

/// Where a reference is read from or written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Field {
    Slot,
    Word,
    Nested,
    Row(usize),
}

/// How a reference is taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Swap,
    Store,
    Exchange,
}

/// Where a new node has a reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Fixed,
    Slot,
    List,
    Row,
    Nowhere,
}

/// An operation. Numbers are those of registers, unless they say otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    /// A new node with the reference `from` in one place.
    New {
        id: usize,
        from: usize,
        place: Place,
        to: usize,
    },
    Root {
        from: usize,
        root: usize,
    },
    Unroot {
        root: usize,
    },
    FromRoot {
        root: usize,
        to: usize,
    },
    Fixed {
        of: usize,
        to: usize,
    },
    Load {
        of: usize,
        field: Field,
        to: usize,
    },
    /// Loads and empties.
    Take {
        of: usize,
        field: Field,
        to: usize,
    },
    /// What a collector must not miss: takes what the field holds, makes it the only reference of a new node, and that a
    /// root.
    Hide {
        of: usize,
        field: Field,
        how: How,
        id: usize,
        root: usize,
    },
    /// Gives what was there before.
    Store {
        of: usize,
        field: Field,
        from: usize,
    },
    /// Gives what was there before; changes it only if that is what `current` holds.
    Exchange {
        of: usize,
        field: Field,
        current: usize,
        new: usize,
    },
    Push {
        of: usize,
        from: usize,
    },
    /// As `Push`, and the guard is forgotten.
    PushAndForget {
        of: usize,
        from: usize,
    },
    /// Takes the last entry of the list.
    Pop {
        of: usize,
        to: usize,
    },
    /// The first entry of the list, read through a guard.
    First {
        of: usize,
        to: usize,
    },
    /// Moves the list of one node to another.
    MoveList {
        of: usize,
        to: usize,
    },
    CopyWithin {
        of: usize,
        from: usize,
        len: usize,
        at: usize,
    },
    CopyRow {
        of: usize,
        to: usize,
    },
    Safepoint,
    Park,
    Unpark,
}

/// What came of it: the number of an object, or nothing, or a lock was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Id(Option<usize>),
    Busy,
}

/// Roots by number; used by one actor at a time.
pub(crate) type Roots = Arc<Mutex<[Option<Root<Node<'static>>>; ROOTS]>>;

pub(crate) struct Actor {
    ops: Option<Sender<Op>>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
}

impl Actor {
    pub(crate) fn start(heap: &Heap, dropped: &Arc<Vec<AtomicBool>>, roots: &Roots) -> Actor {
        let (ops, received) = channel();
        let (sent, outcomes) = channel();
        let (heap, dropped, roots) = (heap.clone(), Arc::clone(dropped), Arc::clone(roots));
        let thread = std::thread::spawn(move || {
            Stage { ops: received, outcomes: sent, dropped, roots }.play(heap.mutator());
        });
        Actor { ops: Some(ops), outcomes, thread: Some(thread) }
    }

    pub(crate) fn perform(&self, op: Op) -> Outcome {
        self.ops.as_ref().expect("not stopped").send(op).expect("the actor lives");
        self.outcomes.recv().expect("the actor lives")
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        self.ops = None;
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(()))), "an actor panicked");
    }
}

/// The actor's side.
struct Stage {
    ops: Receiver<Op>,
    outcomes: Sender<Outcome>,
    dropped: Arc<Vec<AtomicBool>>,
    roots: Roots,
}

type Registers<'gc> = [Option<Gc<'gc, Node<'gc>>>; REGISTERS];

impl Stage {
    fn play(mut self, mut handle: MutatorHandle) {
        loop {
            let parked = handle.enter(|m| {
                while let Some(op) = self.window(m) {
                    if op == Op::Park {
                        return true;
                    }
                    m.safepoint();
                    self.answer(Outcome::Id(None));
                }
                false
            });
            if !parked {
                return;
            }
            self.answer(Outcome::Id(None));
            match self.ops.recv() {
                Ok(op) => assert_eq!(op, Op::Unpark),
                Err(_) => return,
            }
            // Answered from inside the heap: the mutator is unparked then.
            let stage = &self;
            handle.enter(|_| stage.answer(Outcome::Id(None)));
        }
    }

    fn answer(&self, outcome: Outcome) {
        // Nobody listens any more if the run has failed.
        let _ = self.outcomes.send(outcome);
    }

    /// Operations of one window; gives what ended it.
    fn window(&mut self, m: &Mutator) -> Option<Op> {
        let mut registers: Registers<'_> = [None; REGISTERS];
        loop {
            match self.ops.recv() {
                Err(_) => return None,
                Ok(op @ (Op::Safepoint | Op::Park)) => return Some(op),
                Ok(op) => {
                    let outcome = self.perform(m, op, &mut registers);
                    self.answer(outcome);
                }
            }
        }
    }

    fn perform<'gc>(&mut self, m: &'gc Mutator, op: Op, registers: &mut Registers<'gc>) -> Outcome {
        let holder = |at: usize| registers[at].expect("the shadow says there is one");
        let (to, value) = match op {
            Op::New { id, from, place, to } => (to, Some(self.node(m, id, place, registers[from]))),
            Op::Root { from, root } => {
                self.roots.lock().unwrap()[root] = Some(holder(from).root(m));
                return Outcome::Id(None);
            }
            Op::Unroot { root } => {
                self.roots.lock().unwrap()[root] = None;
                return Outcome::Id(None);
            }
            Op::FromRoot { root, to } => {
                (to, self.roots.lock().unwrap()[root].as_ref().map(|root| root.get(m)))
            }
            Op::Fixed { of, to } => (to, holder(of).fixed),
            Op::Load { of, field, to } => (to, load(m, holder(of), field)),
            Op::Take { of, field, to } => (to, swap(m, holder(of), field, None)),
            Op::Hide { of, field, how, id, root } => {
                let hidden = match how {
                    How::Swap => swap(m, holder(of), field, None),
                    How::Store => store_none(m, holder(of), field),
                    How::Exchange => {
                        let current = load(m, holder(of), field);
                        exchange(m, holder(of), field, current, None)
                    }
                };
                let node = self.node(m, id, Place::Fixed, hidden);
                self.roots.lock().unwrap()[root] = Some(node.root(m));
                return id_of(hidden);
            }
            Op::Store { of, field, from } => return id_of(swap(m, holder(of), field, registers[from])),
            Op::Exchange { of, field, current, new } => {
                return id_of(exchange(m, holder(of), field, registers[current], registers[new]));
            }
            Op::Pop { of, to } => match holder(of).get().list.try_write(m) {
                Some(mut list) => (to, list.pop()),
                None => return Outcome::Busy,
            },
            Op::First { of, to } => match holder(of).get().list.try_read(m) {
                Some(list) => (to, list.first().copied()),
                None => return Outcome::Busy,
            },
            Op::Push { of, from } | Op::PushAndForget { of, from } => {
                let Some(mut list) = holder(of).get().list.try_write(m) else { return Outcome::Busy };
                list.push(holder(from));
                if matches!(op, Op::PushAndForget { .. }) {
                    std::mem::forget(list);
                }
                return Outcome::Id(None);
            }
            Op::MoveList { of, to } => return move_list(m, holder(of), holder(to)),
            Op::CopyWithin { of, from, len, at } => {
                holder(of).row.copy_within(m, from..from + len, at);
                return Outcome::Id(None);
            }
            Op::CopyRow { of, to } => {
                holder(to).row.copy_from(m, 0, holder(of).row, 0..ROW);
                return Outcome::Id(None);
            }
            Op::Safepoint | Op::Park | Op::Unpark => unreachable!("not in a window"),
        };
        registers[to] = value;
        id_of(value)
    }

    fn node<'gc>(
        &self,
        m: &'gc Mutator,
        id: usize,
        place: Place,
        from: Option<Gc<'gc, Node<'gc>>>,
    ) -> Gc<'gc, Node<'gc>> {
        let at = |here| from.filter(|_| place == here);
        let row = m.alloc_array(ROW, |i| Slot::new(at(Place::Row).filter(|_| i == 0)));
        m.alloc(Node {
            id,
            _witness: Witness { dropped: Arc::clone(&self.dropped), id },
            fixed: at(Place::Fixed),
            slot: Slot::new(at(Place::Slot)),
            word: WordSlot::default(),
            list: Lock::new(at(Place::List).into_iter().collect()),
            nested: Lock::default(),
            row,
        })
    }
}

fn id_of(value: Option<Gc<'_, Node<'_>>>) -> Outcome {
    Outcome::Id(value.map(|node| node.id))
}

fn load<'gc>(m: &'gc Mutator, of: Gc<'gc, Node<'gc>>, field: Field) -> Option<Gc<'gc, Node<'gc>>> {
    match field {
        Field::Slot => of.slot.load(m),
        Field::Word => of.word.load(m).as_object(),
        Field::Nested => of.nested.with(m, |inner| inner.get(m)),
        Field::Row(at) => of.row[at].load(m),
    }
}

fn swap<'gc>(
    m: &'gc Mutator,
    of: Gc<'gc, Node<'gc>>,
    field: Field,
    new: Option<Gc<'gc, Node<'gc>>>,
) -> Option<Gc<'gc, Node<'gc>>> {
    match field {
        Field::Slot => of.slot.swap(m, new),
        Field::Word => of.word.swap(m, nan(new)).as_object(),
        // One way for each kind of change: through the inner lock, of the inner lock as a whole.
        Field::Nested if new.is_some() => of.nested.with(m, |inner| inner.replace(m, new)),
        Field::Nested => of.nested.write(m).get_mut().take(),
        Field::Row(at) => {
            let old = of.row[at].load(m);
            of.row[at].store(m, new);
            old
        }
    }
}

fn store_none<'gc>(m: &'gc Mutator, of: Gc<'gc, Node<'gc>>, field: Field) -> Option<Gc<'gc, Node<'gc>>> {
    let old = load(m, of, field);
    match field {
        Field::Slot => of.slot.store(m, None),
        Field::Word => of.word.store(m, Nan::nil()),
        Field::Nested => of.nested.set(m, Lock::default()),
        Field::Row(at) => of.row.copy_from(m, at, m.alloc_array(1, |_| Slot::empty()), 0..1),
    }
    old
}

fn exchange<'gc>(
    m: &'gc Mutator,
    of: Gc<'gc, Node<'gc>>,
    field: Field,
    current: Option<Gc<'gc, Node<'gc>>>,
    new: Option<Gc<'gc, Node<'gc>>>,
) -> Option<Gc<'gc, Node<'gc>>> {
    let either = |result: Result<_, _>| result.unwrap_or_else(|found| found);
    match field {
        Field::Slot => either(of.slot.compare_exchange(m, current, new)),
        Field::Word => {
            let result = of.word.compare_exchange(m, nan(current), nan(new));
            result.unwrap_or_else(|found| found).as_object()
        }
        Field::Row(at) => either(of.row[at].compare_exchange(m, current, new)),
        Field::Nested => of.nested.with_mut(m, |inner| {
            let inner = inner.get_mut();
            let old = *inner;
            if old.map(Gc::as_addr) == current.map(Gc::as_addr) {
                *inner = new;
            }
            old
        }),
    }
}

fn nan<'gc>(value: Option<Gc<'gc, Node<'gc>>>) -> Nan<'gc, Node<'gc>> {
    value.map_or(Nan::nil(), Nan::object)
}

fn move_list<'gc>(m: &'gc Mutator, of: Gc<'gc, Node<'gc>>, to: Gc<'gc, Node<'gc>>) -> Outcome {
    if Gc::ptr_eq(of, to) {
        return Outcome::Id(None);
    }
    let Some(mut from) = of.list.try_write(m) else { return Outcome::Busy };
    let Some(mut to) = to.list.try_write(m) else { return Outcome::Busy };
    *to = std::mem::take(&mut *from);
    Outcome::Id(None)
}
