//! `list`: one long list. It has no width: a marker that follows it as it should needs no stack for it.
use crate::failure::{Failure, expect_eq};
use crate::scale::figures::Figures;
use crate::scale::place::{BATCH, Place};
use crate::units;
use greyset::{Heap, Mutator, Root, Slot, Trace};

/// Nodes at full size.
pub const FULL: u64 = 100_000_000;
/// Bytes of a node, its colour and its part of the tables.
pub const NODE_BYTES: u64 = 20;

/// 16 bytes: the rest of the list, and how long that is.
#[derive(Trace)]
struct Node<'gc> {
    next: Slot<'gc, Node<'gc>>,
    number: u64,
}

/// Builds the list, collects it, and walks it.
///
/// # Errors
/// [`Failure::Check`] if the walk finds another list; [`Failure::Run`] without memory.
pub fn run(nodes: u64) -> Result<Figures, Failure> {
    let mut place = Place::new(Heap::builder())?;
    let head = place.build(|place| place.enter(|m| build(m, nodes)))?;
    let collections = place.collections();
    let found = place.enter(|m| walk(m, &head, nodes));
    found.judge(nodes)?;
    let check = format!("{} nodes, sum of numbers {}", found.nodes, found.sum);
    let figures = place.finish(&collections, nodes, check, &(), head);
    let [before, most] = [figures.metadata_before_bytes, figures.metadata_most_bytes].map(units::bytes);
    let note =
        format!("{before} in tables, mark stacks and buffers before the collections, {most} at most in them");
    Ok(Figures { notes: vec![note], ..figures })
}

/// A list of so many nodes, numbered from 0 at its end.
fn build(m: &mut Mutator, nodes: u64) -> Result<Root<Node<'static>>, Failure> {
    let mut head: Option<Root<Node<'static>>> = None;
    for start in (0..nodes).step_by(BATCH) {
        let mut rest = head.as_ref().map(|root| root.get(m));
        for number in start..nodes.min(start + BATCH as u64) {
            let node = m.try_alloc(Node { next: Slot::new(rest), number });
            rest = Some(node.map_err(|e| Failure::Run(e.to_string()))?);
        }
        head = rest.map(|node| node.root(m));
        m.safepoint();
    }
    head.ok_or_else(|| Failure::Check("a list without a node".to_owned()))
}

/// What a walk found: how many nodes, and the sum of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    nodes: u64,
    sum: u64,
}

impl Found {
    fn judge(self, nodes: u64) -> Result<(), Failure> {
        expect_eq("the number of nodes in the list", self.nodes, nodes)?;
        expect_eq("the sum of the nodes' numbers", self.sum, nodes * (nodes - 1) / 2)
    }
}

/// Walks the list to its end, or to one node more than there should be.
fn walk(m: &mut Mutator, head: &Root<Node<'static>>, nodes: u64) -> Found {
    let mut found = Found { nodes: 0, sum: 0 };
    let mut next = Some(head.clone());
    while let Some(root) = next.take_if(|_| found.nodes <= nodes) {
        let mut rest = Some(root.get(m));
        for _ in 0..BATCH {
            let Some(node) = rest else { break };
            found.nodes += 1;
            found.sum = found.sum.wrapping_add(node.number);
            rest = node.next.load(m);
        }
        next = rest.map(|node| node.root(m));
        m.safepoint();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_as_long_as_it_is() {
        let heap = Heap::builder().build().expect("a heap");
        heap.mutator().enter(|m| {
            for nodes in [1, 2, BATCH as u64, 10_000] {
                let head = build(m, nodes).expect("memory");
                assert_eq!(walk(m, &head, nodes).judge(nodes), Ok(()));
                head.get(m).next.store(m, None);
                assert_eq!(walk(m, &head, nodes).judge(nodes).is_ok(), nodes == 1, "{nodes}");
            }
        });
    }

    #[test]
    fn a_list_without_an_end_is_a_failed_check() {
        let heap = Heap::builder().build().expect("a heap");
        heap.mutator().enter(|m| {
            let head = build(m, 2).expect("memory");
            let last = head.get(m).next.load(m).expect("two nodes");
            last.next.store(m, Some(head.get(m)));
            assert!(matches!(walk(m, &head, 2).judge(2), Err(Failure::Check(_))));
        });
    }
}
