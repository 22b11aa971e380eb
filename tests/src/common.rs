//! What several tests use: lists, cycles by hand, counters of drops, messages of panics.

use greyset::{Gc, Heap, Mutator, Slot, Static, StepOutcome, Stepper, Trace};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Counts how many of it were made and dropped.
#[derive(Clone, Default)]
pub struct Drops(Arc<AtomicU64>);

impl Drops {
    /// A value that counts when it is dropped.
    pub fn value(&self) -> Static<Counted> {
        Static(Counted(self.clone()))
    }

    /// How many have been dropped.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts when it is dropped.
pub struct Counted(Drops);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The message of a panic in `body`.
pub fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().expect("a text").to_string(),
    }
}

/// Objects in the heap that are no tiny values, by census.
pub fn objects(heap: &Heap) -> u64 {
    heap.census().objects()
}
