//! Operations on what holds nodes in other ways than slots: cells, tables, rows, words.

use super::{Register, Window, id_of};
use crate::program::{HOLDERS, How, NONE, Op, REGISTERS};
use crate::sched;
use crate::types::{CELL, Cell, Contents, Fuse, Node, ROW, Row, Table, Tag, Value, WORDS, Witness, Words};
use crate::world::{self, Kind, Place};
use greyset::{Gc, Lock, Nan, NanView, Slot, WeakMap, WordSlot};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

fn cell<'gc>(w: &Window<'gc>, c: u8) -> Option<(Gc<'gc, Cell<'gc>>, u32)> {
    let root = world::globals(|all| all.cells[c as usize].clone())?;
    let gc = root.get(w.m);
    let id = w.seen(gc.tag, gc.as_addr(), Kind::Cell);
    world::hold(w.me, REGISTERS, gc.as_addr());
    Some((gc, id))
}

/// Operations on cells. One ends where the trace of what it shades panics: before it has written anything, or after.
pub(super) fn cells(w: &mut Window<'_>, op: Op) {
    // Any other panic is a failure of the run, and does not come here.
    if catch_unwind(AssertUnwindSafe(|| cell_operation(w, op))).is_err() {
        sched::tell(|| "the operation has ended with the panic of a trace".to_owned());
    }
}

fn cell_operation(w: &mut Window<'_>, op: Op) {
    match op {
        Op::Fuse { c, inside, n } => {
            let Some((_, id)) = cell(w, c) else { return };
            world::light(id, inside, n);
        }
        Op::NewCell { c, r } => {
            let tag = world::create(Kind::Cell);
            let (id, value) = (tag.id().unwrap_or(0), w.get(r));
            for i in 0..CELL as u8 {
                world::write(id, Place::Entry(i), if i == 0 { id_of(value) } else { 0 }, w.me);
            }
            let mut list = [None; CELL];
            list[0] = value.map(|(gc, _)| gc);
            let [outer, inner] = [false, true].map(|inside| Fuse { tag, inside });
            let list = Lock::new(Contents { fuse: inner, list });
            let gc = w.m.alloc(Cell { tag, witness: Witness(tag), fuse: outer, list });
            world::place(id, gc.as_addr());
            let root = Rc::new(gc.root(w.m));
            drop(world::globals(|all| all.cells[c as usize].replace(root)));
        }
        Op::CellSet { c, i, r, forget } => {
            let Some((cell, id)) = cell(w, c) else { return };
            let value = w.get(r);
            let Some(mut guard) = cell.get().list.try_write(w.m) else { return };
            world::write(id, Place::Entry(i), id_of(value), w.me);
            guard.list[i as usize] = value.map(|(gc, _)| gc);
            if forget {
                std::mem::forget(guard);
            }
        }
        Op::CellTake { c, i, r } => {
            let Some((cell, id)) = cell(w, c) else { return };
            let Some(mut guard) = cell.get().list.try_write(w.m) else { return };
            let value = w.see(guard.list[i as usize]);
            world::read(id, Place::Entry(i), id_of(value), w.me);
            world::write(id, Place::Entry(i), 0, w.me);
            guard.list[i as usize] = None;
            w.set(r, value);
        }
        Op::CellGet { c, i, r } => {
            let Some((cell, id)) = cell(w, c) else { return };
            let Some(guard) = cell.get().list.try_read(w.m) else { return };
            let value = w.see(guard.list[i as usize]);
            world::read(id, Place::Entry(i), id_of(value), w.me);
            w.set(r, value);
        }
        _ => {}
    }
}

/// Operations on tables.
pub(super) fn tables(w: &mut Window<'_>, op: Op) {
    match op {
        Op::NewTable { c } => return new_table(w, c, world::create(Kind::Table), WeakMap::new()),
        Op::MoveMap { c, d } => return move_map(w, c, d),
        _ => {}
    }
    let (Op::MapInsert { c, r, leaf, .. } | Op::MapGet { c, r, leaf, .. }) = op else { return };
    let Some(root) = world::globals(|all| all.tables[c as usize].clone()) else { return };
    let Some(key) = w.get(r) else { return };
    let table = root.get(w.m);
    let id = w.seen(table.tag, table.as_addr(), Kind::Table);
    let small = if leaf { w.see_leaf(key) } else { None };
    if leaf && small.is_none() {
        return;
    }
    world::hold(w.me, REGISTERS + 1, small.map_or(0, Gc::as_addr));
    let key_id = small.map_or(key.1, |leaf| leaf.tag.id().unwrap_or(0));
    world::hold(w.me, REGISTERS, table.as_addr());
    let table = table.get();
    let Some(nodes) = table.nodes.try_write(w.m) else { return };
    match op {
        Op::MapInsert { s, .. } => {
            let Some((value, value_id)) = w.get(s) else { return };
            world::write(id, Place::Value(key_id), value_id, w.me);
            match small {
                Some(leaf) => table.leaves.insert(w.m, leaf, value),
                None => nodes.insert(w.m, key.0, value),
            };
        }
        Op::MapGet { s, remove, .. } => {
            if remove {
                world::write(id, Place::Value(key_id), 0, w.me);
            }
            let value = match (small, remove) {
                (Some(leaf), false) => table.leaves.get(w.m, leaf),
                (Some(leaf), true) => table.leaves.remove(w.m, leaf),
                (None, false) => nodes.get(w.m, key.0),
                (None, true) => nodes.remove(w.m, key.0),
            };
            let value = w.see(value);
            if value.is_some() || !remove {
                world::read_value(id, key_id, id_of(value), w.me, remove);
            }
            w.set(s, value);
        }
        _ => {}
    }
}

