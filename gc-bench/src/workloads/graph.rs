//! `graph`: whole collections of one big graph of 32-byte objects with two references each. In a `tree` the objects lie
//! in memory in the order of the walk; in a `random` graph the first references form one cycle through all objects in
//! random order and the second ones point anywhere. An operation is one object marked.
use crate::bench::{Bench, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::options::count;
use crate::units;
use crate::xorshift::Xorshift;
use greyset::{Array, Mutator, Root, Slot, Trace};
use serde::Serialize;
use std::time::Instant;

/// A safepoint after so many objects made or linked.
const BATCH: usize = 4096;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Objects in the graph.
    #[arg(long, value_name = "N", default_value_t = 8_000_000, value_parser = count(1, 200_000_000))]
    pub objects: usize,
    /// How the references run.
    #[arg(long, value_enum, default_value_t = Order::Random)]
    pub order: Order,
    /// Whole collections to do; 5 unless --seconds is given.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collections: Option<u64>,
}

/// How the references run.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// A balanced tree, in memory in preorder.
    Tree,
    /// A random cycle through all objects, and a random reference from each.
    Random,
}

#[derive(Trace)]
struct Object<'gc> {
    left: Slot<'gc, Object<'gc>>,
    right: Slot<'gc, Object<'gc>>,
    id: u64,
    _payload: u64,
}

/// All objects by number, while the graph is being built.
type Index<'gc> = Array<'gc, Slot<'gc, Object<'gc>>>;

impl Params {
    /// Builds the graph, collects, and checks that walking the graph still finds every object.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        if bench.mutators() != 1 {
            return Err(Failure::Usage("graph runs on one mutator: leave out --mutators".to_owned()));
        }
        let n = self.objects;
        let first = bench.on_first((), |m, ()| {
            let index = allocate(m, n);
            match self.order {
                Order::Tree => link_tree(m, &index, n),
                Order::Random => link_random(m, &index, n),
            }
            let first = index.get(m)[0].load(m).map(|object| object.root(m));
            first.ok_or_else(|| Failure::Check("the first object is gone".to_owned()))
        })?;
        // The index is garbage now; this collection drops it and is not measured.
        bench.on_first((), |m, ()| {
            m.collect();
            Ok(())
        })?;
        bench.start();
        let budget = bench.budget(self.collections, 5);
        let done = bench.on_first((), |m, ()| {
            let mut done = 0;
            while done < budget.count() && !(done > 0 && budget.is_over(Instant::now())) {
                m.collect();
                done += 1;
            }
            Ok(done)
        })?;
        bench.stop();
        let found = bench.on_first((), |m, ()| Ok(walk(m, &first, self.order)))?;
        self.judge(bench, done, found)
    }

    fn judge(&self, bench: &Bench, done: u64, found: Found) -> Result<Outcome, Failure> {
        let n = self.objects as u64;
        found.judge(n)?;
        let ops = done * n;
        let ns = bench.span().wall.as_nanos() as f64 / ops as f64;
        let notes =
            vec![format!("{done} collections, {ns:.2} ns an object on the clock, {}", units::bytes(n * 32))];
        Ok(Outcome { ops, check: found.to_string(), op_times: None, notes })
    }
}

/// Makes `n` objects, one after the other in memory, numbered.
fn allocate(m: &mut Mutator, n: usize) -> Root<Index<'static>> {
    let index = m.alloc_array(n, |_| Slot::<Object<'_>>::empty()).root(m);
    for start in (0..n).step_by(BATCH) {
        for (i, slot) in index.get(m).as_slice().iter().enumerate().skip(start).take(BATCH) {
            let object = Object { left: Slot::empty(), right: Slot::empty(), id: i as u64, _payload: 0 };
            slot.store(m, Some(m.alloc(object)));
        }
        m.safepoint();
    }
    index
}

/// Links a balanced binary tree whose preorder is the order of the numbers.
fn link_tree(m: &mut Mutator, index: &Root<Index<'static>>, n: usize) {
    // Subtrees to do: where each begins, and how many objects it has.
    let mut todo = vec![(0, n)];
    while !todo.is_empty() {
        let index = index.get(m);
        for _ in 0..BATCH {
            let Some((at, size)) = todo.pop() else { break };
            let left_size = size / 2;
            let right_size = size - 1 - left_size;
            let Some(object) = index[at].load(m) else { return };
            if left_size > 0 {
                object.left.store(m, index[at + 1].load(m));
                todo.push((at + 1, left_size));
            }
            if right_size > 0 {
                object.right.store(m, index[at + 1 + left_size].load(m));
                todo.push((at + 1 + left_size, right_size));
            }
        }
        m.safepoint();
    }
}

/// Links one cycle through all objects in random order, and a random second reference from each.
fn link_random(m: &mut Mutator, index: &Root<Index<'static>>, n: usize) {
    let mut random = Xorshift::new(0);
    let mut order: Vec<u32> = (0..n as u32).collect();
    for i in (1..n).rev() {
        order.swap(i, random.below(i + 1));
    }
    for start in (0..n).step_by(BATCH) {
        let index = index.get(m);
        for i in start..n.min(start + BATCH) {
            let Some(object) = index[order[i] as usize].load(m) else { return };
            object.left.store(m, index[order[(i + 1) % n] as usize].load(m));
            object.right.store(m, index[random.below(n)].load(m));
        }
        m.safepoint();
    }
}

/// What a walk found: how many objects, and the sum of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    objects: u64,
    sum: u64,
}

impl Found {
    fn judge(self, n: u64) -> Result<(), Failure> {
        expect_eq("the number of objects in the graph", self.objects, n)?;
        expect_eq("the sum of the objects' numbers", self.sum, n * (n - 1) / 2)
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} objects, sum of numbers {}", self.objects, self.sum)
    }
}

/// Walks the tree, or once round the cycle.
fn walk(m: &Mutator, first: &Root<Object<'static>>, order: Order) -> Found {
    let first = first.get(m);
    let mut found = Found { objects: 0, sum: 0 };
    let mut todo = vec![first];
    while let Some(object) = todo.pop() {
        found.objects += 1;
        found.sum += object.id;
        match order {
            Order::Tree => {
                todo.extend([&object.right, &object.left].into_iter().filter_map(|slot| slot.load(m)))
            }
            Order::Random => todo.extend(object.left.load(m).filter(|next| next.id != first.id)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_fails_the_check() {
        assert!(Found { objects: 5, sum: 10 }.judge(5).is_ok());
        assert!(matches!(Found { objects: 4, sum: 10 }.judge(5), Err(Failure::Check(_))));
        assert!(matches!(Found { objects: 5, sum: 9 }.judge(5), Err(Failure::Check(_))));
    }
}
