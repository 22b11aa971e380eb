//! `gcbench` with `Box` and with `Rc`: what is dropped is freed node by node.
use crate::{Clock, Memory, unknown};
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::workloads::binary_trees::nodes;
use greyset_bench::workloads::gcbench::{
    ARRAY_LENGTH, LONG_LIVED_DEPTH, STRETCH_DEPTH, expect_tree, judge, number, rounds,
};
use std::cell::OnceCell;
use std::hint::black_box;
use std::ops::Deref;
use std::rc::Rc;

/// What owns a node.
trait Owner {
    type Of<T>: Deref<Target = T>;
    fn of<T>(value: T) -> Self::Of<T>;
}

struct Boxes;
struct Rcs;

impl Owner for Boxes {
    type Of<T> = Box<T>;
    fn of<T>(value: T) -> Box<T> {
        Box::new(value)
    }
}

impl Owner for Rcs {
    type Of<T> = Rc<T>;
    fn of<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }
}

type Tree<O> = <O as Owner>::Of<Node<O>>;

/// 24 bytes: a child is stored once, but top-down into a node that is there already, and in an `Rc` that is shared.
struct Node<O: Owner> {
    left: OnceCell<Tree<O>>,
    right: OnceCell<Tree<O>>,
    _i: u32,
    _j: u32,
}

fn leaf<O: Owner>() -> Tree<O> {
    O::of(Node { left: OnceCell::new(), right: OnceCell::new(), _i: 0, _j: 0 })
}

fn bottom_up<O: Owner>(depth: u32) -> Tree<O> {
    if depth == 0 {
        return leaf::<O>();
    }
    let (left, right) = (bottom_up::<O>(depth - 1), bottom_up::<O>(depth - 1));
    O::of(Node { left: left.into(), right: right.into(), _i: 0, _j: 0 })
}

fn top_down<O: Owner>(depth: u32) -> Tree<O> {
    let tree = leaf::<O>();
    tree.populate(depth);
    tree
}

impl<O: Owner> Node<O> {
    fn populate(&self, depth: u32) {
        if depth > 0 {
            let (left, right) = (self.left.get_or_init(leaf::<O>), self.right.get_or_init(leaf::<O>));
            left.populate(depth - 1);
            right.populate(depth - 1);
        }
    }

    fn count(&self) -> u64 {
        1 + self.left.get().map_or(0, |n| n.count()) + self.right.get().map_or(0, |n| n.count())
    }
}

pub fn run(memory: Memory, clock: &mut Clock) -> Result<Outcome, Failure> {
    match memory {
        Memory::Box => work::<Boxes>(clock),
        Memory::Rc => work::<Rcs>(clock),
        _ => Err(unknown("gcbench", memory)),
    }
}

fn work<O: Owner>(clock: &mut Clock) -> Result<Outcome, Failure> {
    clock.start();
    drop(black_box(bottom_up::<O>(STRETCH_DEPTH)));
    let kept = top_down::<O>(LONG_LIVED_DEPTH);
    let numbers: Box<[f64]> = (0..ARRAY_LENGTH).map(number).collect();
    let mut made = 0;
    for (depth, trees) in rounds() {
        for build in [top_down::<O>, bottom_up::<O>] {
            expect_tree(build(depth).count(), depth)?;
            for _ in 1..trees {
                drop(black_box(build(depth)));
            }
            made += trees * nodes(depth);
        }
    }
    let (kept, number) = (kept.count(), black_box(&numbers)[1000]);
    clock.stop();
    judge(kept, number, made)
}