type Nodes<'gc> = WeakMap<'gc, Node<'gc>, Node<'gc>>;

fn new_table<'gc>(w: &Window<'gc>, c: u8, tag: Tag, nodes: Nodes<'gc>) {
    let table = Table { tag, witness: Witness(tag), leaves: WeakMap::new(), nodes: Lock::new(nodes) };
    let gc = w.m.alloc(table);
    world::place(tag.id().unwrap_or(0), gc.as_addr());
    let root = Rc::new(gc.root(w.m));
    drop(world::globals(|all| all.tables[c as usize].replace(root)));
}

fn move_map(w: &Window<'_>, c: u8, d: u8) {
    let Some(root) = world::globals(|all| all.tables[c as usize].clone()) else { return };
    let table = root.get(w.m);
    let id = w.seen(table.tag, table.as_addr(), Kind::Table);
    world::hold(w.me, REGISTERS, table.as_addr());
    let Some(mut nodes) = table.get().nodes.try_write(w.m) else { return };
    let moves = (d as usize) < HOLDERS;
    let tag = moves.then(|| world::create(Kind::Table));
    world::move_values(id, tag.and_then(|tag| tag.id()), w.me);
    let map = std::mem::take(&mut *nodes);
    drop(nodes);
    if let Some(tag) = tag {
        new_table(w, d, tag, map);
    }
}

fn row<'gc>(w: &Window<'gc>, c: u8) -> Option<(Gc<'gc, Row<'gc>>, u32)> {
    let root = world::globals(|all| all.rows[c as usize].clone())?;
    let gc = root.get(w.m);
    Some((gc, w.seen(gc.tag, gc.as_addr(), Kind::Row)))
}

/// Operations on rows.
pub(super) fn rows(w: &mut Window<'_>, op: Op) {
    match op {
        Op::NewRow { c, r } => {
            let tag = world::create(Kind::Row);
            let (id, value) = (tag.id().unwrap_or(0), w.get(r));
            world::write(id, Place::Row, id_of(value), w.me);
            world::write(id, Place::Row, 0, w.me);
            let first = value.map(|(gc, _)| gc);
            let slots = w.m.alloc_array(ROW, |i| Slot::new(first.filter(|_| i == 0)));
            world::place_array(id, slots.as_addr());
            let gc = w.m.alloc(Row { tag, slots });
            world::place(id, gc.as_addr());
            let root = Rc::new(gc.root(w.m));
            drop(world::globals(|all| all.rows[c as usize].replace(root)));
        }
        Op::RowSet { c, i, r } => {
            let Some((row, id)) = row(w, c) else { return };
            let value = w.get(r);
            world::write(id, Place::Row, id_of(value), w.me);
            row.slots.get()[i as usize].store(w.m, value.map(|(gc, _)| gc));
        }
        Op::RowGet { c, i, r } => {
            let Some((row, id)) = row(w, c) else { return };
            let value = w.see(row.slots.get()[i as usize].load(w.m));
            world::read(id, Place::Row, id_of(value), w.me);
            w.set(r, value);
        }
        _ => {}
    }
}

/// Operations on rows, in bulk.
pub(super) fn rows_in_bulk(w: &mut Window<'_>, op: Op) {
    match op {
        Op::RowShift { c } => {
            let Some((row, _)) = row(w, c) else { return };
            row.slots.copy_within(w.m, 1..ROW, 0);
        }
        Op::RowFill { c, r } => {
            let Some((row, id)) = row(w, c) else { return };
            let value = w.get(r);
            world::write(id, Place::Row, id_of(value), w.me);
            row.slots.fill(w.m, value.map(|(gc, _)| gc));
        }
        Op::RowCopy { c, d } => {
            let (Some((to, _)), Some((from, _))) = (row(w, c), row(w, d)) else { return };
            to.slots.copy_from(w.m, 0, from.slots, 0..ROW);
        }
        _ => {}
    }
}

