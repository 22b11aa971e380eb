//! Rows of operations for the property test: random ones that shrink.

use greyset_tests::shadow::model::Kind;
use greyset_tests::shadow::ops::{ACTORS, Act, Op, Pick};
use greyset_tests::shadow::types::{How, LARGE_ROW, LARGE_WORDS};
use proptest::prelude::*;

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        2 => Just(Pick::Nil),
        1 => any::<i8>().prop_map(Pick::Num),
        7 => any::<u8>().prop_map(Pick::Held),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => Just(Kind::Node),
        3 => Just(Kind::Cells),
        3 => Just(Kind::Bag),
        3 => Just(Kind::Table),
        1 => Just(Kind::Holder),
        2 => (1usize..6).prop_map(Kind::Row),
        2 => (1usize..6).prop_map(Kind::Words),
        1 => Just(Kind::Row(LARGE_ROW)),
        1 => Just(Kind::Words(LARGE_WORDS)),
        4 => Just(Kind::Leaf),
        1 => Just(Kind::Giant),
        1 => (1usize..5).prop_map(Kind::Crowd),
        1 => Just(Kind::Text),
        1 => Just(Kind::Str),
        1 => prop_oneof![Just(8usize), Just(100), Just(40_000)].prop_map(Kind::Bytes),
    ]
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![3 => Just(How::Store), 1 => Just(How::Swap), 1 => Just(How::Exchange)]
}

fn bounds() -> impl Strategy<Value = Act> {
    prop_oneof![12 => Just(Act::Safepoint), 4 => Just(Act::Leave), 2 => Just(Act::Block), 1 => Just(Act::Detach)]
}

fn graph() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        6 => (kind(), [pick(), pick(), pick()]).prop_map(|(kind, edges)| Act::Alloc { kind, edges }),
        6 => (u(), u()).prop_map(|(held, edge)| Act::Load { held, edge }),
        9 => (u(), u(), pick(), how()).prop_map(|(held, edge, value, how)| Act::Store { held, edge, value, how }),
        1 => (u(), u(), u(), u()).prop_map(|(held, from, len, at)| Act::CopyWithin { held, from, len, at }),
        1 => Just(Act::Forget),
        1 => Just(Act::Walk),
    ]
}

fn roots() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        4 => u().prop_map(|held| Act::Root { held }),
        9 => u().prop_map(|root| Act::Get { root }),
        1 => u().prop_map(|held| Act::Interior { held }),
        1 => u().prop_map(|root| Act::ReadInterior { root }),
    ]
}

fn locks() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        2 => (u(), u()).prop_map(|(bag, value)| Act::Push { bag, value }),
        1 => u().prop_map(|bag| Act::Pop { bag }),
        2 => (u(), u()).prop_map(|(bag, at)| Act::Item { bag, at }),
        1 => u().prop_map(|bag| Act::Guard { bag }),
        1 => Just(Act::Unguard),
    ]
}

fn weaks() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        3 => u().prop_map(|held| Act::Downgrade { held }),
        5 => u().prop_map(|weak| Act::Upgrade { weak }),
        2 => (u(), pick()).prop_map(|(weak, value)| Act::WeakSet { weak, value }),
        2 => u().prop_map(|held| Act::HolderUpgrade { held }),
        1 => (u(), u()).prop_map(|(held, value)| Act::HolderSet { held, value }),
    ]
}

fn maps() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        3 => (u(), u(), u()).prop_map(|(table, key, value)| Act::MapInsert { table, key, value }),
        3 => (u(), u()).prop_map(|(table, key)| Act::MapGet { table, key }),
        1 => (u(), u()).prop_map(|(table, key)| Act::MapRemove { table, key }),
    ]
}

fn ends() -> impl Strategy<Value = Act> {
    let u = any::<u8>;
    prop_oneof![
        1 => u().prop_map(|held| Act::Cleanup { held }),
        3 => u().prop_map(|held| Act::Finalize { held }),
        3 => Just(Act::Poll),
    ]
}

/// How often the members of each group come in one row. Rows that differ in this find more than rows that are all alike
/// (swarm testing, Groce 2012).
#[derive(Clone, Copy, Debug)]
struct Weights {
    bounds: u32,
    locks: u32,
    weaks: u32,
    maps: u32,
    ends: u32,
    steps: u32,
    phases: u32,
}

fn weights() -> impl Strategy<Value = Weights> {
    let weight = || prop_oneof![Just(1u32), Just(3), Just(10)];
    let rest = (prop_oneof![Just(4u32), Just(10), Just(20)], prop_oneof![Just(1u32), Just(5)]);
    (weight(), weight(), weight(), weight(), weight(), rest).prop_map(
        |(bounds, locks, weaks, maps, ends, (steps, phases))| Weights {
            bounds,
            locks,
            weaks,
            maps,
            ends,
            steps,
            phases,
        },
    )
}

fn act(of: Weights) -> impl Strategy<Value = Act> {
    prop_oneof![
        of.bounds => bounds(),
        12 => graph(),
        8 => roots(),
        of.locks => locks(),
        of.weaks => weaks(),
        of.maps => maps(),
        of.ends => ends(),
    ]
}

/// One operation.
fn op(of: Weights) -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (0..ACTORS, act(of)).prop_map(|(actor, act)| Op::Act(actor, act)),
        1 => any::<u8>().prop_map(Op::CloneRoot),
        3 => any::<u8>().prop_map(Op::DropRoot),
        1 => any::<u8>().prop_map(Op::DropInterior),
        1 => any::<u8>().prop_map(Op::DropWeak),
        1 => any::<u8>().prop_map(Op::CancelCleanup),
        of.steps => (1u8..4).prop_map(Op::Step),
        4 => (1u8..8).prop_map(Op::Mark),
        3 => (1u8..4).prop_map(Op::Sweep),
        of.phases => Just(Op::NextPhase),
        1 => Just(Op::Verify),
        1 => Just(Op::FullCycle),
    ]
}

/// Rows of operations.
pub fn rows() -> impl Strategy<Value = Vec<Op>> {
    weights().prop_flat_map(|of| prop::collection::vec(op(of), 20..300))
}
