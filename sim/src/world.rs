//! The shadow: what the program knows about each object, whatever the heap says.
//!
//! Every object has a number. The shadow knows where it lies, what was ever written to each of its places and by whom, and
//! whether it has been dropped, cleaned up after or found dead by a weak handle. A value that is read must be one that was
//! written to that place; if only the reader has written there, the last one. The shadow is told of a write before it happens.
//!
//! A `trace` may panic where the program says so ([`light`]). The collector gives that cycle up: from its report on
//! ([`given_up`]) to the end of the cycle no drop glue runs, and nothing is swept. Weak handles that were cleared and objects
//! that were finalized before, if it was what a finalizable object reaches that could not be traced, stay so.
//!
//! One shadow a thread, since one run at a time goes on there.

mod names;

pub use names::{blame, is_name, named, shown};

use crate::program::{HOLDERS, REGISTERS, ROOTS, WEAKS};
use crate::sched;
use crate::types::{Cell, Leaf, Node, Row, Table, Tag, Words};
use greyset::{FinalizerQueue, Heap, Root, Slot, Weak};
use std::cell::RefCell;
use std::rc::Rc;

/// Kinds of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the types say it")]
pub enum Kind {
    Node,
    Leaf,
    Cell,
    Table,
    Row,
    Words,
}

/// A place of an object: something that is written and read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Slot `a`.
    A,
    /// Slot `b`.
    B,
    /// The leaf.
    Leaf,
    /// An entry of a cell.
    Entry(u8),
    /// Any slot of any row: they are copied in bulk while others write.
    Row,
    /// The value of a key, by its number.
    Value(u32),
    /// A word, which may hold a number instead of an object.
    Word(u8),
}

/// Numbers that words hold begin here: the shadow keeps them where it keeps objects' numbers, of which there are fewer.
const NUMBERS: u32 = 1 << 30;

/// A write: what (0: none), where, by which mutator.
#[derive(Clone, Copy, Debug)]
struct Write {
    place: Place,
    value: u32,
    by: usize,
    /// Number of the writer's window, its mode, and which write of all it is.
    window: u32,
    mode: &'static str,
    turn: u32,
}

struct Object {
    kind: Kind,
    addr: usize,
    dropped: bool,
    /// Why it may not be seen again.
    dead: Option<&'static str>,
    /// How often it was registered with, and handed over by, the finalizer queue.
    finalize: (u32, u32),
    /// It, or an object that has pointed to it, came out of the finalizer queue: it may live on although weak handles on it
    /// were cleared.
    revived: bool,
    cleanups: u32,
    cleaned: u32,
    writes: Vec<Write>,
}

/// A weak handle and the objects it was pointed at.
pub struct WeakOn<F: greyset::Managed> {
    /// The handle.
    pub handle: Weak<F>,
    /// Numbers of its targets, each with the mutator that pointed it there.
    pub targets: RefCell<Vec<(u32, usize)>>,
    /// Whether its clearing says that the target is dead: not if it is the copy of a cleared one.
    pub tells: bool,
}

type Shared<T> = Option<Rc<T>>;
type Inner = Rc<Root<Slot<'static, Node<'static>>>>;

