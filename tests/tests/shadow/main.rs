//! Random operations of three mutators, interleaved with single steps of the collector, against a shadow model.
//!
//! Whatever the model says is reachable must be intact; what is not must be gone after a whole cycle; destructors,
//! cleanups and finalizer queues see each object once. `PROPTEST_CASES` sets the number of cases.

mod rows;

use greyset_tests::shadow::rig::Rig;
use proptest::prelude::*;

/// Cases, unless the environment says otherwise.
const CASES: u32 = 500;

fn config() -> ProptestConfig {
    // Of what is no number, proptest would make a warning and cases of its own.
    let cases = std::env::var("PROPTEST_CASES")
        .map_or(CASES, |text| text.parse().expect("PROPTEST_CASES is a number"));
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn heap_does_what_its_shadow_does(ops in rows::rows()) {
        let done = Rig::new().run(&ops);
        prop_assert!(done.is_ok(), "{}", done.unwrap_err());
    }
}

/// Before 0514302 a marker put an object off as long as a guard of its captured `Lock` was held: marking did not end.
#[test]
fn a_guard_is_held_while_a_whole_cycle_begins() {
    use greyset_tests::shadow::model::Kind;
    use greyset_tests::shadow::ops::Act::{
        Alloc, Get, Guard, HolderSet, Item, Leave, Load, Root, Safepoint, WeakSet,
    };
    use greyset_tests::shadow::ops::Op::{Act, CloneRoot, DropRoot, FullCycle, Mark, Step, Sweep};
    use greyset_tests::shadow::ops::Pick::Nil;

    let ops = [
        Act(2, Safepoint),
        Act(2, Alloc { kind: Kind::Bag, edges: [Nil, Nil, Nil] }),
        Step(1),
        Act(2, Root { held: 0 }),
        Act(2, Leave),
        CloneRoot(0),
        Step(2),
        Act(2, Get { root: 0 }),
        Act(2, Guard { bag: 0 }),
        Act(0, Safepoint),
        Act(0, Safepoint),
        Act(0, Load { held: 0, edge: 126 }),
        FullCycle,
        Sweep(2),
        DropRoot(41),
        Act(1, HolderSet { held: 163, value: 156 }),
        Act(0, Item { bag: 79, at: 103 }),
        Act(2, Root { held: 205 }),
        Mark(1),
        Act(1, WeakSet { weak: 104, value: Nil }),
    ];
    assert_eq!(Rig::new().run(&ops).map(|cycles| cycles > 1), Ok(true));
}

/// A table that maps to another, both finalizable and delivered in one cycle. One is polled, and the other, read from it, is ready
/// nevertheless. The model knew only of edges here, too.
#[test]
fn what_a_polled_table_maps_to_may_be_ready() {
    use greyset_tests::shadow::model::Kind;
    use greyset_tests::shadow::ops::Act::{Alloc, Finalize, MapGet, MapInsert, Poll};
    use greyset_tests::shadow::ops::Op::{Act, FullCycle};
    use greyset_tests::shadow::ops::Pick::{Held, Nil};

    let ops = [
        Act(0, Alloc { kind: Kind::Table, edges: [Nil, Nil, Nil] }),
        Act(0, Alloc { kind: Kind::Table, edges: [Nil, Nil, Held(59)] }),
        Act(0, MapInsert { table: 189, key: 185, value: 114 }),
        Act(0, Finalize { held: 91 }),
        Act(0, Finalize { held: 194 }),
        FullCycle,
        Act(0, Poll),
        Act(0, MapGet { table: 52, key: 12 }),
    ];
    assert_eq!(Rig::new().run(&ops), Ok(2));
}

/// A table that maps itself to a node, both finalizable: it is delivered in one cycle and keeps the node in the next. The model
/// knew only of edges.
#[test]
fn a_delivered_table_keeps_what_it_maps_to() {
    use greyset_tests::shadow::model::Kind;
    use greyset_tests::shadow::ops::Act::{Alloc, Finalize, Interior, MapInsert};
    use greyset_tests::shadow::ops::Op::{Act, DropInterior, Step};
    use greyset_tests::shadow::ops::Pick::Nil;

    let edges = [Nil, Nil, Nil];
    let ops = [
        Act(2, Alloc { kind: Kind::Node, edges }),
        Act(2, Interior { held: 0 }),
        Act(2, Finalize { held: 0 }),
        Step(2),
        Act(2, Alloc { kind: Kind::Table, edges }),
        Act(2, MapInsert { table: 0, key: 1, value: 0 }),
        Act(2, Finalize { held: 1 }),
        DropInterior(0),
    ];
    assert_eq!(Rig::new().run(&ops), Ok(2));
}
