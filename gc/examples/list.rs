//! A linked list: the smallest thing with references that change.
//!
//!     cargo run --release -p greyset --example list -- 1000000
//!
//! What it shows: a type of the program's own in the heap, a field that changes ([`Slot`]), a handle that lasts ([`Root`]),
//! functions that pass no safepoint (`&Mutator`) and one that does (`&mut Mutator`).

use greyset::{Gc, Heap, Mutator, Root, Slot, Trace};
use std::error::Error;
use std::io::{self, Write};

/// An element. The derive tells the collector where its references are.
#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
}

/// A list. The object stays, the elements come and go.
#[derive(Trace)]
struct List<'gc> {
    first: Slot<'gc, Node<'gc>>,
}

impl<'gc> List<'gc> {
    /// `&Mutator`: this may allocate, but no safepoint can pass, so all references stay valid.
    fn push(&self, m: &'gc Mutator, key: u64) {
        let node = m.alloc(Node { key, next: Slot::new(self.first.load(m)) });
        self.first.store(m, Some(node));
    }

    /// Turns the list around by changing its references.
    fn reverse(&self, m: &'gc Mutator) {
        let mut reversed: Option<Gc<'gc, Node<'gc>>> = None;
        let mut rest = self.first.take(m);
        while let Some(node) = rest {
            rest = node.next.swap(m, reversed);
            reversed = Some(node);
        }
        self.first.store(m, reversed);
    }

    /// Takes elements out. Nobody frees them: nobody refers to them any more.
    fn retain(&self, m: &'gc Mutator, keep: impl Fn(u64) -> bool) {
        // A reference to the field that refers to the next element: `Gc::get` gives `&'gc Node`, which outlives `node`.
        let mut field = &self.first;
        while let Some(node) = field.load(m) {
            if keep(node.key) {
                field = &node.get().next;
            } else {
                field.store(m, node.next.load(m));
            }
        }
    }
}

/// Adds all keys up, with a safepoint after every thousand elements: however long the list, the collector waits for a few
/// microseconds at most.
///
/// `&mut Mutator`: no reference lives over the call. So the list comes as a [`Root`], and a `Root` holds the place.
fn sum(m: &mut Mutator, list: &Root<List<'static>>) -> u64 {
    let mut sum = 0;
    let mut place = list.get(m).first.load(m).map(|node| node.root(m));
    while let Some(root) = place {
        let mut next = Some(root.get(m));
        for _ in 0..1000 {
            let Some(node) = next else { break };
            sum += node.key;
            next = node.next.load(m);
        }
        place = next.map(|node| node.root(m));
        m.safepoint();
    }
    sum
}

/// Builds a list of the numbers below `len`, and plays with it.
pub fn run(len: u64, out: &mut (dyn Write + Send)) -> Result<(), Box<dyn Error>> {
    let heap = Heap::builder().build()?;
    let sums = heap.mutator().enter(|m| {
        let list = m.alloc(List { first: Slot::empty() }).root(m);
        for key in 0..len {
            list.get(m).push(m, key);
            m.safepoint();
        }
        let all = sum(m, &list);
        list.get(m).reverse(m);
        list.get(m).retain(m, |key| key % 2 == 0);
        let even = sum(m, &list);
        m.collect();
        (all, even)
    });
    writeln!(out, "sum of all {}, of the even {}", sums.0, sums.1)?;
    let nodes = heap.census().rows().iter().find(|row| row.type_name.contains("Node")).map(|row| row.objects);
    writeln!(out, "elements left in the heap: {}", nodes.unwrap_or(0))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let len = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is no number of elements"))?,
        None => 1_000_000,
    };
    run(len, &mut io::stdout())
}