/// Handles that all mutators use.
#[derive(Default)]
pub struct Globals {
    /// Roots on nodes.
    pub roots: [Shared<Root<Node<'static>>>; ROOTS],
    /// Weak handles on nodes.
    pub weaks: [Shared<WeakOn<Node<'static>>>; WEAKS],
    /// Weak handles on leaves.
    pub leaves: [Shared<WeakOn<Leaf>>; WEAKS],
    /// Cells.
    pub cells: [Shared<Root<Cell<'static>>>; HOLDERS],
    /// Tables.
    pub tables: [Shared<Root<Table<'static>>>; HOLDERS],
    /// Rows.
    pub rows: [Shared<Root<Row<'static>>>; HOLDERS],
    /// Objects of words.
    pub words: [Shared<Root<Words<'static>>>; HOLDERS],
    /// Roots on slots inside nodes, and the node's number.
    pub inner: [Option<(Inner, u32)>; HOLDERS],
    /// The task that drops and clones for others.
    pub dropper: u32,
    /// Roots that it is to drop.
    pub far: Vec<Rc<Root<Node<'static>>>>,
    /// Roots that it is to clone, and where the clone goes.
    pub copies: Vec<(Rc<Root<Node<'static>>>, u8)>,
    /// The heap.
    pub heap: Option<Heap>,
    /// Finalizable nodes.
    pub queue: Shared<FinalizerQueue<Node<'static>>>,
}

/// Registers that the verifier is told of: those of the program and two for values on their way.
const HELD: usize = REGISTERS + 2;

#[derive(Default)]
struct World {
    objects: Vec<Object>,
    /// Arrays: where they lie and the rows they are part of.
    arrays: Vec<(usize, u32)>,
    /// Number and mode of each mutator's window.
    windows: Vec<(u32, &'static str)>,
    turns: u32,
    /// Numbers given out.
    numbers: u32,
    held: Vec<[usize; HELD]>,
    /// Lit fuses: the cell, whether behind its lock, after how many traces they go off.
    fuses: Vec<(u32, bool, u8)>,
    /// The running cycle has been given up.
    given_up: bool,
    globals: Globals,
}

impl World {
    /// Object `id` came out of the finalizer queue, and with it whatever it may point to: weak handles are cleared before.
    fn revive(&mut self, id: u32) {
        let mut found = vec![id];
        while let Some(id) = found.pop() {
            let Some(object) = self.objects.get_mut((id as usize).wrapping_sub(1)) else { continue };
            if !std::mem::replace(&mut object.revived, true) {
                object.dead = object.dead.filter(|&why| why != CLEARED);
                found.extend(object.writes.iter().map(|write| write.value));
            }
        }
    }

    /// Whether a window holds the object, and not one that lies where it once lay.
    fn holds(&self, id: u32) -> bool {
        let (before, later) = self.objects.split_at(id as usize);
        let Some(addr) = before.last().map(|object| object.addr) else { return false };
        let held = self.held.iter().flatten().any(|&held| held == addr);
        held && !later.iter().any(|object| object.addr == addr)
    }
}

thread_local!(static WORLD: RefCell<World> = RefCell::new(World::default()));

fn with<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(f)
}

/// An empty world for so many mutators.
pub fn reset(mutators: usize) {
    let windows = vec![(0, "Off"); mutators + 1];
    let old = WORLD.replace(World { held: vec![[0; HELD]; mutators + 1], windows, ..World::default() });
    drop(old);
}

/// Lets go of a world whose heap has failed, without touching it.
pub fn abandon() {
    std::mem::forget(WORLD.take());
}

/// Calls `f` with the global handles. `f` must not use or drop one: it takes them out, or clones them.
pub fn globals<R>(f: impl FnOnce(&mut Globals) -> R) -> R {
    with(|w| f(&mut w.globals))
}

/// Takes all global handles.
pub fn take_globals() -> Globals {
    with(|w| std::mem::take(&mut w.globals))
}

/// What open windows hold.
pub fn held() -> Vec<usize> {
    with(|w| w.held.iter().flatten().copied().filter(|&addr| addr != 0).collect())
}

/// Register `at` of mutator `me` holds `addr` (0: nothing). REGISTERS and REGISTERS + 1 are for values on their way.
pub fn hold(me: usize, at: usize, addr: usize) {
    with(|w| w.held[me][at] = addr);
}

/// Window number `window` of mutator `me` opens, in this mode.
pub fn open(me: usize, window: u32, mode: &'static str) {
    with(|w| w.windows[me] = (window, mode));
}

/// The window of mutator `me` has ended.
pub fn release(me: usize) {
    with(|w| w.held[me] = [0; HELD]);
}

/// A new object's tag.
pub fn create(kind: Kind) -> Tag {
    with(|w| {
        w.objects.push(Object {
            kind,
            addr: 0,
            dropped: false,
            dead: None,
            finalize: (0, 0),
            revived: false,
            cleanups: 0,
            cleaned: 0,
            writes: Vec::new(),
        });
        Tag::new(w.objects.len() as u32)
    })
}

/// Where it lies.
pub fn place(id: u32, addr: usize) {
    with(|w| w.objects[id as usize - 1].addr = addr);
}

/// The array of row `id` lies there.
pub fn place_array(id: u32, addr: usize) {
    with(|w| w.arrays.push((addr, id)));
}

/// A number that no word has held.
pub fn number() -> u32 {
    with(|w| {
        w.numbers += 1;
        NUMBERS + w.numbers
    })
}

/// Mutator `by` is about to write.
pub fn write(id: u32, place: Place, value: u32, by: usize) {
    with(|w| {
        let ((window, mode), turn) = (w.windows[by], w.turns);
        w.turns += 1;
        w.objects[id as usize - 1].writes.push(Write { place, value, by, window, mode, turn });
    });
}

/// Mutator `by` is about to move what table `from` maps nodes to, to table `to`, or to let go of it. Nobody else has the lock.
pub fn move_values(from: u32, to: Option<u32>, by: usize) {
    with(|w| {
        let is_node = |key: u32| w.objects[key as usize - 1].kind == Kind::Node;
        let is_moved = |write: &&Write| matches!(write.place, Place::Value(key) if is_node(key));
        let moved: Vec<_> = w.objects[from as usize - 1].writes.iter().filter(is_moved).copied().collect();
        let ((window, mode), turn) = (w.windows[by], w.turns);
        let gone = moved.iter().map(|write| Write { value: 0, by, window, mode, turn, ..*write });
        w.objects[from as usize - 1].writes.extend(gone);
        if let Some(to) = to {
            w.objects[to as usize - 1].writes.extend(moved);
        }
    });
}

/// The number of an object that was come by in a legal way, which must be of this kind, in its place, and alive.
pub fn seen(tag: Tag, addr: usize, kind: Kind) -> u32 {
    let Some(id) = tag.id() else {
        sched::fail(format!("{kind:?} at {addr:#x} has lost its canary: {tag:?}"))
    };
    let wrong = with(|w| match w.objects.get(id as usize - 1) {
        None => Some(format!("object {id} was never made")),
        Some(o) if o.kind != kind => Some(format!("object {id} is a {:?}, not a {kind:?}", o.kind)),
        Some(o) if o.addr != addr => Some(format!("object {id} lies at {:#x}, found at {addr:#x}", o.addr)),
        Some(o) if o.dropped => Some(format!("object {id} has been dropped and is seen again")),
        Some(o) => o.dead.map(|why| format!("object {id} is seen again, and {why}")),
    });
    match wrong {
        Some(wrong) => sched::fail(wrong),
        None => id,
    }
}

/// Mutator `by` has read `value` from `place` of object `id`.
pub fn read(id: u32, place: Place, value: u32, by: usize) {
    found(id, place, value, by, 0);
}

/// Mutator `by` has taken `value` from `place` of object `id` in a swap, of which it has told.
pub fn swapped(id: u32, place: Place, value: u32, by: usize) {
    found(id, place, value, by, 1);
}

/// `value` was in `place` before the last `later` writes of mutator `by`.
fn found(id: u32, place: Place, value: u32, by: usize, later: usize) {
    let wrong = with(|w| {
        let row = place == Place::Row;
        let of = if row { &w.objects[..] } else { &w.objects[id as usize - 1..id as usize] };
        let writes = || of.iter().flat_map(|object| &object.writes).filter(|write| write.place == place);
        if !writes().any(|write| write.value == value) {
            return Some("was never written there");
        }
        let own = writes().all(|write| write.by == by);
        (own && !row && writes().rev().nth(later).is_some_and(|last| last.value != value))
            .then_some("is not what this mutator, the only one to write there, wrote last")
    });
    if let Some(wrong) = wrong {
        sched::fail(format!("object {id}, {place:?} holds {value}, which {wrong}"));
    }
}

/// Mutator `by` has read (or removed, which it has told before) what key `key` is mapped to by table `id`. Nothing may be
/// there that was not put there; entries go by themselves only with their keys, and the reader holds this one.
pub fn read_value(id: u32, key: u32, value: u32, by: usize, removed: bool) {
    let place = Place::Value(key);
    let wrong = with(|w| {
        let writes = || w.objects[id as usize - 1].writes.iter().filter(|write| write.place == place);
        let known = value == 0 || writes().any(|write| write.value == value);
        let own = writes().all(|write| write.by == by);
        let last = writes().rev().nth(usize::from(removed)).map_or(0, |write| write.value);
        (!known || own && last != value).then_some(last)
    });
    if let Some(last) = wrong {
        sched::fail(format!("table {id} maps {key} to {value} and not to {last}"));
    }
}

/// Why an object is taken for dead.
const CLEARED: &str = "a weak handle on it had been cleared";

/// A weak handle on object `id` was found cleared: nobody may see the object any more, unless the finalizer queue has brought it back.
pub fn cleared(id: u32) {
    let held = with(|w| {
        let object = &mut w.objects[id as usize - 1];
        if object.finalize.0 == 0 && !object.revived {
            object.dead = Some(CLEARED);
        }
        !object.revived && w.holds(id)
    });
    if held {
        sched::fail(format!("a weak handle on object {id} is cleared while a window holds the object"));
    }
}

/// Whether the finalizer queue has brought object `id` back, so that weak handles on it may be cleared while it is held.
pub fn is_revived(id: u32) -> bool {
    with(|w| w.objects[id as usize - 1].revived)
}

/// Object `id` is registered with the finalizer queue.
pub fn finalizable(id: u32) {
    with(|w| w.objects[id as usize - 1].finalize.0 += 1);
}

/// Object `id` comes out of the finalizer queue.
pub fn finalized(id: u32) {
    let often = with(|w| {
        w.revive(id);
        let (registered, handed) = &mut w.objects[id as usize - 1].finalize;
        *handed += 1;
        *handed > *registered
    });
    if often {
        sched::fail(format!(
            "object {id} comes out of the finalizer queue more often than it was registered"
        ));
    }
}

/// A cleanup of object `id` is registered.
pub fn cleanup(id: u32) {
    with(|w| w.objects[id as usize - 1].cleanups += 1);
}

/// A cleanup of object `id` runs.
pub fn cleaned(id: u32) {
    let wrong = with(|w| {
        let object = &mut w.objects[id as usize - 1];
        object.cleaned += 1;
        object.dead = Some("a cleanup has run for it");
        if object.cleaned > object.cleanups {
            return Some("runs twice");
        }
        w.holds(id).then_some("runs while a window holds it")
    });
    if let Some(wrong) = wrong {
        sched::fail(format!("a cleanup of object {id} {wrong}"));
    }
}

/// Drop glue runs for the object with this tag.
pub fn dropped(tag: Tag) {
    let Some(id) = tag.id() else { sched::fail(format!("drop glue runs for what is no object: {tag:?}")) };
    let (again, given_up) =
        with(|w| (std::mem::replace(&mut w.objects[id as usize - 1].dropped, true), w.given_up));
    sched::tell(|| format!("object {id} is dropped"));
    if again {
        sched::fail(format!("object {id} is dropped twice"));
    }
    if given_up {
        sched::fail(format!("object {id} is dropped in a cycle that was given up"));
    }
}

/// The `n`-th trace from now of cell `id`, or of what is behind its lock, is to panic.
pub fn light(id: u32, inside: bool, n: u8) {
    with(|w| w.fuses.push((id, inside, n)));
}

/// A fuse is traced: whether it goes off.
pub fn burn(tag: Tag, inside: bool) -> bool {
    let Some(id) = tag.id() else { sched::fail(format!("what is no object is traced: {tag:?}")) };
    let blows = with(|w| {
        let at = w.fuses.iter().position(|fuse| (fuse.0, fuse.1) == (id, inside))?;
        w.fuses[at].2 = w.fuses[at].2.saturating_sub(1);
        (w.fuses[at].2 == 0).then(|| w.fuses.swap_remove(at))
    });
    let what = if inside { "what is behind the lock of cell" } else { "cell" };
    if blows.is_some() {
        sched::tell(|| format!("the trace of {what}{id} panics"));
    }
    blows.is_some()
}

/// No fuse goes off from now on.
pub fn put_out() {
    with(|w| w.fuses.clear());
}

/// The running cycle has been given up, or it has ended.
pub fn given_up(now: bool) {
    with(|w| w.given_up = now);
}

/// How many objects of a kind were made.
pub fn made(kind: Kind) -> u64 {
    with(|w| w.objects.iter().filter(|object| object.kind == kind).count() as u64)
}

/// After everything: objects with drop glue that were not dropped, and cleanups that have not run.
pub fn leftovers() -> Option<String> {
    with(|w| {
        w.objects.iter().enumerate().find_map(|(at, object)| {
            let glue = matches!(object.kind, Kind::Cell | Kind::Table);
            if glue && !object.dropped {
                return Some(format!("object {}, a {:?}, was never dropped", at + 1, object.kind));
            }
            (object.cleaned < object.cleanups).then(|| format!("a cleanup of object {} never ran", at + 1))
        })
    })
}
