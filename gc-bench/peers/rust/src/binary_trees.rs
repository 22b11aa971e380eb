//! `binary-trees` with every memory manager there is here.
use crate::{Clock, Memory, unknown};
use boa_gc::{Finalize, Gc as BoaGc, Trace as BoaTrace};
use bumpalo::Bump;
use dumpster::{Trace as DumpsterTrace, unsync::Gc as DumpsterGc};
use gc_arena::{Arena, Collect, Gc, Mutation, Rootable};
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::workloads::binary_trees::{Params, Tally, judge, rounds};
use std::rc::Rc;

/// A place where trees grow.
trait Forest {
    /// Builds a tree, counts its nodes and drops it.
    fn build_and_count(&mut self, depth: u32) -> u64;
    /// Builds a tree that stays.
    fn plant(&mut self, depth: u32);
    /// Counts the nodes of the tree that stays.
    fn survey(&self) -> u64;
}

pub fn run(params: &Params, memory: Memory, clock: &mut Clock) -> Result<Outcome, Failure> {
    match memory {
        Memory::Box => grow(params, clock, Boxes::default()),
        Memory::Rc => grow(params, clock, Rcs::default()),
        Memory::Bumpalo => grow(params, clock, Bumps { short: Bump::new(), long: &Bump::new(), kept: None }),
        Memory::GcArena => grow(params, clock, GcArena(Arena::new(|_| Kept { tree: None }))),
        Memory::BoaGc => grow(params, clock, BoaGcs::default()),
        Memory::Dumpster => grow(params, clock, Dumpsters::default()),
        Memory::Atomic | Memory::Thread => Err(unknown("binary-trees", memory)),
    }
}

fn grow(params: &Params, clock: &mut Clock, mut forest: impl Forest) -> Result<Outcome, Failure> {
    let Params { depth, step } = *params;
    clock.start();
    let stretch = forest.build_and_count(depth + 1);
    forest.plant(depth);
    let tallies = rounds(depth, step)
        .map(|(depth, trees)| Tally { trees, nodes: (0..trees).map(|_| forest.build_and_count(depth)).sum() })
        .collect::<Vec<_>>();
    let kept = forest.survey();
    clock.stop();
    judge(depth, step, stretch, kept, &tallies)
}

struct BoxNode {
    left: Option<Box<BoxNode>>,
    right: Option<Box<BoxNode>>,
}

struct RcNode {
    left: Option<Rc<RcNode>>,
    right: Option<Rc<RcNode>>,
}

#[derive(BoaTrace, Finalize)]
struct BoaNode {
    left: Option<BoaGc<BoaNode>>,
    right: Option<BoaGc<BoaNode>>,
}

#[derive(DumpsterTrace)]
struct DumpsterNode {
    left: Option<DumpsterGc<DumpsterNode>>,
    right: Option<DumpsterGc<DumpsterNode>>,
}

/// A forest of nodes that own their children by a pointer like `Box`.
macro_rules! forest_of {
    ($forest:ident, $node:ident, $pointer:ident) => {
        impl $node {
            fn build(depth: u32) -> $pointer<$node> {
                let child = || (depth > 0).then(|| $node::build(depth - 1));
                $pointer::new($node { left: child(), right: child() })
            }

            fn count(&self) -> u64 {
                1 + self.left.as_ref().map_or(0, |n| n.count()) + self.right.as_ref().map_or(0, |n| n.count())
            }
        }

        #[derive(Default)]
        struct $forest {
            kept: Option<$pointer<$node>>,
        }

        impl Forest for $forest {
            fn build_and_count(&mut self, depth: u32) -> u64 {
                $node::build(depth).count()
            }

            fn plant(&mut self, depth: u32) {
                self.kept = Some($node::build(depth));
            }

            fn survey(&self) -> u64 {
                self.kept.as_ref().map_or(0, |tree| tree.count())
            }
        }
    };
}

forest_of!(Boxes, BoxNode, Box);
forest_of!(Rcs, RcNode, Rc);
forest_of!(BoaGcs, BoaNode, BoaGc);
forest_of!(Dumpsters, DumpsterNode, DumpsterGc);

struct BumpNode<'a> {
    left: Option<&'a BumpNode<'a>>,
    right: Option<&'a BumpNode<'a>>,
}

impl<'a> BumpNode<'a> {
    fn build(arena: &'a Bump, depth: u32) -> &'a BumpNode<'a> {
        let child = || (depth > 0).then(|| BumpNode::build(arena, depth - 1));
        let (left, right) = (child(), child());
        arena.alloc(BumpNode { left, right })
    }

    fn count(&self) -> u64 {
        1 + self.left.map_or(0, BumpNode::count) + self.right.map_or(0, BumpNode::count)
    }
}

/// An arena for the tree that stays, and one for the others that is emptied after each.
struct Bumps<'a> {
    short: Bump,
    long: &'a Bump,
    kept: Option<&'a BumpNode<'a>>,
}

impl Forest for Bumps<'_> {
    fn build_and_count(&mut self, depth: u32) -> u64 {
        let nodes = BumpNode::build(&self.short, depth).count();
        self.short.reset();
        nodes
    }

    fn plant(&mut self, depth: u32) {
        self.kept = Some(BumpNode::build(self.long, depth));
    }

    fn survey(&self) -> u64 {
        self.kept.map_or(0, BumpNode::count)
    }
}

#[derive(Collect)]
#[collect(no_drop)]
struct ArenaNode<'gc> {
    left: Option<Gc<'gc, ArenaNode<'gc>>>,
    right: Option<Gc<'gc, ArenaNode<'gc>>>,
}

impl<'gc> ArenaNode<'gc> {
    fn build(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, ArenaNode<'gc>> {
        let child = || (depth > 0).then(|| ArenaNode::build(mc, depth - 1));
        let (left, right) = (child(), child());
        Gc::new(mc, ArenaNode { left, right })
    }

    fn count(&self) -> u64 {
        1 + self.left.map_or(0, |n| n.count()) + self.right.map_or(0, |n| n.count())
    }
}

#[derive(Collect)]
#[collect(no_drop)]
struct Kept<'gc> {
    tree: Option<Gc<'gc, ArenaNode<'gc>>>,
}

/// Collects between trees, as much as the arena says is due.
struct GcArena(Arena<Rootable![Kept<'_>]>);

impl Forest for GcArena {
    fn build_and_count(&mut self, depth: u32) -> u64 {
        let nodes = self.0.mutate(|mc, _| ArenaNode::build(mc, depth).count());
        self.0.collect_debt();
        nodes
    }

    fn plant(&mut self, depth: u32) {
        self.0.mutate_root(|mc, root| root.tree = Some(ArenaNode::build(mc, depth)));
        self.0.collect_debt();
    }

    fn survey(&self) -> u64 {
        self.0.mutate(|_, root| root.tree.map_or(0, |tree| tree.count()))
    }
}
