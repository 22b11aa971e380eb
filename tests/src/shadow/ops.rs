//! The operations of the shadow test, and a strategy that makes rows of them.
//!
//! Numbers in an operation choose among what there is, modulo how much there is; with nothing to choose from an operation
//! does nothing. So every row of operations means something, and shrinks.

use super::model::Kind;
use super::types::{How, LARGE_ROW, LARGE_WORDS};
use proptest::prelude::*;

/// Mutators at most.
pub const ACTORS: u8 = 3;

/// What to put into an edge.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    /// Nothing.
    Nil,
    /// A number, where that fits.
    Num(i8),
    /// A pointer the window holds.
    Held(u8),
}

/// What a mutator does. `u8`s choose a held pointer (of the right kind), a root, an edge, …
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Act {
    Safepoint,
    Leave,
    Block,
    Detach,
    Alloc { kind: Kind, edges: [Pick; 3] },
    Load { held: u8, edge: u8 },
    Store { held: u8, edge: u8, value: Pick, how: How },
    CopyWithin { held: u8, from: u8, len: u8, at: u8 },
    Root { held: u8 },
    Get { root: u8 },
    Interior { held: u8 },
    ReadInterior { root: u8 },
    Downgrade { held: u8 },
    Upgrade { weak: u8 },
    WeakSet { weak: u8, value: Pick },
    HolderUpgrade { held: u8 },
    HolderSet { held: u8, value: u8 },
    MapInsert { table: u8, key: u8, value: u8 },
    MapGet { table: u8, key: u8 },
    MapRemove { table: u8, key: u8 },
    Push { bag: u8, value: u8 },
    Pop { bag: u8 },
    Item { bag: u8, at: u8 },
    Guard { bag: u8 },
    Unguard,
    Cleanup { held: u8 },
    Finalize { held: u8 },
    Poll,
    Forget,
    Walk,
}

/// What is done next.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Op {
    Act(u8, Act),
    CloneRoot(u8),
    DropRoot(u8),
    DropInterior(u8),
    DropWeak(u8),
    CancelCleanup(u8),
    Step(u8),
    Mark(u8),
    Sweep(u8),
    NextPhase,
    Verify,
    FullCycle,
}

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
