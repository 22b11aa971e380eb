//! What the operations do, on the heap and on the shadow.

use crate::program::{Field, How, Op, REGISTERS};
use crate::sched;
use crate::types::{CELL, Cell, Leaf, Node, ROW, Row, Table, Tag};
use crate::world::{self, Kind, Place, WeakOn};
use greyset::{Gc, Heap, Lock, Mutator, Slot, WeakMap};
use std::cell::RefCell;
use std::rc::Rc;

/// A register: the object and its number.
type Register<'gc> = Option<(Gc<'gc, Node<'gc>>, u32)>;

/// Runs a mutator's operations.
pub fn mutator(heap: &Heap, me: usize, ops: &[Op]) {
    let mut handle = heap.mutator_named("sim");
    let mut at = 0;
    while at < ops.len() {
        let end = handle.enter(|m| {
            loop {
                let end = Window { m: &*m, me, registers: [None; REGISTERS] }.run(ops, &mut at);
                world::release(me);
                match end {
                    Some(Op::Safepoint) => m.safepoint(),
                    Some(Op::Block) => m.blocking(sched::wait),
                    Some(Op::Collect) => m.collect(),
                    other => return other,
                }
            }
        });
        if end == Some(Op::Reattach) {
            drop(handle);
            handle = heap.mutator_named("sim");
        }
    }
}

/// An open window.
struct Window<'gc> {
    m: &'gc Mutator,
    me: usize,
    registers: [Register<'gc>; REGISTERS],
}

impl<'gc> Window<'gc> {
    /// Runs operations until one ends the window, which it returns.
    fn run(mut self, ops: &[Op], at: &mut usize) -> Option<Op> {
        while let Some(&op) = ops.get(*at) {
            *at += 1;
            sched::tell(|| format!("{op:?}"));
            if op.ends_window() {
                return Some(op);
            }
            self.perform(op);
        }
        None
    }

