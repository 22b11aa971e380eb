//! `binary-trees` with `Box` on mimalloc, or with an arena for every tree.
use bumpalo::Bump;
use clap::Parser;
use greyset_bench::failure::Failure;
use greyset_bench::workloads::Workload;
use greyset_bench::workloads::binary_trees::{Params, Tally, judge, rounds};
use greyset_peers::{Clock, Memory, report};
use std::process::ExitCode;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    params: Params,
    /// Where the nodes come from.
    #[arg(long, value_enum, default_value_t = Memory::Box)]
    memory: Memory,
}

struct Boxed {
    left: Option<Box<Boxed>>,
    right: Option<Box<Boxed>>,
}

impl Boxed {
    fn build(depth: u32) -> Box<Boxed> {
        let child = || (depth > 0).then(|| Boxed::build(depth - 1));
        Box::new(Boxed { left: child(), right: child() })
    }

    fn count(&self) -> u64 {
        1 + self.left.as_ref().map_or(0, |n| n.count()) + self.right.as_ref().map_or(0, |n| n.count())
    }
}

struct Bumped<'a> {
    left: Option<&'a Bumped<'a>>,
    right: Option<&'a Bumped<'a>>,
}

impl<'a> Bumped<'a> {
    fn build(arena: &'a Bump, depth: u32) -> &'a Bumped<'a> {
        let child = || (depth > 0).then(|| Bumped::build(arena, depth - 1));
        let (left, right) = (child(), child());
        arena.alloc(Bumped { left, right })
    }

    fn count(&self) -> u64 {
        1 + self.left.map_or(0, Bumped::count) + self.right.map_or(0, Bumped::count)
    }
}

fn short_lived(params: &Params, mut tree: impl FnMut(u32) -> u64) -> Vec<Tally> {
    let round = |(depth, trees)| Tally { trees, nodes: (0..trees).map(|_| tree(depth)).sum() };
    rounds(params.depth, params.step).map(round).collect()
}

fn boxed(params: &Params) -> (u64, u64, Vec<Tally>) {
    let stretch = Boxed::build(params.depth + 1).count();
    let kept = Boxed::build(params.depth);
    let tallies = short_lived(params, |depth| Boxed::build(depth).count());
    (stretch, kept.count(), tallies)
}

fn bumped(params: &Params) -> (u64, u64, Vec<Tally>) {
    let stretch = Bumped::build(&Bump::new(), params.depth + 1).count();
    let keep = Bump::new();
    let kept = Bumped::build(&keep, params.depth);
    let mut arena = Bump::new();
    let tallies = short_lived(params, |depth| {
        let nodes = Bumped::build(&arena, depth).count();
        arena.reset();
        nodes
    });
    (stretch, kept.count(), tallies)
}

fn main() -> ExitCode {
    let Cli { params, memory } = Cli::parse();
    let settings = Workload::BinaryTrees(params.clone()).parameters();
    let clock = Clock::start();
    let (stretch, kept, tallies) = match memory {
        Memory::Box => boxed(&params),
        Memory::Bumpalo => bumped(&params),
    };
    report("binary-trees", settings, &clock, || -> Result<_, Failure> {
        judge(params.depth, params.step, stretch, kept, &tallies)
    })
}
