//! The verifier and quarantine against a broken rule of the real barrier: what they say of an object that is lost.
//!
//! Needs the fault switches: `cargo test -p greyset --features sim --test verifier`.

#![cfg(feature = "sim")]

use greyset::{Blame, Driver, Heap, Holder, MutatorHandle, Root, Slot, StepOutcome, Stepper, Trace, Zeal};
use greyset_sync::Fault;
use greyset_sync::sim::set_fault;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
}

type NodeRoot = Root<Node<'static>>;

struct Lost {
    stepper: Stepper,
    handle: MutatorHandle,
    /// A black object that holds the lost one, and if wanted a root on the lost one itself.
    black: NodeRoot,
    lost: Option<NodeRoot>,
    lost_at: usize,
    slot: usize,
}

/// Hides the only reference to an object in a black one while the deletion barrier is off.
fn lose(modes: &[Zeal], rooted: bool) -> Lost {
    let builder = Heap::builder().ignore_environment().driver(Driver::Stepping);
    // An allocation must not mark what is to be lost.
    let heap = builder.zeal([Zeal::NoAssist]).zeal(modes.iter().copied()).build().expect("a heap");
    let mut handle = heap.mutator_named("loser");
    let root: NodeRoot = handle.enter(|m| {
        let second = m.alloc(Node { key: 2, next: Slot::empty() });
        m.alloc(Node { key: 1, next: Slot::new(Some(second)) }).root(m)
    });
    let mut stepper = heap.stepper();
    stepper.request();
    while stepper.collector() != StepOutcome::AwaitMarkers {}
    set_fault(Some(Fault::NoDeletionShade));
    let (black, lost_at, slot) = handle.enter(|m| {
        let second = root.get(m).next.load(m).expect("the second");
        let black = m.alloc(Node { key: 0, next: Slot::empty() });
        root.get(m).next.store(m, None);
        black.next.store(m, Some(second));
        let slot = std::ptr::from_ref(&black.get().next).addr();
        (black.root(m), second.as_addr(), slot)
    });
    set_fault(None);
    while stepper.mark(64) {}
    // A root made behind the marker, as any may be: what it leads to is marked if all keep the rules.
    let lost = handle.enter(|m| rooted.then(|| black.get(m).next.load(m).expect("the lost one").root(m)));
    while stepper.phase() != "sweep" {
        let _ = stepper.step_any();
    }
    Lost { stepper, handle, black, lost, lost_at, slot }
}

#[test]
fn a_lost_object_is_told_with_slot_path_and_writer() {
    let Lost { stepper, lost_at, slot, black, .. } = lose(&[Zeal::Blame(64)], false);
    let Blame { rule, path, writes, .. } = stepper.verify().expect_err("it is lost");
    assert!(rule.ends_with(&format!("at {lost_at:#x} is reachable and was not marked")), "{rule}");
    let path = path.expect("a path");
    assert_eq!((path.from, path.links.len(), path.slot()), (Holder::Root, 2, Some(slot)), "{path}");
    let [write] = &writes[..] else { panic!("one write: {writes:?}") };
    assert_eq!((write.old, write.new, write.cycle, write.mode), (0, lost_at, 1, "deletion"));
    assert_eq!(write.mutator.1, "loser");
    drop(black);
}

#[test]
fn a_root_on_a_lost_object_panics_with_its_type() {
    let Lost { mut stepper, mut handle, black, lost, lost_at, .. } =
        lose(&[Zeal::Quarantine(10), Zeal::Poison], true);
    while stepper.step_any() != StepOutcome::Idle {}
    let lost = lost.expect("asked for");
    let used = catch_unwind(AssertUnwindSafe(|| handle.enter(|m| lost.get(m).key)));
    let text = *used.expect_err("it is gone").downcast::<String>().expect("a text");
    assert!(text.starts_with("a Root leads to a swept object: a "), "{text}");
    assert!(text.ends_with(&format!(" was at {lost_at:#x}, which is in quarantine now")), "{text}");
    let blame = stepper.verify().expect_err("it is lost");
    assert!(blame.rule.ends_with("whose slot is in quarantine"), "{blame}");
    drop(black);
}
