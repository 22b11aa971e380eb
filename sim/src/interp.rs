//! What the operations do, on the heap and on the shadow.

mod holders;

use crate::program::{Field, How, Op, REGISTERS, When};
use crate::sched;
use crate::types::{Leaf, Node, Tag};
use crate::world::{self, Kind, Place, WeakOn};
use greyset::{Gc, Heap, Mutator, Slot};
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
                world::open(me, m.window(), m.mode_name());
                let end = Window { m: &*m, me, registers: [None; REGISTERS] }.run(ops, &mut at);
                world::release(me);
                match end {
                    Some(Op::Safepoint) => m.safepoint(),
                    Some(Op::Block) => m.blocking(sched::wait),
                    Some(Op::Collect) => m.collect(),
                    Some(Op::Await { phase, answers }) => wait_for(m, phase, answers),
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

/// Turns that a mutator gives the others while it waits for a phase.
const PATIENCE: usize = 60;

/// Safepoints until the phase is this, and until so many handshakes have been answered in it.
fn wait_for(m: &mut Mutator, phase: When, answers: u8) {
    let mut turns = 0..PATIENCE;
    let mut until = None;
    let count = |m: &Mutator, until: &mut Option<u32>| {
        if until.is_none() && is_now(m, phase) {
            *until = Some(m.window() + u32::from(answers));
        }
    };
    loop {
        // Before the safepoint, too: what it answers may still belong to the phase before.
        count(m, &mut until);
        m.safepoint();
        count(m, &mut until);
        if until.is_some_and(|until| m.window() >= until) || turns.next().is_none() {
            return;
        }
        sched::wait();
    }
}

fn is_now(m: &Mutator, when: When) -> bool {
    [m.phase(), m.mode_name()].contains(&when.name())
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
        sched::tell(|| world::named(&format!("r{r} = {}", show(value))));
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
        sched::tell(|| {
            world::named(&format!("new {:#x}: next = {}, other = {}", gc.as_addr(), show(a), show(b)))
        });
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
    fn store(
        &self,
        of: (Gc<'gc, Node<'gc>>, u32),
        field: Field,
        new: Register<'gc>,
        how: How,
    ) -> Register<'gc> {
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
        let old = self.see(old);
        world::swapped(of.1, place(field), id_of(old), self.me);
        old
    }

    fn perform(&mut self, op: Op) {
        match op {
            Op::New { .. }
            | Op::Garbage { .. }
            | Op::Load { .. }
            | Op::Store { .. }
            | Op::Hide { .. }
            | Op::Cut { .. } => {
                self.slots(op);
            }
            Op::Root { .. } | Op::FromRoot { .. } | Op::Unroot { .. } | Op::CloneRoot { .. } => {
                self.roots(op)
            }
            Op::Weaken { .. } | Op::Upgrade { .. } | Op::Duplicate { .. } => self.weaks(op),
            Op::WeakenLeaf { .. } | Op::UpgradeLeaf { .. } | Op::SetLeaf { .. } => self.leaves(op),
            Op::NewCell { .. }
            | Op::CellSet { .. }
            | Op::CellGet { .. }
            | Op::CellTake { .. }
            | Op::Fuse { .. } => holders::cells(self, op),
            Op::NewTable { .. } | Op::MapInsert { .. } | Op::MapGet { .. } | Op::MoveMap { .. } => {
                holders::tables(self, op);
            }
            Op::NewRow { .. } | Op::RowSet { .. } | Op::RowGet { .. } => holders::rows(self, op),
            Op::NewWords { .. } | Op::WordSet { .. } | Op::WordGet { .. } | Op::WordTake { .. } => {
                holders::words(self, op);
            }
            Op::RowShift { .. } | Op::RowFill { .. } | Op::RowCopy { .. } => holders::rows_in_bulk(self, op),
            Op::InnerRoot { .. } | Op::FromInner { .. } => self.inner(op),
            Op::Finalize { .. } | Op::Poll { .. } | Op::Cleanup { .. } => self.finals(op),
            Op::Request => self.m.heap().request_cycle(),
            Op::Pause { turns } => (0..turns).for_each(|_| sched::wait()),
            Op::Linger { phase } => {
                let mut turns = 0..PATIENCE;
                while !is_now(self.m, phase) && turns.next().is_some() {
                    sched::wait();
                }
            }
            Op::Await { .. } | Op::Safepoint | Op::Block | Op::Leave | Op::Reattach | Op::Collect => {}
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
                        sched::wake(all.dropper);
                        return None;
                    }
                    root
                });
                drop(root);
            }
            Op::CloneRoot { g, h, far } => {
                let Some(root) = world::globals(|all| all.roots[g as usize].clone()) else { return };
                if far {
                    return world::globals(|all| {
                        all.copies.push((root, h));
                        sched::wake(all.dropper);
                    });
                }
                let clone = Rc::new((*root).clone());
                drop(world::globals(|all| all.roots[h as usize].replace(clone)));
                drop(root);
            }
            _ => {}
        }
    }

    /// Whether this mutator pointed the handle, last of all, at something that is in its registers and has been all the time.
    fn last_held(&self, weak: &WeakOn<Node<'static>>) -> bool {
        let last = weak.targets.borrow().last().copied();
        let Some((id, by)) = last else { return false };
        let held = self.registers.iter().flatten().any(|&(_, held)| held == id);
        held && weak.tells && by == self.me && !world::is_revived(id)
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
        (0, _) if held => {
            sched::fail(format!("a weak handle on {targets:?} is cleared, and its target is held"))
        }
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
        Some((gc, _)) => format!("{:#x}", gc.as_addr()),
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
        holders::look_at_words(&window);
        world::release(0);
    });
}
