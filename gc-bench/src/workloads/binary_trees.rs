//! `binary-trees`: the Benchmarks Game program. A stretch tree, a long-lived tree, and for each depth many short-lived
//! ones, built bottom-up from nodes of two pointers and counted. With several mutators each takes its share of the
//! short-lived trees. An operation is one node built.
//!
//! Windows stay short, as in an interpreter that polls at calls and loops: what is deeper than `WINDOW_DEPTH` is built and
//! counted in parts, with a safepoint after each.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use greyset::{Gc, Mutator, Root, Trace};
use serde::Serialize;
use std::time::Instant;

const MIN_DEPTH: u32 = 4;
/// Deepest tree built or counted in one window: 8191 nodes, 128 KiB (192 in `gcbench`), some 50 µs.
pub const WINDOW_DEPTH: u32 = 12;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Depth of the long-lived tree.
    #[arg(long, value_name = "N", default_value_t = 18, value_parser = clap::value_parser!(u32).range(6..=26))]
    pub depth: u32,
    /// From one depth of short-lived trees to the next.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=8))]
    pub step: u32,
}

#[derive(Trace)]
struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
}

fn build<'gc>(m: &'gc Mutator, depth: u32) -> Gc<'gc, Node<'gc>> {
    if depth == 0 {
        return m.alloc(Node { left: None, right: None });
    }
    let left = build(m, depth - 1);
    let right = build(m, depth - 1);
    m.alloc(Node { left: Some(left), right: Some(right) })
}

fn count(node: &Node<'_>) -> u64 {
    1 + node.left.map_or(0, |n| count(&n)) + node.right.map_or(0, |n| count(&n))
}

type Tree = Root<Node<'static>>;

/// As [`build`], in windows.
fn plant(m: &mut Mutator, depth: u32) -> Tree {
    if depth <= WINDOW_DEPTH {
        let tree = build(m, depth).root(m);
        m.safepoint();
        return tree;
    }
    let left = plant(m, depth - 1);
    let right = plant(m, depth - 1);
    m.alloc(Node { left: Some(left.get(m)), right: Some(right.get(m)) }).root(m)
}

/// As [`count`], in windows.
fn survey(m: &mut Mutator, tree: &Tree, depth: u32) -> u64 {
    if depth <= WINDOW_DEPTH {
        let nodes = count(&tree.get(m));
        m.safepoint();
        return nodes;
    }
    let node = tree.get(m);
    let halves = [node.left, node.right].map(|half| half.map(|half| half.root(m)));
    1 + halves.into_iter().flatten().map(|half| survey(m, &half, depth - 1)).sum::<u64>()
}

/// Builds a tree, counts it and drops it. A shallow one never leaves the window and needs no roots.
fn build_and_count(m: &mut Mutator, depth: u32) -> u64 {
    if depth <= WINDOW_DEPTH {
        let nodes = count(&build(m, depth));
        m.safepoint();
        return nodes;
    }
    let tree = plant(m, depth);
    survey(m, &tree, depth)
}

/// Nodes of a tree of this depth.
pub fn nodes(depth: u32) -> u64 {
    (2 << depth) - 1
}

/// Short-lived trees of each depth, shallowest first.
pub fn rounds(depth: u32, step: u32) -> impl Iterator<Item = (u32, u64)> {
    (MIN_DEPTH..=depth).step_by(step as usize).map(move |d| (d, 1u64 << (depth - d + MIN_DEPTH)))
}

/// Trees made of one depth, and the nodes counted in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Trees made.
    pub trees: u64,
    /// Their nodes, as counted.
    pub nodes: u64,
}

impl Params {
    /// Does the work. A tree that has lost or gained a node fails the check.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let Params { depth, step } = *self;
        bench.start();
        let (stretch, long_lived) = bench.on_first((), |m, ()| {
            let stretch = build_and_count(m, depth + 1);
            Ok((stretch, plant(m, depth)))
        })?;
        let (budget, mutators) = (bench.budget(None, u64::MAX), bench.mutators());
        let shares = bench.on_each(vec![(); mutators], |m, index, ()| {
            Ok(rounds(depth, step)
                .map(|(d, trees)| short_lived(m, d, trees, index, mutators, budget))
                .collect())
        })?;
        let kept = bench.on_first((), |m, ()| Ok(survey(m, &long_lived, depth)))?;
        bench.stop();
        judge(depth, step, stretch, kept, &add(&shares))
    }
}

/// This mutator's share of the trees of one depth.
fn short_lived(
    m: &mut Mutator,
    depth: u32,
    trees: u64,
    index: usize,
    mutators: usize,
    budget: Budget,
) -> Tally {
    let mut tally = Tally::default();
    let every = (4096 >> depth).max(1);
    for _ in (index as u64..trees).step_by(mutators) {
        if tally.trees % every == 0 && budget.is_over(Instant::now()) {
            break;
        }
        tally.nodes += build_and_count(m, depth);
        tally.trees += 1;
    }
    tally
}

fn add(shares: &[Vec<Tally>]) -> Vec<Tally> {
    let rounds = shares.first().map_or(0, Vec::len);
    let of_round = |i: usize| {
        shares.iter().fold(Tally::default(), |sum, share| Tally {
            trees: sum.trees + share[i].trees,
            nodes: sum.nodes + share[i].nodes,
        })
    };
    (0..rounds).map(of_round).collect()
}

/// Compares every count with what it must be. `tallies` holds one entry a round.
pub fn judge(depth: u32, step: u32, stretch: u64, kept: u64, tallies: &[Tally]) -> Result<Outcome, Failure> {
    expect_eq("the stretch tree's node count", stretch, nodes(depth + 1))?;
    expect_eq("the long-lived tree's node count", kept, nodes(depth))?;
    let mut ops = stretch + kept;
    let mut notes = vec![format!("stretch tree of depth {}\t check: {stretch}", depth + 1)];
    for ((d, _), tally) in rounds(depth, step).zip(tallies) {
        expect_eq(
            &format!("the node count of {} trees of depth {d}", tally.trees),
            tally.nodes,
            tally.trees * nodes(d),
        )?;
        ops += tally.nodes;
        notes.push(format!("{}\t trees of depth {d}\t check: {}", tally.trees, tally.nodes));
    }
    notes.push(format!("long lived tree of depth {depth}\t check: {kept}"));
    let short_lived: u64 = tallies.iter().map(|t| t.nodes).sum();
    let check = format!("stretch {stretch}, short-lived {short_lived}, long-lived {kept} nodes");
    Ok(Outcome { ops, check, op_times: None, notes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rounds_are_those_of_the_benchmarks_game() {
        assert_eq!(rounds(10, 2).collect::<Vec<_>>(), [(4, 1024), (6, 256), (8, 64), (10, 16)]);
        assert_eq!(nodes(4), 31);
    }

    #[test]
    fn a_lost_node_fails_the_check() {
        let good = Tally { trees: 1024, nodes: 1024 * 31 };
        let bad = Tally { nodes: good.nodes - 1, ..good };
        assert!(judge(4, 2, nodes(5), nodes(4), &[good]).is_ok());
        assert!(matches!(judge(4, 2, nodes(5), nodes(4), &[bad]), Err(Failure::Check(_))));
        assert!(matches!(judge(4, 2, nodes(5) - 1, nodes(4), &[good]), Err(Failure::Check(_))));
        assert!(matches!(judge(4, 2, nodes(5), nodes(4) - 1, &[good]), Err(Failure::Check(_))));
    }
}
