//! `gcbench`: the benchmark of John Ellis, Pete Kovac and Hans Boehm, in its standard sizes. A stretch tree is made and
//! dropped; a long-lived tree and a long-lived array of doubles stay; then for each depth equal work is done in trees
//! built top-down (node first, children stored into it) and bottom-up (children first). With several mutators each
//! takes its share of those trees. An operation is one node built.
//!
//! Windows stay short, as in `binary-trees`: a mutator that built a tree of depth 16 in one would answer each of a cycle's
//! handshakes a whole tree later, and all those trees would be allocated black.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::workloads::binary_trees::{WINDOW_DEPTH, nodes};
use greyset::{Array, Gc, Mutator, Root, Slot, Trace};
use serde::Serialize;
use std::time::Instant;

/// Depth of the tree that is made first and dropped.
pub const STRETCH_DEPTH: u32 = 18;
/// Depth of the tree that stays.
pub const LONG_LIVED_DEPTH: u32 = 16;
/// Numbers in the array that stays.
pub const ARRAY_LENGTH: usize = 500_000;
const MIN_DEPTH: u32 = 4;
const MAX_DEPTH: u32 = 16;

/// No parameters: the sizes are part of the benchmark.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {}

/// Two references and two integers that nobody reads, as in the original.
#[derive(Trace)]
struct Node<'gc> {
    left: Slot<'gc, Node<'gc>>,
    right: Slot<'gc, Node<'gc>>,
    _i: u32,
    _j: u32,
}

impl<'gc> Node<'gc> {
    fn new(left: Option<Gc<'gc, Node<'gc>>>, right: Option<Gc<'gc, Node<'gc>>>) -> Node<'gc> {
        Node { left: Slot::new(left), right: Slot::new(right), _i: 0, _j: 0 }
    }
}

type Tree = Root<Node<'static>>;

/// How a tree is built.
#[derive(Clone, Copy)]
enum Order {
    /// The node first; its children are stored into it.
    TopDown,
    /// Children first.
    BottomUp,
}

impl Order {
    /// A tree, in one window.
    fn make<'gc>(self, m: &'gc Mutator, depth: u32) -> Gc<'gc, Node<'gc>> {
        match self {
            Order::TopDown => {
                let node = m.alloc(Node::new(None, None));
                populate(m, depth, node);
                node
            }
            Order::BottomUp => make_bottom_up(m, depth),
        }
    }

    /// As [`Order::make`], with a safepoint after each part of at most `WINDOW_DEPTH`.
    fn plant(self, m: &mut Mutator, depth: u32) -> Tree {
        match self {
            Order::TopDown => {
                let tree = m.alloc(Node::new(None, None)).root(m);
                populate_in_windows(m, depth, &tree);
                tree
            }
            Order::BottomUp => plant_bottom_up(m, depth),
        }
    }
}

fn make_bottom_up<'gc>(m: &'gc Mutator, depth: u32) -> Gc<'gc, Node<'gc>> {
    if depth == 0 {
        return m.alloc(Node::new(None, None));
    }
    let left = make_bottom_up(m, depth - 1);
    let right = make_bottom_up(m, depth - 1);
    m.alloc(Node::new(Some(left), Some(right)))
}

fn plant_bottom_up(m: &mut Mutator, depth: u32) -> Tree {
    if depth <= WINDOW_DEPTH {
        let tree = make_bottom_up(m, depth).root(m);
        m.safepoint();
        return tree;
    }
    let left = plant_bottom_up(m, depth - 1);
    let right = plant_bottom_up(m, depth - 1);
    m.alloc(Node::new(Some(left.get(m)), Some(right.get(m)))).root(m)
}

/// Gives a node its children.
fn branch<'gc>(m: &'gc Mutator, node: Gc<'gc, Node<'gc>>) -> [Gc<'gc, Node<'gc>>; 2] {
    let left = m.alloc(Node::new(None, None));
    let right = m.alloc(Node::new(None, None));
    node.left.store(m, Some(left));
    node.right.store(m, Some(right));
    [left, right]
}

fn populate<'gc>(m: &'gc Mutator, depth: u32, node: Gc<'gc, Node<'gc>>) {
    if depth == 0 {
        return;
    }
    let [left, right] = branch(m, node);
    populate(m, depth - 1, left);
    populate(m, depth - 1, right);
}

fn populate_in_windows(m: &mut Mutator, depth: u32, tree: &Tree) {
    if depth <= WINDOW_DEPTH {
        populate(m, depth, tree.get(m));
        m.safepoint();
        return;
    }
    for child in branch(m, tree.get(m)).map(|child| child.root(m)) {
        populate_in_windows(m, depth - 1, &child);
    }
}

