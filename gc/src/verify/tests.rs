//! The verifier's reports: each rule is broken by hand, and the report must say what, where and by whom.

use super::*;
use crate::{Driver, Gc, Heap, MutatorHandle, Root, Slot, Stepper, Trace, Zeal};
use greyset_alloc::Colour;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod at_work;

#[derive(Trace)]
struct Node<'gc> {
    key: u64,
    next: Slot<'gc, Node<'gc>>,
}

/// A heap with a list of three, written by a mutator called "writer", and the addresses of its elements.
struct Bench {
    stepper: Stepper,
    handle: MutatorHandle,
    root: Root<Node<'static>>,
    addrs: [usize; 3],
    heap: Heap,
}

fn bench(zeal: &[Zeal]) -> Bench {
    let builder = Heap::builder().ignore_environment().driver(Driver::Stepping);
    let heap = builder.zeal(zeal.iter().copied()).build().expect("a heap");
    let mut handle = heap.mutator_named("writer");
    let (root, addrs) = handle.enter(|m| {
        let nodes = [3, 2, 1].map(|key| m.alloc(Node { key, next: Slot::empty() }));
        nodes[1].next.store(m, Some(nodes[0]));
        nodes[2].next.store(m, Some(nodes[1]));
        (nodes[2].root(m), [nodes[2].as_addr(), nodes[1].as_addr(), nodes[0].as_addr()])
    });
    Bench { stepper: heap.stepper(), handle, root, addrs, heap }
}

impl Bench {
    fn shared(&self) -> &Shared {
        self.heap.owner().shared()
    }

    fn collect(&mut self) {
        self.stepper.request();
        while self.stepper.step_any() != crate::StepOutcome::Idle {}
    }

    fn step_to(&mut self, phase: &str) {
        self.stepper.request();
        while self.stepper.phase() != phase {
            let _ = self.stepper.step_any();
        }
    }

    /// Gives an object another colour.
    fn paint(&self, addr: usize, colour: Colour) {
        let space = self.shared().space();
        space.colour_at(space.page(addr), addr).store(colour.byte(), Ordering::Relaxed);
    }

    fn blame(&self) -> Blame {
        self.stepper.verify().expect_err("something is wrong")
    }
}

fn panic_of(body: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(body)).expect_err("it panics");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn a_sound_heap_is_found_sound_in_every_phase() {
    let mut bench = bench(&[Zeal::Blame(8)]);
    for phase in ["prepare", "mark", "terminate", "clear", "sweep", "idle"] {
        bench.step_to(phase);
        let spans = (phase == "idle").then_some(1);
        assert_eq!(bench.heap.verify(), Ok(Verified { roots: 1, objects: 3, edges: 3, spans }), "{phase}");
        assert_eq!(bench.stepper.verify(), bench.heap.verify(), "{phase}");
    }
}

