//! `churn` with `Box`: dropping a tree frees its seven nodes one by one.
use crate::Clock;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::latency::OpTimes;
use greyset_bench::workloads::churn::{DEPTH, Params, TREE_BYTES, expect_tree};
use greyset_bench::xorshift::Xorshift;

struct Node {
    left: Option<Box<Node>>,
    right: Option<Box<Node>>,
    words: [u64; 4],
}

impl Node {
    fn build(number: u64, place: u64, depth: u32) -> Box<Node> {
        let child = |place| (depth > 0).then(|| Node::build(number, place, depth - 1));
        let (left, right) = (child(2 * place), child(2 * place + 1));
        Box::new(Node { left, right, words: [number + place; 4] })
    }

    fn read(&self) -> u64 {
        let own: u64 = self.words.iter().sum();
        own + self.left.as_ref().map_or(0, |n| n.read()) + self.right.as_ref().map_or(0, |n| n.read())
    }
}

fn work(forest: &mut [Box<Node>], ops: u64) -> Result<OpTimes, Failure> {
    if forest.is_empty() {
        return Err(Failure::Usage(format!("--live must be at least {TREE_BYTES} bytes")));
    }
    let mut random = Xorshift::new(0);
    let mut times = OpTimes::start();
    for number in 0..ops {
        expect_tree(Node::build(number, 1, DEPTH).read(), number)?;
        let place = random.below(forest.len());
        forest[place] = Node::build(number, 1, DEPTH);
        times.lap();
    }
    Ok(times)
}

pub fn run(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    let trees = params.live / TREE_BYTES;
    let ops = params.ops.unwrap_or(5_000_000);
    let mut forest: Vec<_> = (0..trees).map(|number| Node::build(number, 1, DEPTH)).collect();
    clock.start();
    let times = work(&mut forest, ops)?;
    clock.stop();
    forest.iter().try_for_each(|tree| expect_tree(tree.read(), tree.words[0] - 1))?;
    let check = format!("{ops} trees read right, {trees} trees whole at the end");
    Ok(Outcome { ops, check, op_times: Some(times.into_histogram()), notes: vec![] })
}
