//! The model together with the handles that tests hold, and what is checked.

use super::model::{Id, Kind, Model};
use super::types::census_name;
use crate::log::Log;
use greyset::{Cleanup, Erased, FinalizerQueue, Heap, Root, Weak};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A failed check, in words.
pub type Checked<T = ()> = Result<T, String>;

/// Heap, handles and model.
pub struct World {
    /// The heap under test.
    pub heap: Heap,
    /// Where finalizable objects go.
    pub queue: FinalizerQueue<Erased<'static>>,
    /// What the collector has said.
    pub log: Arc<Log>,
    /// What should be.
    pub model: Model,
    /// Roots, with the objects they hold.
    pub roots: Vec<(Root<Erased<'static>>, Id)>,
    /// Roots on the inside of nodes.
    pub interiors: Vec<(Root<u64>, Id)>,
    /// Weak handles, with their targets if they are not known to be cleared.
    pub weaks: Vec<(Weak<Erased<'static>>, Option<Id>)>,
    /// Cleanups that can be taken back, with their numbers.
    pub cleanups: Vec<(Cleanup, usize)>,
    /// The pointers that each actor's window holds.
    pub held: Vec<Vec<Id>>,
    /// Bags whose lock an actor has, with the actor.
    pub guarded: BTreeMap<Id, usize>,
}

impl World {
    /// An empty heap.
    pub fn new(heap: Heap, actors: usize) -> World {
        World {
            queue: heap.finalizer_queue(),
            heap,
            log: Log::new(),
            model: Model::default(),
            roots: Vec::new(),
            interiors: Vec::new(),
            weaks: Vec::new(),
            cleanups: Vec::new(),
            held: vec![Vec::new(); actors],
            guarded: BTreeMap::new(),
        }
    }

    /// The objects that handles and windows hold.
    pub fn anchors(&self) -> Vec<Id> {
        let roots = self.roots.iter().map(|(_, id)| *id);
        let interiors = self.interiors.iter().map(|(_, id)| *id);
        roots.chain(interiors).chain(self.held.iter().flatten().copied()).collect()
    }

    /// What is surely reachable.
    pub fn strong(&self) -> BTreeSet<Id> {
        self.model.strong(self.anchors())
    }

    /// The window of an actor is over.
    pub fn window_ends(&mut self, actor: usize) {
        self.held[actor].clear();
        self.guarded.retain(|_, holder| *holder != actor);
    }

    /// Takes the collector's notes into account; after every operation.
    pub fn absorb(&mut self) -> Checked {
        let must = self.model.must(&self.strong());
        let notes = self.log.take();
        self.model.absorb(&notes, &must)
    }

    /// A weak handle on `target` read as cleared.
    pub fn found_cleared(&mut self, target: Id) -> Checked {
        let strong = self.strong();
        if strong.contains(&target) {
            return Err(format!("a weak handle on object {target} is cleared, and the object is reachable"));
        }
        if !self.model.must(&strong).contains(&target) {
            self.model.get(target)?.dead = true;
        }
        Ok(())
    }

    /// A weak handle on `target` gave the object.
    pub fn found_alive(&mut self, target: Id) -> Checked {
        let shadow = self.model.get(target)?;
        if shadow.dead { Err(format!("object {target} was found dead and was upgraded to")) } else { Ok(()) }
    }

    /// A table gave object `id` for a key. The table may have come out of the finalizer queue, and what was found dead with it may be
    /// ready there, too.
    pub fn read_from_table(&mut self, id: Id) {
        let strong = self.strong();
        self.model.may_be_ready(&self.model.plain(id).difference(&strong).copied().collect());
    }

    /// The finalizer queue gave object `id`.
    pub fn delivered(&mut self, id: Id) -> Checked {
        let strong = self.strong();
        let lost = self.model.delivered(id, &strong)?;
        for (weak, target) in &mut self.weaks {
            if target.is_some_and(|target| lost.contains(&target)) && weak.is_cleared() {
                *target = None;
            }
        }
        Ok(())
    }

    /// A whole cycle has run that began when `strong` was reachable, at most `may` was alive and the finalizer queue had some
    /// `ready`, or none; nothing has happened since but safepoints. Everything else is gone.
    pub fn settle(&mut self, strong: &BTreeSet<Id>, may: &BTreeSet<Id>, ready: bool) -> Checked {
        self.absorb()?;
        for (&id, shadow) in self.model.objects.iter().filter(|(id, _)| !may.contains(id)) {
            if shadow.dropped.len() != shadow.kind.parts() as usize {
                return Err(format!("garbage {id} is {shadow:?} after a whole cycle: not dropped"));
            }
        }
        for (number, cleanup) in self.model.cleanups.iter().enumerate() {
            if !cleanup.over && !may.contains(&cleanup.object) {
                return Err(format!("cleanup {number} of garbage {} has not run", cleanup.object));
            }
        }
        for (weak, target) in &mut self.weaks {
            let Some(id) = *target else { continue };
            if strong.contains(&id) && weak.is_cleared() {
                return Err(format!("a weak handle on reachable object {id} is cleared"));
            }
            if !may.contains(&id) {
                if !weak.is_cleared() {
                    return Err(format!("a weak handle on garbage {id} is not cleared"));
                }
                *target = None;
            }
        }
        let (least, most) = self.model.deliverable(strong, ready);
        if !(least..=most).contains(&self.queue.len()) {
            return Err(format!("{} objects are delivered, should be {least} to {most}", self.queue.len()));
        }
        self.prune(strong, may);
        self.count(strong, may)
    }

    /// Takes garbage out of the model.
    fn prune(&mut self, strong: &BTreeSet<Id>, may: &BTreeSet<Id>) {
        self.model.objects.retain(|id, _| may.contains(id));
        for (id, shadow) in &mut self.model.objects {
            if shadow.weak.is_some_and(|(target, _)| !may.contains(&target)) {
                shadow.weak = None;
            }
            shadow.entries.retain(|entry| may.contains(&entry.key) && may.contains(&entry.value));
            for entry in &mut shadow.entries {
                entry.certain &= strong.contains(id) && strong.contains(&entry.key);
            }
        }
    }

    /// Compares a census with the model. Only right after a whole cycle: no run is reserved.
    fn count(&self, strong: &BTreeSet<Id>, may: &BTreeSet<Id>) -> Checked {
        let must = self.model.must(strong);
        let mut wanted: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for id in may {
            let kind = self.model.objects.get(id).map_or(Kind::Node, |shadow| shadow.kind);
            let (least, most) = wanted.entry(census_name(kind)).or_default();
            *least += u64::from(must.contains(id));
            *most += 1;
        }
        let census = self.heap.census();
        for row in census.rows().iter().filter(|row| row.type_name != "(tiny values)") {
            let (least, most) = wanted.remove(row.type_name).unwrap_or_default();
            if !(least..=most).contains(&row.objects) {
                return Err(format!("{row:?}, should be {least} to {most}"));
            }
        }
        match wanted.iter().find(|(_, (least, _))| *least > 0) {
            Some((name, (least, _))) => Err(format!("the census has no {name}, should be {least}")),
            None => Ok(()),
        }
    }
}