fn count<'gc>(m: &'gc Mutator, node: Gc<'gc, Node<'gc>>) -> u64 {
    1 + node.left.load(m).map_or(0, |n| count(m, n)) + node.right.load(m).map_or(0, |n| count(m, n))
}

/// As [`count`], in windows.
fn survey(m: &mut Mutator, tree: &Tree, depth: u32) -> u64 {
    if depth <= WINDOW_DEPTH {
        let nodes = count(m, tree.get(m));
        m.safepoint();
        return nodes;
    }
    let node = tree.get(m);
    let halves = [&node.left, &node.right].map(|half| half.load(m).map(|half| half.root(m)));
    1 + halves.into_iter().flatten().map(|half| survey(m, &half, depth - 1)).sum::<u64>()
}

/// What stands in this place of the array; its second half stays zero, as in the original.
pub fn number(place: usize) -> f64 {
    if place < ARRAY_LENGTH / 2 { 1.0 / place as f64 } else { 0.0 }
}

/// Trees of each depth, for each of the two ways: as many nodes as two stretch trees.
pub fn rounds() -> impl Iterator<Item = (u32, u64)> {
    (MIN_DEPTH..=MAX_DEPTH).step_by(2).map(|depth| (depth, 2 * nodes(STRETCH_DEPTH) / nodes(depth)))
}

impl Params {
    /// Does the work. The check counts the long-lived tree and one tree of each kind and depth for each mutator.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        bench.start();
        let (tree, numbers) = bench.on_first((), |m, ()| {
            drop(Order::BottomUp.plant(m, STRETCH_DEPTH));
            let tree = Order::TopDown.plant(m, LONG_LIVED_DEPTH);
            let numbers: Root<Array<'static, f64>> = m.alloc_array(ARRAY_LENGTH, number).root(m);
            Ok((tree, numbers))
        })?;
        let (budget, mutators) = (bench.budget(None, u64::MAX), bench.mutators());
        let made = bench.on_each(vec![(); mutators], |m, index, ()| time_all(m, index, mutators, budget))?;
        let (tree, number) =
            bench.on_first((), |m, ()| Ok((survey(m, &tree, LONG_LIVED_DEPTH), numbers.get(m)[1000])))?;
        bench.stop();
        judge(tree, number, made.iter().sum())
    }
}

/// One mutator's share of all depths; returns the nodes it has made.
fn time_all(m: &mut Mutator, index: usize, mutators: usize, budget: Budget) -> Result<u64, Failure> {
    let mut made = 0;
    for (depth, trees) in rounds() {
        for order in [Order::TopDown, Order::BottomUp] {
            let mut sample = None;
            for i in (index as u64..trees).step_by(mutators) {
                if i % 64 == 0 && budget.is_over(Instant::now()) {
                    return Ok(made);
                }
                let counted = build(m, order, depth, sample.is_none());
                sample = sample.or(counted);
                made += nodes(depth);
            }
            if let Some(counted) = sample {
                expect_tree(counted, depth)?;
            }
        }
    }
    Ok(made)
}

/// Builds a tree, counts it if wanted, and drops it. A shallow one never leaves the window and needs no roots.
fn build(m: &mut Mutator, order: Order, depth: u32, counted: bool) -> Option<u64> {
    if depth > WINDOW_DEPTH {
        let tree = order.plant(m, depth);
        return counted.then(|| survey(m, &tree, depth));
    }
    let tree = order.make(m, depth);
    let nodes = counted.then(|| count(m, tree));
    m.safepoint();
    nodes
}

/// Fails the check unless this is the number of nodes of a tree of this depth.
pub fn expect_tree(counted: u64, depth: u32) -> Result<(), Failure> {
    expect_eq(&format!("the node count of a tree of depth {depth}"), counted, nodes(depth))
}

/// The result, if what has stayed is whole: nodes of the tree, element 1000 of the array, and all nodes made of the rounds.
pub fn judge(tree: u64, number: f64, made: u64) -> Result<Outcome, Failure> {
    expect_eq("the long-lived tree's node count", tree, nodes(LONG_LIVED_DEPTH))?;
    expect_eq("element 1000 of the long-lived array", number, 1.0 / 1000.0)?;
    let check = format!("long-lived tree of {tree} nodes, array[1000] = {number}");
    Ok(Outcome { ops: made + nodes(STRETCH_DEPTH) + tree, check, op_times: None, notes: vec![] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_rounds() {
        assert_eq!(rounds().next(), Some((4, 33_824)));
        assert_eq!(rounds().last(), Some((16, 8)));
    }

    #[test]
    fn wrong_survivors_fail_the_check() {
        assert!(judge(nodes(16), 0.001, 0).is_ok());
        assert!(matches!(judge(nodes(16) - 1, 0.001, 0), Err(Failure::Check(_))));
        assert!(matches!(judge(nodes(16), 0.0, 0), Err(Failure::Check(_))));
    }
}
