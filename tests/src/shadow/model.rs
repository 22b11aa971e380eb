//! The shadow: what objects there are, what refers to what, and what must be alive.
//!
//! | set | its objects are |
//! | --- | --- |
//! | strong | reachable from roots and from pointers that open windows hold: alive, weak handles on them upgrade |
//! | must | strong, or reached from an object that a finalizer queue waits for: intact, not dropped, not cleaned up |
//! | may | must, or kept by an entry of a `WeakMap` that may be gone: nothing is known |
//!
//! Everything else is garbage: it may be there until a whole cycle has run that began afterwards.

use crate::log::Note;
use std::collections::{BTreeMap, BTreeSet};

/// Number of an object.
pub type Id = u64;

/// Type of an object; arrays with their length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Three edges: two slots, one fixed.
    Node,
    /// Two edges in one-word values.
    Cells,
    /// A list under a lock.
    Bag,
    /// Ephemerons.
    Table,
    /// A weak handle in the heap.
    Holder,
    /// An array of slots.
    Row(usize),
    /// An array of one-word values.
    Words(usize),
    /// With a destructor.
    Leaf,
    /// With a destructor, large.
    Giant,
    /// An array with destructors.
    Crowd(usize),
    /// A `String`.
    Text,
    /// A `Str`.
    Str,
    /// A `Bytes`.
    Bytes(usize),
}

impl Kind {
    /// Edges that change by slot operations.
    pub fn slots(self) -> usize {
        match self {
            Kind::Node | Kind::Cells => 2,
            Kind::Row(len) | Kind::Words(len) => len,
            _ => 0,
        }
    }

    /// Edges that can be loaded.
    pub fn edges(self) -> usize {
        if self == Kind::Node { 3 } else { self.slots() }
    }

    /// Whether its slots hold numbers, too.
    pub fn numbers(self) -> bool {
        matches!(self, Kind::Cells | Kind::Words(_))
    }

    /// Destructors of the object that leave notes.
    pub fn parts(self) -> u32 {
        match self {
            Kind::Leaf | Kind::Giant => 1,
            Kind::Crowd(len) => len as u32,
            _ => 0,
        }
    }
}

/// What an edge holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// Nothing.
    Nil,
    /// A number.
    Num(i32),
    /// An object.
    Ref(Id),
}

/// An entry of a `WeakMap`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its key.
    pub key: Id,
    /// Its value.
    pub value: Id,
    /// Whether it is surely there while map and key are strong.
    pub certain: bool,
}

/// An object as it should be.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// Its type.
    pub kind: Kind,
    /// Its edges that are not empty.
    pub edges: BTreeMap<usize, Edge>,
    /// Its elements, if it is a bag.
    pub items: Vec<Id>,
    /// Its entries, if it is a table.
    pub entries: Vec<Entry>,
    /// The target of its weak handle, and whether that is surely not cleared while the target is strong.
    pub weak: Option<(Id, bool)>,
    /// The parts whose destructors have run.
    pub dropped: BTreeSet<u32>,
    /// Something has shown that the collector found it dead.
    pub dead: bool,
}

impl Shadow {
    /// A new object.
    pub fn new(kind: Kind) -> Shadow {
        Shadow {
            kind,
            edges: BTreeMap::new(),
            items: Vec::new(),
            entries: Vec::new(),
            weak: None,
            dropped: BTreeSet::new(),
            dead: false,
        }
    }

    /// What an edge holds.
    pub fn edge(&self, at: usize) -> Edge {
        self.edges.get(&at).copied().unwrap_or(Edge::Nil)
    }

    /// Sets an edge.
    pub fn set_edge(&mut self, at: usize, edge: Edge) {
        match edge {
            Edge::Nil => self.edges.remove(&at),
            edge => self.edges.insert(at, edge),
        };
    }

    /// The objects it refers to, ephemerons apart.
    pub fn children(&self) -> impl Iterator<Item = Id> + '_ {
        let edges = self.edges.values().filter_map(|edge| match edge {
            Edge::Ref(id) => Some(*id),
            Edge::Nil | Edge::Num(_) => None,
        });
        edges.chain(self.items.iter().copied())
    }
}

/// A cleanup that has been registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CleanupShadow {
    /// The object it waits for.
    pub object: Id,
    /// Whether it has run or been taken back.
    pub over: bool,
}

/// Objects and what has been registered for them.
#[derive(Debug, Default)]
pub struct Model {
    /// All objects that are not known to be gone.
    pub objects: BTreeMap<Id, Shadow>,
    /// Objects that a finalizer queue waits for or has ready; true: it may have them ready although they are strong, since
    /// an object that reaches them was delivered.
    pub finalizable: BTreeMap<Id, bool>,
    /// Cleanups, by their numbers.
    pub cleanups: Vec<CleanupShadow>,
    next: Id,
}

impl Model {
    /// Adds an object.
    pub fn add(&mut self, kind: Kind) -> Id {
        self.next += 1;
        self.objects.insert(self.next, Shadow::new(kind));
        self.next
    }

    /// The object; it must be known.
    pub fn get(&mut self, id: Id) -> Result<&mut Shadow, String> {
        self.objects.get_mut(&id).ok_or_else(|| format!("object {id} was found dead and turned up again"))
    }