    fn get(&self, r: u8) -> Register<'gc> {
        self.registers.get(r as usize).copied().flatten()
    }

    fn set(&mut self, r: u8, value: Register<'gc>) {
        self.registers[r as usize] = value;
        world::hold(self.me, r as usize, value.map_or(0, |(gc, _)| gc.as_addr()));
        sched::tell(|| format!("r{r} = {}", show(value)));
    }

    /// A value on its way.
    fn carry(&self, value: Register<'gc>) {
        world::hold(self.me, REGISTERS, value.map_or(0, |(gc, _)| gc.as_addr()));
    }

    fn see(&self, gc: Option<Gc<'gc, Node<'gc>>>) -> Register<'gc> {
        gc.map(|gc| (gc, self.seen(gc.tag, gc.as_addr(), Kind::Node)))
    }

    /// As [`world::seen`], and the slot must not be Free.
    fn seen(&self, tag: Tag, addr: usize, kind: Kind) -> u32 {
        let id = world::seen(tag, addr, kind);
        if !self.m.is_allocated(addr) {
            sched::fail(format!("object {id} has been freed and is seen again"));
        }
        id
    }

    fn new_node(&self, a: Register<'gc>, b: Register<'gc>, leaf: bool) -> (Gc<'gc, Node<'gc>>, u32) {
        let leaf = leaf.then(|| self.new_leaf());
        let tag = world::create(Kind::Node);
        let id = tag.id().unwrap_or(0);
        world::write(id, Place::A, id_of(a), self.me);
        world::write(id, Place::B, id_of(b), self.me);
        world::write(id, Place::Leaf, leaf.map_or(0, |leaf| leaf.tag.id().unwrap_or(0)), self.me);
        let slot = |value: Register<'gc>| Slot::new(value.map(|(gc, _)| gc));
        world::hold(self.me, REGISTERS + 1, leaf.map_or(0, Gc::as_addr));
        let gc = self.m.alloc(Node { tag, a: slot(a), b: slot(b), leaf: Slot::new(leaf) });
        world::place(id, gc.as_addr());
        sched::tell(|| format!("object {id} = Node {{ a: {}, b: {} }} at {:#x}", id_of(a), id_of(b), gc.as_addr()));
        (gc, id)
    }

    fn new_leaf(&self) -> Gc<'gc, Leaf> {
        let tag = world::create(Kind::Leaf);
        let gc = self.m.alloc(Leaf { tag });
        world::place(tag.id().unwrap_or(0), gc.as_addr());
        gc
    }

    fn slot(node: Gc<'gc, Node<'gc>>, field: Field) -> &'gc Slot<'gc, Node<'gc>> {
        match field {
            Field::A => &node.get().a,
            Field::B => &node.get().b,
        }
    }

    /// Loads a slot of a node.
    fn load(&self, of: (Gc<'gc, Node<'gc>>, u32), field: Field) -> Register<'gc> {
        let value = self.see(Window::slot(of.0, field).load(self.m));
        world::read(of.1, place(field), id_of(value), self.me);
        value
    }

    /// Writes a slot of a node; what it held, unless it was stored to.
    fn store(&self, of: (Gc<'gc, Node<'gc>>, u32), field: Field, new: Register<'gc>, how: How) -> Register<'gc> {
        let slot = Window::slot(of.0, field);
        let value = new.map(|(gc, _)| gc);
        let before = if how == How::Swap { None } else { self.load(of, field) };
        world::hold(self.me, REGISTERS + 1, before.map_or(0, |(gc, _)| gc.as_addr()));
        world::write(of.1, place(field), id_of(new), self.me);
        let old = match how {
            How::Store => {
                slot.store(self.m, value);
                return before;
            }
            How::Swap => slot.swap(self.m, value),
            How::Exchange => {
                let current = before.map(|(gc, _)| gc);
                slot.compare_exchange(self.m, current, value).unwrap_or_else(|found| found)
            }
        };
        self.see(old)
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::New { .. } | Op::Garbage { .. } | Op::Load { .. } | Op::Store { .. } | Op::Hide { .. } | Op::Cut { .. } => {
                self.slots(op);
            }
            Op::Root { .. } | Op::FromRoot { .. } | Op::Unroot { .. } | Op::CloneRoot { .. } => self.roots(op),
            Op::Weaken { .. } | Op::Upgrade { .. } | Op::Duplicate { .. } => self.weaks(op),
            Op::WeakenLeaf { .. } | Op::UpgradeLeaf { .. } | Op::SetLeaf { .. } => self.leaves(op),
            Op::NewCell { .. } | Op::CellSet { .. } | Op::CellGet { .. } | Op::CellTake { .. } => self.cells(op),
            Op::NewTable { .. } | Op::MapInsert { .. } | Op::MapGet { .. } => self.tables(op),
            Op::NewRow { .. } | Op::RowSet { .. } | Op::RowGet { .. } => self.rows(op),
            Op::RowShift { .. } | Op::RowFill { .. } | Op::RowCopy { .. } => self.rows_in_bulk(op),
            Op::InnerRoot { .. } | Op::FromInner { .. } => self.inner(op),
            Op::Finalize { .. } | Op::Poll { .. } | Op::Cleanup { .. } => self.finals(op),
            Op::Request => self.m.heap().request_cycle(),
            Op::Safepoint | Op::Block | Op::Leave | Op::Reattach | Op::Collect => {}
        }
        self.carry(None);
        world::hold(self.me, REGISTERS + 1, 0);
    }

    fn slots(&mut self, op: Op) {
        match op {
            Op::New { r, a, b, leaf } => {
                let node = self.new_node(self.get(a), self.get(b), leaf);
                self.set(r, Some(node));
            }
            Op::Garbage { n } => (0..n).for_each(|_| {
                let _ = self.new_node(None, None, false);
            }),
            Op::Load { r, s, field } => {
                if let Some(of) = self.get(s) {
                    let value = self.load(of, field);
                    self.set(r, value);
                }
            }
            Op::Store { r, field, s, how } => {
                if let Some(of) = self.get(r) {
                    self.store(of, field, self.get(s), how);
                }
            }
            Op::Hide { s, field, how, g } => {
                let Some(of) = self.get(s) else { return };
                let hidden = self.store(of, field, None, how);
                self.carry(hidden);
                let node = self.new_node(hidden, None, false);
                let root = Rc::new(node.0.root(self.m));
                drop(world::globals(|all| all.roots[g as usize].replace(root)));
            }
            Op::Cut { r, s, field, how } => {
                let Some(of) = self.get(s) else { return };
                let old = self.store(of, field, None, how);
                self.set(r, old);
            }
            _ => {}
        }
    }

    fn roots(&mut self, op: Op) {
        match op {
            Op::Root { r, g } => {
                let Some((gc, _)) = self.get(r) else { return };
                let root = Rc::new(gc.root(self.m));
                drop(world::globals(|all| all.roots[g as usize].replace(root)));
            }
            Op::FromRoot { r, g } => {
                let root = world::globals(|all| all.roots[g as usize].clone());
                let value = self.see(root.as_ref().map(|root| root.get(self.m)));
                self.set(r, value);
                drop(root);
            }
            Op::Unroot { g, far } => {
                let root = world::globals(|all| {
                    let root = all.roots[g as usize].take();
                    if far {
                        all.far.extend(root);
                        return None;
                    }
                    root
                });
                drop(root);
            }
            Op::CloneRoot { g, h } => {
                let Some(root) = world::globals(|all| all.roots[g as usize].clone()) else { return };
                let clone = Rc::new((*root).clone());
                drop(world::globals(|all| all.roots[h as usize].replace(clone)));
                drop(root);
            }
            _ => {}
        }
    }

    /// Whether this mutator pointed the handle, last of all, at something that is in its registers.
    fn last_held(&self, weak: &WeakOn<Node<'static>>) -> bool {
        let last = weak.targets.borrow().last().copied();
        let Some((id, by)) = last else { return false };
        weak.tells && by == self.me && self.registers.iter().flatten().any(|&(_, held)| held == id)
    }

    fn weaks(&mut self, op: Op) {
        match op {
            Op::Weaken { r, w, set } => {
                let Some((gc, id)) = self.get(r) else { return };
                let old = world::globals(|all| all.weaks[w as usize].clone());
                let old = old.filter(|old| old.tells);
                if let Some(old) = old.filter(|_| set) {
                    old.targets.borrow_mut().push((id, self.me));
                    old.handle.set(self.m, Some(gc));
                    return;
                }
                let handle = gc.downgrade(self.m);
                let new = Rc::new(WeakOn { handle, targets: RefCell::new(vec![(id, self.me)]), tells: true });
                drop(world::globals(|all| all.weaks[w as usize].replace(new)));
            }
            Op::Upgrade { r, w } => {
                let Some(weak) = world::globals(|all| all.weaks[w as usize].clone()) else { return };
                let value = self.see(weak.handle.upgrade(self.m));
                judge(&weak, id_of(value), self.last_held(&weak));
                self.set(r, value);
            }
            Op::Duplicate { w, v } => {
                let Some(weak) = world::globals(|all| all.weaks[w as usize].clone()) else { return };
                let handle = weak.handle.duplicate(self.m);
                let targets = RefCell::new(weak.targets.borrow().clone());
                let new = Rc::new(WeakOn { handle, targets, tells: false });
                drop(world::globals(|all| all.weaks[v as usize].replace(new)));
            }
            _ => {}
        }
    }

    fn see_leaf(&self, of: (Gc<'gc, Node<'gc>>, u32)) -> Option<Gc<'gc, Leaf>> {
        let leaf = of.0.get().leaf.load(self.m);
        let id = leaf.map_or(0, |leaf| self.seen(leaf.tag, leaf.as_addr(), Kind::Leaf));
        world::read(of.1, Place::Leaf, id, self.me);
        leaf
    }

    fn leaves(&mut self, op: Op) {
        match op {
            Op::WeakenLeaf { r, w } => {
                let Some(leaf) = self.get(r).and_then(|of| self.see_leaf(of)) else { return };
                let targets = RefCell::new(vec![(leaf.tag.id().unwrap_or(0), self.me)]);
                world::hold(self.me, REGISTERS + 1, leaf.as_addr());
                let new = Rc::new(WeakOn { handle: leaf.downgrade(self.m), targets, tells: true });
                drop(world::globals(|all| all.leaves[w as usize].replace(new)));
            }
            Op::UpgradeLeaf { r, w } => {
                let Some(of) = self.get(r) else { return };
                let Some(weak) = world::globals(|all| all.leaves[w as usize].clone()) else { return };
                let leaf = weak.handle.upgrade(self.m);
                let id = leaf.map_or(0, |leaf| self.seen(leaf.tag, leaf.as_addr(), Kind::Leaf));
                judge(&weak, id, false);
                world::hold(self.me, REGISTERS + 1, leaf.map_or(0, Gc::as_addr));
                world::write(of.1, Place::Leaf, id, self.me);
                of.0.get().leaf.store(self.m, leaf);
            }
            Op::SetLeaf { r, new } => {
                let Some(of) = self.get(r) else { return };
                let leaf = new.then(|| self.new_leaf());
                world::write(of.1, Place::Leaf, leaf.map_or(0, |leaf| leaf.tag.id().unwrap_or(0)), self.me);
                of.0.get().leaf.store(self.m, leaf);
            }
            _ => {}
        }
    }

    fn cell(&self, c: u8) -> Option<(Gc<'gc, Cell<'gc>>, u32)> {
        let root = world::globals(|all| all.cells[c as usize].clone())?;
        let gc = root.get(self.m);
        let id = self.seen(gc.tag, gc.as_addr(), Kind::Cell);
        world::hold(self.me, REGISTERS, gc.as_addr());
        Some((gc, id))
    }

    fn cells(&mut self, op: Op) {
        match op {
            Op::NewCell { c, r } => {
                let tag = world::create(Kind::Cell);
                let (id, value) = (tag.id().unwrap_or(0), self.get(r));
                for i in 0..CELL as u8 {
                    world::write(id, Place::Entry(i), if i == 0 { id_of(value) } else { 0 }, self.me);
                }
                let mut list = [None; CELL];
                list[0] = value.map(|(gc, _)| gc);
                let gc = self.m.alloc(Cell { tag, witness: crate::types::Witness(tag), list: Lock::new(list) });
                world::place(id, gc.as_addr());
                let root = Rc::new(gc.root(self.m));
                drop(world::globals(|all| all.cells[c as usize].replace(root)));
            }
            Op::CellSet { c, i, r, forget } => {
                let Some((cell, id)) = self.cell(c) else { return };
                let value = self.get(r);
                let Some(mut list) = cell.get().list.try_write(self.m) else { return };
                world::write(id, Place::Entry(i), id_of(value), self.me);
                list[i as usize] = value.map(|(gc, _)| gc);
                if forget {
                    std::mem::forget(list);
                }
            }
            Op::CellTake { c, i, r } => {
                let Some((cell, id)) = self.cell(c) else { return };
                let Some(mut list) = cell.get().list.try_write(self.m) else { return };
                let value = self.see(list[i as usize]);
                world::read(id, Place::Entry(i), id_of(value), self.me);
                world::write(id, Place::Entry(i), 0, self.me);
                list[i as usize] = None;
                self.set(r, value);
            }
            Op::CellGet { c, i, r } => {
                let Some((cell, id)) = self.cell(c) else { return };
                let Some(list) = cell.get().list.try_read(self.m) else { return };
                let value = self.see(list[i as usize]);
                world::read(id, Place::Entry(i), id_of(value), self.me);
                self.set(r, value);
            }
            _ => {}
        }
    }

    fn tables(&mut self, op: Op) {
        if let Op::NewTable { c } = op {
            let tag = world::create(Kind::Table);
            let (leaves, nodes, witness) = (WeakMap::new(), Lock::new(WeakMap::new()), crate::types::Witness(tag));
            let gc = self.m.alloc(Table { tag, witness, leaves, nodes });
            world::place(tag.id().unwrap_or(0), gc.as_addr());
            let root = Rc::new(gc.root(self.m));
            return drop(world::globals(|all| all.tables[c as usize].replace(root)));
        }
        let (Op::MapInsert { c, r, leaf, .. } | Op::MapGet { c, r, leaf, .. }) = op else { return };
        let Some(root) = world::globals(|all| all.tables[c as usize].clone()) else { return };
        let Some(key) = self.get(r) else { return };
        let table = root.get(self.m);
        let id = self.seen(table.tag, table.as_addr(), Kind::Table);
        let small = if leaf { self.see_leaf(key) } else { None };
        if leaf && small.is_none() {
            return;
        }
        world::hold(self.me, REGISTERS + 1, small.map_or(0, Gc::as_addr));
        let key_id = small.map_or(key.1, |leaf| leaf.tag.id().unwrap_or(0));
        world::hold(self.me, REGISTERS, table.as_addr());
        let table = table.get();
        let Some(nodes) = table.nodes.try_write(self.m) else { return };
        match op {
            Op::MapInsert { s, .. } => {
                let Some((value, value_id)) = self.get(s) else { return };
                world::write(id, Place::Value(key_id), value_id, self.me);
                match small {
                    Some(leaf) => table.leaves.insert(self.m, leaf, value),
                    None => nodes.insert(self.m, key.0, value),
                };
            }
            Op::MapGet { s, remove, .. } => {
                if remove {
                    world::write(id, Place::Value(key_id), 0, self.me);
                }
                let value = match (small, remove) {
                    (Some(leaf), false) => table.leaves.get(self.m, leaf),
                    (Some(leaf), true) => table.leaves.remove(self.m, leaf),
                    (None, false) => nodes.get(self.m, key.0),
                    (None, true) => nodes.remove(self.m, key.0),
                };
                let value = self.see(value);
                if value.is_some() || !remove {
                    world::read_value(id, key_id, id_of(value), self.me, remove);
                }
                self.set(s, value);
            }
            _ => {}
        }
    }

    fn row(&self, c: u8) -> Option<(Gc<'gc, Row<'gc>>, u32)> {
        let root = world::globals(|all| all.rows[c as usize].clone())?;
        let gc = root.get(self.m);
        Some((gc, self.seen(gc.tag, gc.as_addr(), Kind::Row)))
    }

    fn rows(&mut self, op: Op) {
        match op {
            Op::NewRow { c, r } => {
                let tag = world::create(Kind::Row);
                let (id, value) = (tag.id().unwrap_or(0), self.get(r));
                world::write(id, Place::Row, id_of(value), self.me);
                world::write(id, Place::Row, 0, self.me);
                let first = value.map(|(gc, _)| gc);
                let slots = self.m.alloc_array(ROW, |i| Slot::new(first.filter(|_| i == 0)));
                let gc = self.m.alloc(Row { tag, slots });
                world::place(id, gc.as_addr());
                let root = Rc::new(gc.root(self.m));
                drop(world::globals(|all| all.rows[c as usize].replace(root)));
            }
            Op::RowSet { c, i, r } => {
                let Some((row, id)) = self.row(c) else { return };
                let value = self.get(r);
                world::write(id, Place::Row, id_of(value), self.me);
                row.slots.get()[i as usize].store(self.m, value.map(|(gc, _)| gc));
            }
            Op::RowGet { c, i, r } => {
                let Some((row, id)) = self.row(c) else { return };
                let value = self.see(row.slots.get()[i as usize].load(self.m));
                world::read(id, Place::Row, id_of(value), self.me);
                self.set(r, value);
            }
            _ => {}
        }
    }

    fn rows_in_bulk(&mut self, op: Op) {
        match op {
            Op::RowShift { c } => {
                let Some((row, _)) = self.row(c) else { return };
                row.slots.copy_within(self.m, 1..ROW, 0);
            }
            Op::RowFill { c, r } => {
                let Some((row, id)) = self.row(c) else { return };
                let value = self.get(r);
                world::write(id, Place::Row, id_of(value), self.me);
                row.slots.fill(self.m, value.map(|(gc, _)| gc));
            }
            Op::RowCopy { c, d } => {
                let (Some((to, _)), Some((from, _))) = (self.row(c), self.row(d)) else { return };
                to.slots.copy_from(self.m, 0, from.slots, 0..ROW);
            }
            _ => {}
        }
    }

    fn inner(&mut self, op: Op) {
        match op {
            Op::InnerRoot { c, r } => {
                let Some((gc, id)) = self.get(r) else { return };
                let part: Gc<'gc, Slot<'gc, Node<'gc>>> = gc.project(|node| &node.a);
                let root = Rc::new(part.root(self.m));
                drop(world::globals(|all| all.inner[c as usize].replace((root, id))));
            }
            Op::FromInner { c, r } => {
                let Some((root, id)) = world::globals(|all| all.inner[c as usize].clone()) else { return };
                let value = self.see(root.get(self.m).load(self.m));
                world::read(id, Place::A, id_of(value), self.me);
                self.set(r, value);
            }
            _ => {}
        }
    }

    fn finals(&mut self, op: Op) {
        let Some(queue) = world::globals(|all| all.queue.clone()) else { return };
        match op {
            Op::Finalize { r } => {
                let Some((gc, id)) = self.get(r) else { return };
                world::finalizable(id);
                queue.register(self.m, gc);
            }
            Op::Poll { r } => {
                let Some(root) = queue.poll() else { return };
                let value = self.see(Some(root.get(self.m)));
                world::finalized(id_of(value));
                self.set(r, value);
            }
            Op::Cleanup { r } => {
                let Some((gc, id)) = self.get(r) else { return };
                world::cleanup(id);
                drop(self.m.add_cleanup(gc, world::cleaned, id));
            }
            _ => {}
        }
    }
}

