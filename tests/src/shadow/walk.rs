//! Reads the whole graph and compares it with the model.

use super::exec::ensure;
use super::model::{Edge, Id, Kind};
use super::types::{self, Any, Bag, Table, Val, cast};
use super::world::{Checked, World};
use greyset::Mutator;
use std::collections::BTreeMap;

/// Reads everything that handles reach and compares it with the model.
pub fn walk<'gc>(m: &'gc Mutator, world: &mut World) -> Checked {
    let mut seen: BTreeMap<Id, Any<'gc>> = BTreeMap::new();
    let mut list: Vec<(Any<'gc>, Id)> = world.roots.iter().map(|(root, id)| (root.get(m), *id)).collect();
    loop {
        while let Some((object, id)) = list.pop() {
            if seen.insert(id, object).is_none() {
                visit(m, world, object, id, &mut list)?;
            }
        }
        for (&table, &object) in &seen {
            let shadow = world.model.get(table)?.clone();
            for entry in
                shadow.entries.iter().filter(|entry| entry.certain && !seen.contains_key(&entry.value))
            {
                let Some(&key) = seen.get(&entry.key) else { continue };
                let value = cast::<Table<'static>>(m, object).get().map.get(m, key);
                list.push((value.ok_or_else(|| format!("{table} has lost {entry:?}"))?, entry.value));
            }
        }
        if list.is_empty() {
            return Ok(());
        }
    }
}

fn visit<'gc>(
    m: &'gc Mutator,
    world: &mut World,
    object: Any<'gc>,
    id: Id,
    list: &mut Vec<(Any<'gc>, Id)>,
) -> Checked {
    let guarded = world.guarded.contains_key(&id);
    let shadow = world.model.get(id)?;
    let kind = shadow.kind;
    ensure(types::identify(m, object, kind) == Some(id), || format!("{kind:?} {id} is spoilt"))?;
    for at in 0..kind.edges() {
        match (shadow.edge(at), types::load(m, object, kind, at)) {
            (Edge::Nil, Val::Nil) => {}
            (Edge::Num(a), Val::Num(b)) if a == b => {}
            (Edge::Ref(child), Val::Ref(object)) => list.push((object, child)),
            (edge, _) => return Err(format!("edge {at} of {kind:?} {id} should be {edge:?}")),
        }
    }
    if kind == Kind::Bag && !guarded {
        let items = cast::<Bag<'static>>(m, object).get().items.with(m, Vec::clone);
        ensure(items.len() == shadow.items.len(), || format!("bag {id} has {} items", items.len()))?;
        list.extend(items.into_iter().zip(shadow.items.iter().copied()));
    }
    Ok(())
}