    /// Objects reached from `from`, with ephemerons as `entries` says.
    fn close(&self, from: impl IntoIterator<Item = Id>, entries: Entries) -> BTreeSet<Id> {
        let mut reached = BTreeSet::new();
        let mut list: Vec<Id> = from.into_iter().collect();
        loop {
            while let Some(id) = list.pop() {
                if reached.insert(id) {
                    list.extend(self.objects.get(&id).into_iter().flat_map(Shadow::children));
                }
            }
            let counts = |entry: &&Entry| match entries {
                Entries::None => false,
                Entries::Certain => entry.certain,
                Entries::All => true,
            };
            let tables = reached.iter().filter_map(|id| self.objects.get(id));
            let held = tables.flat_map(|table| &table.entries).filter(counts);
            list.extend(held.filter(|entry| reached.contains(&entry.key)).map(|entry| entry.value));
            list.retain(|id| !reached.contains(id));
            if list.is_empty() {
                return reached;
            }
        }
    }

    /// What is strong, given the roots and the pointers in windows.
    pub fn strong(&self, roots: impl IntoIterator<Item = Id>) -> BTreeSet<Id> {
        self.close(roots, Entries::Certain)
    }

    /// What must be intact.
    pub fn must(&self, strong: &BTreeSet<Id>) -> BTreeSet<Id> {
        let mut must = self.close(self.finalizable.keys().copied(), Entries::None);
        must.extend(strong);
        must
    }

    /// What may be alive.
    pub fn may(&self, roots: impl IntoIterator<Item = Id>) -> BTreeSet<Id> {
        self.close(roots.into_iter().chain(self.finalizable.keys().copied()), Entries::All)
    }

    /// Objects reached from `from` over edges alone.
    pub fn plain(&self, from: Id) -> BTreeSet<Id> {
        self.close([from], Entries::None)
    }

    /// How many objects a finalizer queue has ready after a whole cycle, at least and at most; `ready`: whether it had any
    /// before. What is dead is delivered, unless something keeps it: an entry of a `WeakMap` that may be gone, or an object that
    /// was ready, by edges or, since its tables keep their entries, by ephemerons.
    pub fn deliverable(&self, strong: &BTreeSet<Id>, ready: bool) -> (usize, usize) {
        let dead: BTreeSet<Id> = self.finalizable.keys().copied().filter(|id| !strong.contains(id)).collect();
        let kept = |id: &&Id| {
            let others = dead.iter().filter(|other| ready && other != id);
            self.close(strong.iter().chain(others).copied(), Entries::All).contains(id)
        };
        let maybe = self.finalizable.iter().filter(|(id, maybe)| **maybe && strong.contains(id)).count();
        (dead.len() - dead.iter().filter(kept).count(), dead.len() + maybe)
    }

    /// These can be reached again, and were not: those among them that a finalizer queue was to get it may have got.
    pub fn may_be_ready(&mut self, revived: &BTreeSet<Id>) {
        for (other, maybe) in &mut self.finalizable {
            *maybe |= revived.contains(other);
        }
    }

    /// Takes notes of the collector into account.
    ///
    /// # Errors
    /// If something was dropped or cleaned up that must be alive, or twice.
    pub fn absorb(&mut self, notes: &[Note], must: &BTreeSet<Id>) -> Result<(), String> {
        for &note in notes {
            let id = match note {
                Note::Dropped { id, .. } => id,
                Note::CleanedUp(number) => {
                    let cleanup = &mut self.cleanups[number as usize];
                    if std::mem::replace(&mut cleanup.over, true) {
                        return Err(format!("cleanup {number} ran twice, or after it had been taken back"));
                    }
                    cleanup.object
                }
            };
            if must.contains(&id) {
                return Err(format!("{note:?}, but object {id} is reachable"));
            }
            let Some(shadow) = self.objects.get_mut(&id) else {
                return Err(format!("{note:?}: object {id} was gone already"));
            };
            shadow.dead = true;
            if let Note::Dropped { part, .. } = note
                && !shadow.dropped.insert(part)
            {
                return Err(format!("{note:?} twice"));
            }
        }
        match must.iter().find(|id| self.objects.get(id).is_none_or(|shadow| shadow.dead)) {
            Some(id) => Err(format!("object {id} is reachable and was found dead")),
            None => Ok(()),
        }
    }

    /// A finalizer queue has delivered an object: what only it reaches, which is returned, may have lost its ephemeron
    /// entries and weak handles.
    ///
    /// # Errors
    /// If it should not have been delivered.
    pub fn delivered(&mut self, id: Id, strong: &BTreeSet<Id>) -> Result<BTreeSet<Id>, String> {
        let Some(maybe) = self.finalizable.remove(&id) else {
            return Err(format!("object {id} was delivered and nobody had registered it"));
        };
        if !maybe && strong.contains(&id) {
            return Err(format!("object {id} was delivered and is reachable"));
        }
        let lost: BTreeSet<Id> = self.plain(id).difference(strong).copied().collect();
        self.may_be_ready(&lost);
        for (table, shadow) in &mut self.objects {
            for entry in &mut shadow.entries {
                entry.certain &= !lost.contains(table) && !lost.contains(&entry.key);
            }
            if let Some((target, certain)) = &mut shadow.weak {
                *certain &= !lost.contains(target);
            }
        }
        Ok(lost)
    }
}

#[derive(Clone, Copy)]
enum Entries {
    None,
    Certain,
    All,
}