/// What an upgrade gave must be a target of the handle. Nothing says that the target is dead if there was only one, and is wrong
/// if this mutator has pointed the handle, last of all, at something that it holds.
fn judge<F: greyset::Managed>(weak: &WeakOn<F>, id: u32, held: bool) {
    let targets = weak.targets.borrow().clone();
    match (id, targets.as_slice()) {
        (0, _) if held => sched::fail(format!("a weak handle on {targets:?} is cleared, and its target is held")),
        (0, &[(only, _)]) if weak.tells => world::cleared(only),
        (0, _) => {}
        (id, targets) if targets.iter().any(|target| target.0 == id) => {}
        (id, targets) => sched::fail(format!("a weak handle on {targets:?} gives object {id}")),
    }
}

fn place(field: Field) -> Place {
    match field {
        Field::A => Place::A,
        Field::B => Place::B,
    }
}

fn id_of(register: Register<'_>) -> u32 {
    register.map_or(0, |(_, id)| id)
}

fn show(register: Register<'_>) -> String {
    match register {
        Some((gc, id)) => format!("object {id} at {:#x}", gc.as_addr()),
        None => "none".to_owned(),
    }
}

/// Makes what a program starts from.
pub fn prepare(heap: &Heap, ops: &[Op]) {
    let mut handle = heap.mutator_named("sim");
    handle.enter(|m| {
        let mut window = Window { m: &*m, me: 0, registers: [None; REGISTERS] };
        ops.iter().for_each(|&op| window.perform(op));
        world::release(0);
    });
}

/// Follows every root and looks at every node.
pub fn walk(heap: &Heap) {
    let mut handle = heap.mutator_named("sim");
    handle.enter(|m| {
        let window = Window { m: &*m, me: 0, registers: [None; REGISTERS] };
        let mut list = Vec::new();
        for root in world::globals(|all| all.roots.clone()).iter().flatten() {
            list.extend(window.see(Some(root.get(&*m))));
        }
        let mut seen = std::collections::HashSet::new();
        while let Some(node) = list.pop() {
            if seen.insert(node.1) {
                list.extend(window.load(node, Field::A));
                list.extend(window.load(node, Field::B));
                window.see_leaf(node);
            }
        }
    });
}