/// An object of words and its number.
type WordsAt<'gc> = (Gc<'gc, Words<'gc>>, u32);

fn words_at<'gc>(w: &Window<'gc>, c: u8) -> Option<WordsAt<'gc>> {
    let root = world::globals(|all| all.words[c as usize].clone())?;
    let gc = root.get(w.m);
    world::hold(w.me, REGISTERS, gc.as_addr());
    Some((gc, w.seen(gc.tag, gc.as_addr(), Kind::Words)))
}

/// What goes into a word for a register, and the shadow's number for it: an empty one stands for a number.
fn boxed<'gc>(register: Register<'gc>) -> (Value<'gc>, u32) {
    match register {
        Some((gc, id)) => (Nan::object(gc), id),
        None => {
            let number = world::number();
            (Nan::int(number as i32), number)
        }
    }
}

/// What was in a word, and the shadow's number for it.
fn unboxed<'gc>(w: &Window<'gc>, value: Value<'gc>) -> (Register<'gc>, u32) {
    match value.view() {
        NanView::Object(gc) => {
            let node = w.see(Some(gc));
            (node, id_of(node))
        }
        NanView::Int(number) => (None, number as u32),
        _ => sched::fail(format!("a word holds {value:?}, which nobody has written")),
    }
}

fn word<'gc>(w: &Window<'gc>, (words, id): WordsAt<'gc>, i: u8) -> (Register<'gc>, Value<'gc>) {
    let value = words.get().slots[i as usize].load(w.m);
    let (node, named) = unboxed(w, value);
    world::read(id, Place::Word(i), named, w.me);
    (node, value)
}

/// Writes a word; what it held.
fn put<'gc>(w: &Window<'gc>, of: WordsAt<'gc>, i: u8, new: Register<'gc>, how: How) -> Register<'gc> {
    let slot = &of.0.get().slots[i as usize];
    let before = (how != How::Swap).then(|| word(w, of, i));
    let (value, named) = boxed(new);
    let held = before.and_then(|(node, _)| node);
    world::hold(w.me, REGISTERS + 1, held.map_or(0, |(gc, _)| gc.as_addr()));
    world::write(of.1, Place::Word(i), named, w.me);
    let old = match (how, before) {
        (How::Store, _) => {
            slot.store(w.m, value);
            sched::tell(|| format!("has stored {} in words{}[{i}]", world::shown(named), of.1));
            return held;
        }
        (How::Exchange, Some((_, current))) => {
            slot.compare_exchange(w.m, current, value).unwrap_or_else(|found| found)
        }
        _ => slot.swap(w.m, value),
    };
    let (node, old) = unboxed(w, old);
    sched::tell(|| {
        let (old, new) = (world::shown(old), world::shown(named));
        format!("has swapped words{}[{i}]: old {old}, new {new}", of.1)
    });
    world::swapped(of.1, Place::Word(i), old, w.me);
    node
}

/// Operations on words.
pub(super) fn words(w: &mut Window<'_>, op: Op) {
    match op {
        Op::NewWords { c, r } => {
            let tag = world::create(Kind::Words);
            let id = tag.id().unwrap_or(0);
            let values = [w.get(r), w.get(NONE)].map(boxed);
            for (i, &(_, named)) in values.iter().enumerate() {
                world::write(id, Place::Word(i as u8), named, w.me);
            }
            let gc = w.m.alloc(Words { tag, slots: values.map(|(value, _)| WordSlot::new(value)) });
            world::place(id, gc.as_addr());
            let root = Rc::new(gc.root(w.m));
            drop(world::globals(|all| all.words[c as usize].replace(root)));
        }
        Op::WordSet { c, i, r, how } => {
            let Some(of) = words_at(w, c) else { return };
            put(w, of, i, w.get(r), how);
        }
        Op::WordGet { c, i, r } => {
            let Some(of) = words_at(w, c) else { return };
            let (node, _) = word(w, of, i);
            w.set(r, node);
        }
        Op::WordTake { c, i, r, how } => {
            let Some(of) = words_at(w, c) else { return };
            let node = put(w, of, i, None, how);
            w.set(r, node);
        }
        _ => {}
    }
}

/// Reads every word there is.
pub(super) fn look_at_words(w: &Window<'_>) {
    for of in (0..HOLDERS as u8).filter_map(|c| words_at(w, c)) {
        (0..WORDS as u8).for_each(|i| _ = word(w, of, i));
    }
}