#[test]
fn an_object_that_was_not_marked_is_told_with_its_path_and_who_wrote_the_slot() {
    let mut bench = bench(&[Zeal::Blame(8)]);
    bench.step_to("sweep");
    let [one, two, three] = bench.addrs;
    bench.paint(three, bench.shared().published.white());
    let blame = bench.blame();
    let node = std::any::type_name::<Node<'static>>().split('<').next().expect("a name").to_owned();
    assert!(blame.rule.contains(&format!("{three:#x} is reachable and was not marked")), "{blame}");
    assert!(blame.rule.contains("Node"), "{blame}: the type, {node}");
    let path = blame.path.as_ref().expect("a path");
    assert_eq!(path.from, Holder::Root);
    assert_eq!(path.links.iter().map(|link| link.addr).collect::<Vec<_>>(), [one, two, three]);
    assert_eq!(path.holder().map(|link| link.addr), Some(two));
    let offset = std::mem::offset_of!(Node<'static>, next);
    assert_eq!(path.slot(), Some(two + offset));
    assert_eq!(blame.writes.len(), 1, "{blame}");
    let write = &blame.writes[0];
    assert_eq!((write.slot, write.old, write.new), (two + offset, 0, three));
    assert_eq!((write.mutator.1.as_str(), write.mode, write.cycle), ("writer", "off", 0));
    let text = blame.to_string();
    assert!(text.contains("a root holds") && text.contains("(\"writer\"), window"), "{text}");
}

#[test]
fn without_blame_nobody_is_named() {
    let mut bench = bench(&[]);
    bench.step_to("sweep");
    bench.paint(bench.addrs[1], bench.shared().published.white());
    let blame = bench.blame();
    assert_eq!(blame.path.as_ref().map(|path| path.links.len()), Some(2), "{blame}");
    assert_eq!(blame.writes, []);
}

#[test]
fn a_reference_to_a_free_slot_is_told_with_what_was_there() {
    let mut bench = bench(&[]);
    bench.collect();
    for (colour, state) in [(Colour::FREE, "Free"), (Colour::QUARANTINE, "in quarantine")] {
        bench.paint(bench.addrs[2], colour);
        let blame = bench.blame();
        assert!(blame.rule.contains("lies in no object of the heap: a "), "{blame}");
        assert!(blame.rule.ends_with(&format!("whose slot is {state}")), "{blame}");
    }
}

#[test]
fn an_account_that_does_not_add_up_is_told_with_all_its_numbers() {
    let mut bench = bench(&[]);
    bench.handle.enter(|m| (0..1000).for_each(|n| _ = m.alloc([n; 4])));
    bench.collect();
    assert!(bench.stepper.verify().is_ok());
    bench.shared().pace.objects.fetch_add(5, Ordering::Relaxed);
    let blame = bench.blame();
    let coloured =
        bench.shared().alloc.verify().map(|report| report.coloured.iter().sum::<usize>()).unwrap_or(0);
    let swept = bench.shared().alloc.swept_objects();
    let said = coloured as u64 + swept + 5;
    assert!(swept >= 1000);
    let rule = format!(
        "the account says that {said} objects have been allocated; {coloured} are there and {swept} have been swept"
    );
    assert_eq!((blame.rule, blame.path), (rule, None));
}

#[test]
fn bytes_that_do_not_add_up_are_told_with_all_their_numbers() {
    let mut bench = bench(&[]);
    bench.handle.enter(|m| {
        for n in 0..1000_usize {
            m.alloc(n as u8);
            m.alloc_bytes(&vec![7; 40 * n]);
        }
    });
    assert!(bench.stepper.verify().is_ok());
    bench.collect();
    assert!(bench.stepper.verify().is_ok());
    let alloc = &bench.shared().alloc;
    let (there, swept) = (alloc.verify().expect("sound").coloured_bytes, alloc.swept_bytes());
    assert!(swept >= 1000 * 20_000 && there >= 3 * size_of::<Node<'static>>());
    bench.shared().pace.allocated.fetch_sub(8, Ordering::Relaxed);
    let said = there as u64 + swept - 8;
    let rule = format!(
        "the account says that {said} bytes have been allocated; {there} are there and {swept} have been swept"
    );
    let blame = bench.blame();
    assert_eq!((blame.rule, blame.path), (rule, None));
}

#[test]
fn tables_that_cannot_be_walked_are_told() {
    let blame = rest::walked(|| panic!("a span leads out of the tables")).expect_err("told");
    assert_eq!((blame.rule.as_str(), blame.path), ("the allocator's tables cannot be walked", None));
    assert_eq!(rest::walked(|| Ok(3)), Ok(3));
}

#[test]
fn a_reference_out_of_every_span_is_told_with_who_holds_it() {
    let bench = bench(&[]);
    let space = bench.shared().space();
    let first = bench.addrs[0];
    // Of no heap; of this one, and of no span.
    let beyond = first & !(greyset_alloc::PAGE_SIZE - 1);
    let free =
        (1..).map(|page| beyond + page * greyset_alloc::PAGE_SIZE).find(|&at| space.slot_at(at).is_none());
    for addr in [0x10_0000, free.expect("the heap is not full")] {
        bench.root.set_addr(addr);
        let blame = bench.blame();
        assert_eq!(blame.rule, format!("{addr:#x} is referred to and lies in no object of the heap"));
        let path = blame.path.expect("a path");
        assert_eq!((path.from, path.links.len()), (Holder::Root, 1));
        assert_eq!((path.links[0].name.as_str(), path.links[0].addr), ("nothing", addr));
    }
    bench.root.set_addr(first);
    assert!(bench.stepper.verify().is_ok());
}

#[test]
fn a_reference_into_an_unused_run_is_told_with_whose_run_it_is() {
    let mut bench = bench(&[]);
    assert!(bench.stepper.verify().is_ok());
    let mut unused = 0;
    crate::mutator::with_parked_caches(bench.shared(), &bench.shared().mutators.lock(), |_, cache| {
        cache.for_each_reserved(&bench.shared().alloc, |slot| unused = slot);
    });
    assert!(unused > 0, "the run of the list is not used up");
    bench.root.set_addr(unused);
    let blame = bench.blame();
    assert!(blame.rule.contains("lies in the run of mutator 1 (\"writer\")"), "{blame}");
    bench.root.set_addr(bench.addrs[0]);
    assert!(bench.stepper.verify().is_ok());
    bench.handle.enter(|m| assert_eq!(bench.root.get(m).key, 1));
}

#[test]
fn tables_that_disagree_are_told() {
    let mut bench = bench(&[]);
    bench.collect();
    // An object less than the last sweep left alive.
    bench.handle.enter(|m| _ = bench.root.get(m).next.take(m));
    bench.paint(bench.addrs[2], Colour::FREE);
    let blame = bench.blame();
    assert!(blame.rule.starts_with("heap corrupt: Live") && blame.path.is_none(), "{blame}");
}

#[test]
fn a_handle_to_a_swept_object_panics_with_its_type_in_a_heap_with_quarantine() {
    let mut bench = bench(&[Zeal::Quarantine(100), Zeal::Handles]);
    let weak = bench.handle.enter(|m| bench.root.get(m).downgrade(m));
    bench.collect();
    bench.handle.enter(|m| {
        assert!(weak.upgrade(m).is_some_and(|node| node.key == 1));
        assert_eq!(bench.root.get(m).key, 1);
    });
    bench.paint(bench.addrs[0], Colour::QUARANTINE);
    let wanted = |what| {
        let addr = bench.addrs[0];
        (
            format!("a {what} leads to a swept object: a "),
            format!("Node<'_> was at {addr:#x}, which is in quarantine now"),
        )
    };
    for (what, text) in [
        ("Root", panic_of(|| bench.handle.enter(|m| _ = bench.root.get(m)))),
        ("Weak", panic_of(|| bench.handle.enter(|m| _ = weak.upgrade(m)))),
        ("Root", panic_of(|| bench.handle.enter(|m| m.safepoint()))),
    ] {
        let (start, end) = wanted(what);
        assert!(text.starts_with(&start) && text.contains("Node") && text.contains(&end[10..]), "{text}");
    }
    bench.paint(bench.addrs[0], bench.shared().published.live());
}

#[test]
fn of_the_writes_of_a_mutator_the_last_are_kept() {
    let mut bench = bench(&[Zeal::Blame(3)]);
    let slot = bench.addrs[0] + std::mem::offset_of!(Node<'static>, next);
    bench.handle.enter(|m| {
        let node: Gc<'_, Node<'_>> = bench.root.get(m);
        let next = node.next.load(m);
        for _ in 0..5 {
            node.next.store(m, None);
            node.next.store(m, next);
        }
    });
    let writes = bench.shared().zeal.rings.writes_to(slot);
    assert_eq!(writes.iter().map(|write| write.number).collect::<Vec<_>>(), [10, 11, 12]);
    assert_eq!(writes[2].new, bench.addrs[1]);
    assert_eq!(bench.heap.zeal().map(|zeal| zeal.writes_noted), Some(12));
}
