//! The operations of a mutator in a window, on the heap and on the model.

use super::model::{Edge, Entry, Id, Kind};
use super::ops::{Act, Pick};
use super::types::{self, Any, Bag, Holder, How, Table, Val, cast};
use super::walk::walk;
use super::world::{Checked, World};
use crate::log::{Note, sum};
use greyset::{Gc, LockGuard, Mutator};
use std::collections::btree_map::Entry as BTreeEntry;
use std::sync::Arc;

/// Pointers a window holds at most; the oldest is forgotten first.
const MOST_HELD: usize = 24;

/// A window: what an actor holds between two safepoints.
pub struct Window<'gc> {
    m: &'gc Mutator,
    actor: usize,
    held: Vec<(Any<'gc>, Id)>,
    guard: Option<(LockGuard<'gc, 'gc, Vec<Any<'gc>>>, Id)>,
}

impl<'gc> Window<'gc> {
    /// A window that holds nothing.
    pub fn new(m: &'gc Mutator, actor: usize) -> Window<'gc> {
        Window { m, actor, held: Vec::new(), guard: None }
    }

    fn hold(&mut self, object: Any<'gc>, id: Id) {
        if self.held.len() == MOST_HELD {
            self.held.remove(0);
        }
        self.held.push((object, id));
    }

    /// The held pointer that `choice` means among those whose kind fits.
    fn choose(&self, world: &World, choice: u8, fits: impl Fn(Kind) -> bool) -> Option<(Any<'gc>, Id, Kind)> {
        let kind = |id: &Id| world.model.objects.get(id).map(|shadow| shadow.kind);
        let of = |&(object, id): &(Any<'gc>, Id)| Some((object, id, kind(&id).filter(|&kind| fits(kind))?));
        let fitting: Vec<_> = self.held.iter().filter_map(of).collect();
        (!fitting.is_empty()).then(|| fitting[choice as usize % fitting.len()])
    }

    fn any(&self, world: &World, choice: u8) -> Option<(Any<'gc>, Id)> {
        self.choose(world, choice, |_| true).map(|(object, id, _)| (object, id))
    }

    fn value(&self, world: &World, pick: Pick) -> (Val<'gc>, Edge) {
        match pick {
            Pick::Nil => (Val::Nil, Edge::Nil),
            Pick::Num(n) => (Val::Num(i32::from(n)), Edge::Num(i32::from(n))),
            Pick::Held(choice) => match self.any(world, choice) {
                Some((object, id)) => (Val::Ref(object), Edge::Ref(id)),
                None => (Val::Nil, Edge::Nil),
            },
        }
    }

    /// Does one operation. The window has not ended then.
    ///
    /// # Errors
    /// What is wrong with the heap.
    pub fn run(&mut self, world: &mut World, act: Act) -> Checked {
        self.dispatch(world, act)?;
        world.held[self.actor] = self.held.iter().map(|(_, id)| *id).collect();
        world.absorb()
    }

    fn dispatch(&mut self, world: &mut World, act: Act) -> Checked {
        match act {
            Act::Safepoint | Act::Leave | Act::Block | Act::Detach => unreachable!("they end a window"),
            Act::Alloc { kind, edges } => self.alloc(world, kind, edges),
            Act::Load { held, edge } => self.load(world, held, edge),
            Act::Store { held, edge, value, how } => self.store(world, held, edge, value, how),
            Act::CopyWithin { held, from, len, at } => self.copy_within(world, held, from, len, at),
            Act::Push { bag, value } => self.push(world, bag, value),
            Act::Pop { bag } => self.pop(world, bag),
            Act::Item { bag, at } => self.item(world, bag, at),
            Act::Guard { bag } => self.guard(world, bag),
            Act::Unguard => {
                self.guard = None;
                world.guarded.retain(|_, holder| *holder != self.actor);
                Ok(())
            }
            Act::Forget => {
                self.held.clear();
                Ok(())
            }
            Act::Walk => walk(self.m, world),
            act => self.handles(world, act),
        }
    }

    fn handles(&mut self, world: &mut World, act: Act) -> Checked {
        match act {
            Act::Root { held } => self.root(world, held),
            Act::Get { root } => self.get(world, root),
            Act::Interior { held } => {
                if let Some((object, id, _)) = self.choose(world, held, |kind| kind == Kind::Node) {
                    world.interiors.push((types::interior(self.m, object).root(self.m), id));
                }
                Ok(())
            }
            Act::ReadInterior { root } => match pick(&world.interiors, root) {
                Some(at) => {
                    let (root, id) = &world.interiors[at];
                    ensure(*root.get(self.m) == sum(*id), || format!("the inside of object {id} is spoilt"))
                }
                None => Ok(()),
            },
            Act::Downgrade { held } => {
                if let Some((object, id)) = self.any(world, held) {
                    world.weaks.push((object.downgrade(self.m), Some(id)));
                }
                Ok(())
            }
            Act::Upgrade { weak } => self.upgrade(world, weak),
            Act::WeakSet { weak, value } => {
                let (value, edge) = self.value(world, value);
                if let Some(at) = pick(&world.weaks, weak) {
                    let (weak, target) = &mut world.weaks[at];
                    weak.set(self.m, value.object());
                    *target = if let Edge::Ref(id) = edge { Some(id) } else { None };
                }
                Ok(())
            }
            Act::HolderUpgrade { held } => self.holder_upgrade(world, held),
            Act::HolderSet { held, value } => self.holder_set(world, held, value),
            Act::MapInsert { table, key, value } => self.map_insert(world, table, key, value),
            Act::MapGet { table, key } => self.map_get(world, table, key, false),
            Act::MapRemove { table, key } => self.map_get(world, table, key, true),
            Act::Cleanup { held } => self.cleanup(world, held),
            Act::Finalize { held } => self.finalize(world, held),
            Act::Poll => self.poll(world),
            _ => unreachable!("dispatched before"),
        }
    }

    fn alloc(&mut self, world: &mut World, kind: Kind, edges: [Pick; 3]) -> Checked {
        let mut values = edges.map(|pick| self.value(world, pick));
        if kind == Kind::Holder && values[0].0.object().is_none() {
            return Ok(());
        }
        let id = world.model.add(kind);
        for (at, value) in values.iter_mut().enumerate() {
            *value = fit(world, kind, at, *value);
        }
        let object = types::make(self.m, &world.log, kind, id, &values.map(|(value, _)| value));
        let shadow = world.model.get(id)?;
        for (at, (_, edge)) in values.into_iter().enumerate() {
            match (kind, edge) {
                (Kind::Bag, Edge::Ref(item)) => shadow.items.push(item),
                (Kind::Holder, Edge::Ref(target)) if at == 0 => shadow.weak = Some((target, true)),
                (_, edge) if at < kind.edges() => shadow.set_edge(at, edge),
                _ => {}
            }
        }
        self.hold(object, id);
        Ok(())
    }

    fn load(&mut self, world: &mut World, held: u8, edge: u8) -> Checked {
        let Some((object, id, kind)) = self.choose(world, held, |kind| kind.edges() > 0) else {
            return Ok(());
        };
        let at = spread(edge, kind.edges());
        let wanted = world.model.get(id)?.edge(at);
        let found = types::load(self.m, object, kind, at);
        self.compare(world, wanted, found, || format!("edge {at} of {kind:?} {id}"))?;
        if let (Edge::Ref(id), Some(object)) = (wanted, found.object()) {
            self.hold(object, id);
        }
        Ok(())
    }

    fn compare(&self, world: &World, want: Edge, found: Val<'gc>, what: impl Fn() -> String) -> Checked {
        let kind = match want {
            Edge::Ref(id) => world.model.objects.get(&id).map(|shadow| shadow.kind),
            Edge::Nil | Edge::Num(_) => None,
        };
        let number = |object| kind.and_then(|kind| types::identify(self.m, object, kind));
        ensure(types::same(want, found, number), || format!("{} should be {want:?} ({kind:?})", what()))
    }

    fn store(&mut self, world: &mut World, held: u8, edge: u8, value: Pick, how: How) -> Checked {
        let Some((object, id, kind)) = self.choose(world, held, |kind| kind.slots() > 0) else {
            return Ok(());
        };
        let at = spread(edge, kind.slots());
        let (value, edge) = fit(world, kind, at, self.value(world, value));
        types::store(self.m, object, kind, at, value, how);
        world.model.get(id)?.set_edge(at, edge);
        Ok(())
    }

    fn copy_within(&mut self, world: &mut World, held: u8, from: u8, len: u8, at: u8) -> Checked {
        let words = |kind| matches!(kind, Kind::Words(_));
        let Some((object, id, kind)) = self.choose(world, held, words) else { return Ok(()) };
        let room = kind.slots();
        let (from, at) = (from as usize % room, at as usize % room);
        let len = len as usize % (room - from.max(at) + 1);
        types::copy_within(self.m, object, from..from + len, at);
        let shadow = world.model.get(id)?;
        let moved: Vec<Edge> = (from..from + len).map(|at| shadow.edge(at)).collect();
        moved.into_iter().enumerate().for_each(|(i, edge)| shadow.set_edge(at + i, edge));
        Ok(())
    }

    /// Runs `f` on the contents of a bag, through the guard if this window has one; nothing if another window has it.
    fn with_bag(
        &mut self,
        world: &mut World,
        bag: u8,
        f: impl FnOnce(&mut Vec<Any<'gc>>, &mut Vec<Id>),
    ) -> Checked {
        let Some((object, id, _)) = self.choose(world, bag, |kind| kind == Kind::Bag) else { return Ok(()) };
        if world.guarded.get(&id).is_some_and(|&holder| holder != self.actor) {
            let bag: Gc<'gc, Bag<'gc>> = cast::<Bag<'static>>(self.m, object);
            return ensure(bag.get().items.try_write(self.m).is_none(), || format!("bag {id} is locked"));
        }
        let items = &mut world.model.get(id)?.items;
        match &mut self.guard {
            Some((guard, guarded)) if *guarded == id => f(guard, items),
            _ => f(&mut cast::<Bag<'static>>(self.m, object).get().items.write(self.m), items),
        }
        Ok(())
    }

    fn push(&mut self, world: &mut World, bag: u8, value: u8) -> Checked {
        let Some((object, id)) = self.any(world, value) else { return Ok(()) };
        self.with_bag(world, bag, |real, shadow| {
            real.push(object);
            shadow.push(id);
        })
    }

    fn pop(&mut self, world: &mut World, bag: u8) -> Checked {
        self.with_bag(world, bag, |real, shadow| {
            assert_eq!(real.pop().is_some(), shadow.pop().is_some());
        })
    }

    fn item(&mut self, world: &mut World, bag: u8, at: u8) -> Checked {
        let mut found = None;
        self.with_bag(world, bag, |real, shadow| {
            assert_eq!(real.len(), shadow.len());
            if let Some(at) = pick(real, at) {
                found = Some((real[at], shadow[at]));
            }
        })?;
        let Some((object, id)) = found else { return Ok(()) };
        self.compare(world, Edge::Ref(id), Val::Ref(object), || "an item of a bag".to_owned())?;
        self.hold(object, id);
        Ok(())
    }

    fn guard(&mut self, world: &mut World, bag: u8) -> Checked {
        let Some((object, id, _)) = self.choose(world, bag, |kind| kind == Kind::Bag) else { return Ok(()) };
        if self.guard.is_some() || world.guarded.contains_key(&id) {
            return Ok(());
        }
        let bag: Gc<'gc, Bag<'gc>> = cast::<Bag<'static>>(self.m, object);
        let guard = bag.get().items.try_write(self.m);
        world.guarded.insert(id, self.actor);
        self.guard = Some((guard.ok_or_else(|| format!("bag {id} should be free"))?, id));
        Ok(())
    }

    fn root(&mut self, world: &mut World, held: u8) -> Checked {
        if let Some((object, id)) = self.any(world, held) {
            world.roots.push((object.root(self.m), id));
        }
        Ok(())
    }

    fn get(&mut self, world: &mut World, root: u8) -> Checked {
        let Some(at) = pick(&world.roots, root) else { return Ok(()) };
        let (root, id) = &world.roots[at];
        let (object, id) = (root.get(self.m), *id);
        self.compare(world, Edge::Ref(id), Val::Ref(object), || "a root".to_owned())?;
        self.hold(object, id);
        Ok(())
    }

    fn upgrade(&mut self, world: &mut World, weak: u8) -> Checked {
        let Some(at) = pick(&world.weaks, weak) else { return Ok(()) };
        let (weak, target) = &world.weaks[at];
        match (weak.upgrade(self.m), *target) {
            (None, None) => Ok(()),
            (None, Some(id)) => {
                world.weaks[at].1 = None;
                world.found_cleared(id)
            }
            (Some(_), None) => Err("a cleared weak handle gave an object".to_owned()),
            (Some(object), Some(id)) => self.upgraded(world, object, id),
        }
    }

    fn upgraded(&mut self, world: &mut World, object: Any<'gc>, id: Id) -> Checked {
        world.found_alive(id)?;
        self.compare(world, Edge::Ref(id), Val::Ref(object), || "a weak handle".to_owned())?;
        self.hold(object, id);
        Ok(())
    }

    fn holder_upgrade(&mut self, world: &mut World, held: u8) -> Checked {
        let chosen = self.choose(world, held, |kind| kind == Kind::Holder);
        let Some((object, holder, _)) = chosen else { return Ok(()) };
        let found = cast::<Holder>(self.m, object).get().weak.upgrade(self.m);
        match (found, world.model.get(holder)?.weak) {
            (None, None) => Ok(()),
            (None, Some((id, certain))) => {
                world.model.get(holder)?.weak = None;
                if certain { world.found_cleared(id) } else { Ok(()) }
            }
            (Some(_), None) => Err(format!("the cleared handle in holder {holder} gave an object")),
            (Some(object), Some((id, _))) => {
                world.model.get(holder)?.weak = Some((id, true));
                self.upgraded(world, object, id)
            }
        }
    }

    fn holder_set(&mut self, world: &mut World, held: u8, value: u8) -> Checked {
        let chosen = self.choose(world, held, |kind| kind == Kind::Holder);
        let (Some((object, holder, _)), Some((target, id))) = (chosen, self.any(world, value)) else {
            return Ok(());
        };
        cast::<Holder>(self.m, object).get().weak.set(self.m, Some(target));
        world.model.get(holder)?.weak = Some((id, true));
        Ok(())
    }

    fn map_insert(&mut self, world: &mut World, table: u8, key: u8, value: u8) -> Checked {
        let chosen = self.choose(world, table, |kind| kind == Kind::Table);
        let (Some((object, table, _)), Some((key, key_id)), Some((value, value_id))) =
            (chosen, self.any(world, key), self.any(world, value))
        else {
            return Ok(());
        };
        let old = cast::<Table<'static>>(self.m, object).get().map.insert(self.m, key, value);
        self.entry_was(world, table, key_id, old)?;
        let entry = Entry { key: key_id, value: value_id, certain: true };
        world.model.get(table)?.entries.push(entry);
        Ok(())
    }

    fn map_get(&mut self, world: &mut World, table: u8, key: u8, remove: bool) -> Checked {
        let chosen = self.choose(world, table, |kind| kind == Kind::Table);
        let (Some((object, table, _)), Some((key, key_id))) = (chosen, self.any(world, key)) else {
            return Ok(());
        };
        let map = &cast::<Table<'static>>(self.m, object).get().map;
        let found = if remove { map.remove(self.m, key) } else { map.get(self.m, key) };
        let value = self.entry_was(world, table, key_id, found)?;
        if let (Some(id), Some(object)) = (value, found) {
            world.read_from_table(id);
            if !remove {
                let entry = Entry { key: key_id, value: id, certain: true };
                world.model.get(table)?.entries.push(entry);
            }
            world.found_alive(id)?;
            self.hold(object, id);
        }
        Ok(())
    }

    /// Takes the entry of `key` out of the model: `found` is what the heap had. Returns the value.
    fn entry_was(
        &self,
        world: &mut World,
        table: Id,
        key: Id,
        found: Option<Any<'gc>>,
    ) -> Checked<Option<Id>> {
        let entries = &mut world.model.get(table)?.entries;
        let at = entries.iter().position(|entry| entry.key == key);
        let wanted = at.map(|at| entries.swap_remove(at));
        match (wanted, found) {
            (None, None) => Ok(None),
            (Some(entry), None) if !entry.certain => Ok(None),
            (Some(Entry { value, .. }), Some(object)) => {
                self.compare(world, Edge::Ref(value), Val::Ref(object), || format!("entry {table}[{key}]"))?;
                Ok(Some(value))
            }
            (wanted, found) => {
                Err(format!("entry {table}[{key}] should be {wanted:?}, has one: {}", found.is_some()))
            }
        }
    }

    fn cleanup(&mut self, world: &mut World, held: u8) -> Checked {
        let Some((object, id)) = self.any(world, held) else { return Ok(()) };
        let number = world.model.cleanups.len();
        world.model.cleanups.push(super::model::CleanupShadow { object: id, over: false });
        let argument = (Arc::clone(&world.log), number as u64);
        let cleanup = self.m.add_cleanup(object, |(log, number)| log.note(Note::CleanedUp(number)), argument);
        world.cleanups.push((cleanup, number));
        Ok(())
    }

    fn finalize(&mut self, world: &mut World, held: u8) -> Checked {
        let Some((object, id)) = self.any(world, held) else { return Ok(()) };
        if let BTreeEntry::Vacant(vacant) = world.model.finalizable.entry(id) {
            vacant.insert(false);
            world.queue.register(self.m, object);
        }
        Ok(())
    }

    fn poll(&mut self, world: &mut World) -> Checked {
        let Some(root) = world.queue.poll() else {
            world.model.finalizable.values_mut().for_each(|maybe| *maybe = false);
            return Ok(());
        };
        let object = root.get(self.m);
        let candidates = world.model.finalizable.keys().copied();
        let kinds = candidates.map(|id| (id, world.model.objects.get(&id).map(|shadow| shadow.kind)));
        let is = |(id, kind): &(Id, Option<Kind>)| {
            kind.and_then(|kind| types::identify(self.m, object, kind)) == Some(*id)
        };
        let mut kinds = kinds.collect::<Vec<_>>().into_iter();
        let (id, _) = kinds.find(is).ok_or("the finalizer queue gave an object nobody had registered")?;
        world.delivered(id)?;
        world.roots.push((root, id));
        self.hold(object, id);
        Ok(())
    }
}

/// An index among `of`, if there is one.
pub fn pick<T>(of: &[T], choice: u8) -> Option<usize> {
    (!of.is_empty()).then(|| choice as usize % of.len())
}

/// One of `of` edges; a few, spread over the whole, if there are many.
fn spread(choice: u8, of: usize) -> usize {
    if of < 256 { choice as usize % of } else { (choice as usize % 8) * (of - 1) / 7 }
}

/// The value, if edge `at` of an object of that kind takes it; else nothing.
fn fit<'gc>(world: &World, kind: Kind, at: usize, value: (Val<'gc>, Edge)) -> (Val<'gc>, Edge) {
    let fits = match value.1 {
        Edge::Nil => true,
        Edge::Num(_) => kind.numbers(),
        Edge::Ref(id) if (kind, at) == (Kind::Cells, 1) => {
            world.model.objects.get(&id).is_some_and(|shadow| shadow.kind == Kind::Node)
        }
        Edge::Ref(_) => true,
    };
    if fits { value } else { (Val::Nil, Edge::Nil) }
}

/// Fails with a message unless something is right.
pub(super) fn ensure(right: bool, message: impl FnOnce() -> String) -> Checked {
    if right { Ok(()) } else { Err(message()) }
}
