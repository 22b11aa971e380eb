//! What several tests use: a list, and a cycle by hand.

use greyset::{Gc, Mutator, Slot, StepOutcome, Stepper, Trace};

/// An element of a list.
#[derive(Trace)]
pub struct Node<'gc> {
    /// Its number.
    pub key: u64,
    /// The next element.
    pub next: Slot<'gc, Node<'gc>>,
}

/// A list with keys from `length` down to 1.
pub fn make_list(m: &Mutator, length: u64) -> Gc<'_, Node<'_>> {
    let mut head = m.alloc(Node { key: 1, next: Slot::empty() });
    for key in 2..=length {
        head = m.alloc(Node { key, next: Slot::new(Some(head)) });
    }
    head
}

/// The length of a list, whose keys must be as [`make_list`] made them.
pub fn list_length<'gc>(m: &'gc Mutator, head: Gc<'gc, Node<'gc>>) -> u64 {
    let (mut at, mut key) = (Some(head), head.key);
    while let Some(node) = at {
        assert_eq!(node.key, key, "the list is intact");
        (at, key) = (node.next.load(m), key - 1);
    }
    assert_eq!(key, 0, "the list is whole");
    head.key
}

/// A whole cycle; every mutator is parked.
pub fn finish(stepper: &mut Stepper) {
    stepper.request();
    while stepper.step_any() != StepOutcome::Idle {}
    while stepper.sweep(64) {}
}
