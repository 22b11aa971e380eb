//! `churn`: a large live heap that changes everywhere. Trees of seven 48-byte nodes hang off one large array; each
//! operation builds a tree, reads it and drops it, then builds another and puts it in the place of a random one. What
//! counts is the latency of every operation, and that it does not depend on the size of the live data. With several
//! mutators each has its part of the data in an array of its own.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::latency::{OpTimes, merge};
use crate::units::{self, parse_size};
use crate::xorshift::Xorshift;
use greyset::{Array, Gc, Mutator, Root, Slot, Trace};
use serde::Serialize;

/// Bytes of one tree: seven nodes.
pub const TREE_BYTES: u64 = 7 * size_of::<Node<'static>>() as u64;
/// Levels below the root of a tree.
pub const DEPTH: u32 = 2;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Live data, over all mutators.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    pub live: u64,
    /// Operations to do, over all mutators; 5 million unless --seconds is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<u64>,
}

/// 48 bytes: two references and four words, all of them the tree's number plus the node's place in the tree.
#[derive(Trace)]
pub struct Node<'gc> {
    left: Option<Gc<'gc, Node<'gc>>>,
    right: Option<Gc<'gc, Node<'gc>>>,
    words: [u64; 4],
}

/// The trees of one mutator.
pub type Forest<'gc> = Array<'gc, Slot<'gc, Node<'gc>>>;

/// A tree of seven nodes; `place` is 1 for its root, and 2p and 2p + 1 below place p.
fn build<'gc>(m: &'gc Mutator, number: u64, place: u64, depth: u32) -> Gc<'gc, Node<'gc>> {
    let child = |place| (depth > 0).then(|| build(m, number, place, depth - 1));
    let (left, right) = (child(2 * place), child(2 * place + 1));
    m.alloc(Node { left, right, words: [number + place; 4] })
}

/// The sum of all words of the tree.
fn read(node: &Node<'_>) -> u64 {
    let own: u64 = node.words.iter().sum();
    own + node.left.map_or(0, |n| read(&n)) + node.right.map_or(0, |n| read(&n))
}

/// What [`read`] must find in the tree of this number: four words in each of seven nodes, places 1 to 7.
fn expected(number: u64) -> u64 {
    4 * (7 * number + 28)
}

/// Fails the check unless the sum of a tree is that of the tree of this number.
pub fn expect_tree(sum: u64, number: u64) -> Result<(), Failure> {
    if sum == expected(number) {
        Ok(())
    } else {
        expect_eq(&format!("the sum of tree {number}"), sum, expected(number))
    }
}

impl Params {
    /// Builds the forests, works on them, and checks at the end that every tree in them is whole.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let mutators = bench.mutators();
        let trees = (self.live / TREE_BYTES) as usize / mutators;
        if trees == 0 {
            return Err(Failure::Usage(format!(
                "--live must be at least {TREE_BYTES} bytes for each mutator"
            )));
        }
        let forests = bench.on_each(vec![(); mutators], |m, _, ()| Ok(plant(m, trees)))?;
        bench.start();
        let budget = bench.budget(self.ops, 5_000_000);
        let shares = bench.on_each(forests.clone(), |m, index, forest| {
            work(m, &forest, Xorshift::new(index as u64), budget.share(index, mutators))
        })?;
        bench.stop();
        bench.on_each(forests, |m, _, forest| inspect(m, &forest))?;
        let (done, times): (Vec<u64>, Vec<_>) = shares.into_iter().unzip();
        let ops = done.iter().sum();
        let times = merge(times);
        let check = format!("{ops} trees read right, {} trees whole at the end", trees * mutators);
        let over = times.len() - times.count_between(0, 1_000_000);
        let notes = vec![
            format!("{} of live trees", units::bytes(TREE_BYTES * (trees * mutators) as u64)),
            format!("{over} operations took over 1 ms"),
        ];
        Ok(Outcome { ops, check, op_times: Some(times), notes })
    }
}

/// A forest of `trees` trees, numbered from 0.
pub fn plant(m: &mut Mutator, trees: usize) -> Root<Forest<'static>> {
    let forest = m.alloc_array(trees, |_| Slot::<Node<'_>>::empty()).root(m);
    for i in 0..trees {
        let tree = build(m, i as u64, 1, DEPTH);
        forest.get(m)[i].store(m, Some(tree));
        m.safepoint();
    }
    forest
}

fn work(
    m: &mut Mutator,
    forest: &Root<Forest<'static>>,
    mut random: Xorshift,
    budget: Budget,
) -> Result<(u64, hdrhistogram::Histogram<u64>), Failure> {
    let mut times = OpTimes::start();
    let mut done = 0;
    while done < budget.count() {
        operate(m, forest, &mut random, done)?;
        done += 1;
        if budget.is_over(times.lap()) {
            break;
        }
    }
    Ok((done, times.into_histogram()))
}

/// One operation: builds the tree of this number, reads it and drops it; builds it again in the place of a random one.
#[inline]
pub fn operate(
    m: &mut Mutator,
    forest: &Root<Forest<'static>>,
    random: &mut Xorshift,
    number: u64,
) -> Result<(), Failure> {
    let short_lived = build(m, number, 1, DEPTH);
    expect_tree(read(&short_lived), number)?;
    let trees = forest.get(m).as_slice();
    let place = random.below(trees.len());
    trees[place].store(m, Some(build(m, number, 1, DEPTH)));
    m.safepoint();
    Ok(())
}

/// Reads every tree of the forest; the number of each is in its root.
pub fn inspect(m: &mut Mutator, forest: &Root<Forest<'static>>) -> Result<(), Failure> {
    for (i, slot) in forest.get(m).iter().enumerate() {
        let tree = slot.load(m).ok_or_else(|| Failure::Check(format!("place {i} of the forest is empty")))?;
        expect_tree(read(&tree), tree.words[0] - 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_48_bytes() {
        assert_eq!(TREE_BYTES, 336);
    }

    #[test]
    fn a_wrong_sum_fails_the_check() {
        // Places 1 to 7 sum to 28.
        assert_eq!(expected(10), (1..=7).map(|place| 4 * (10 + place)).sum::<u64>());
        assert!(expect_tree(expected(3), 3).is_ok());
        assert!(matches!(expect_tree(expected(3) + 1, 3), Err(Failure::Check(_))));
    }
}
