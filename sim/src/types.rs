//! What the simulated programs put into the heap. Every object carries a canary and its number.

use crate::world;
use greyset::{Array, Gc, Lock, Nan, Shape, Shaped, Slot, Trace, Tracer, WeakMap, WordSlot};
use std::panic;

/// Objects of a cell.
pub const CELL: usize = 3;
/// Slots of a row.
pub const ROW: usize = 4;
/// Words of an object of words.
pub const WORDS: usize = 2;

const MAGIC: u64 = 0x6772_6579_7365_7421;

/// Canary and number.
#[derive(Trace, Clone, Copy, Debug)]
pub struct Tag {
    magic: u64,
    id: u32,
}

impl Tag {
    /// For object `id`.
    pub fn new(id: u32) -> Tag {
        Tag { magic: MAGIC ^ u64::from(id).rotate_left(40), id }
    }

    /// The number, if the canary is right.
    pub fn id(&self) -> Option<u32> {
        (self.magic == Tag::new(self.id).magic).then_some(self.id)
    }
}

/// The common object: two slots and a leaf. No drop glue, so mutators sweep it.
#[derive(Trace)]
pub struct Node<'gc> {
    /// Who it is.
    pub tag: Tag,
    /// A slot.
    pub a: Slot<'gc, Node<'gc>>,
    /// Another.
    pub b: Slot<'gc, Node<'gc>>,
    /// A leaf.
    pub leaf: Slot<'gc, Leaf>,
}

/// An object without references.
#[derive(Trace)]
pub struct Leaf {
    /// Who it is.
    pub tag: Tag,
}

/// Panics when it is traced, if the program has lit it.
pub struct Fuse {
    /// Of which object.
    pub tag: Tag,
    /// Whether it lies behind the object's lock.
    pub inside: bool,
}

/// What a fuse panics with.
struct Blown;

// SAFETY: holds no reference, is `Send + Sync`, borrows nothing.
unsafe impl<'gc> Trace<'gc> for Fuse {
    fn trace(&self, _: &mut Tracer<'gc>) {
        if world::burn(self.tag, self.inside) {
            // No panic hook is called: there a panic is a failure of the run.
            panic::resume_unwind(Box::new(Blown));
        }
    }
}

// SAFETY: a call covers everything.
unsafe impl<'gc> Shaped<'gc> for Fuse {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = 91;
}

/// What lies behind the lock of a cell.
#[derive(Trace)]
pub struct Contents<'gc> {
    /// Before the references: when it panics none of them is reported.
    pub fuse: Fuse,
    /// The references.
    pub list: [Option<Gc<'gc, Node<'gc>>>; CELL],
}

/// A guarded cell, with drop glue.
#[derive(Trace)]
pub struct Cell<'gc> {
    /// Who it is.
    pub tag: Tag,
    /// Says when it is dropped.
    #[trace(skip)]
    pub witness: Witness,
    /// Panics before anything behind the lock is reported.
    pub fuse: Fuse,
    /// What is in it.
    pub list: Lock<'gc, Contents<'gc>>,
}

/// An ephemeron table, with drop glue.
#[derive(Trace)]
pub struct Table<'gc> {
    /// Who it is.
    pub tag: Tag,
    /// Says when it is dropped.
    #[trace(skip)]
    pub witness: Witness,
    /// From leaves to nodes.
    pub leaves: WeakMap<'gc, Leaf, Node<'gc>>,
    /// From nodes to nodes, under a lock: a marker that meets it taken has to come back.
    pub nodes: Lock<'gc, WeakMap<'gc, Node<'gc>, Node<'gc>>>,
}

/// An array of slots, behind an object that says who it is.
#[derive(Trace)]
pub struct Row<'gc> {
    /// Who it is.
    pub tag: Tag,
    /// The slots.
    pub slots: Gc<'gc, Array<'gc, Slot<'gc, Node<'gc>>>>,
}

/// A reference to a node, or a number, in a word.
pub type Value<'gc> = Nan<'gc, Node<'gc>>;

/// Words that each hold a node or a number.
#[derive(Trace)]
pub struct Words<'gc> {
    /// Who it is.
    pub tag: Tag,
    /// The words.
    pub slots: [WordSlot<'gc, Value<'gc>>; WORDS],
}

/// Says when the object it is part of is dropped.
#[derive(Debug)]
pub struct Witness(pub Tag);

impl Drop for Witness {
    fn drop(&mut self) {
        world::dropped(self.0);
    }
}
