//! The language of operations on a heap: what the property test of the shadow model, the fuzzers and the simulator run.
//!
//! Numbers in an operation choose among what there is, modulo how much there is; with nothing to choose from an operation
//! does nothing. So every row of operations means something, and shrinks; and so does every row of bytes ([`from_bytes`]).

use super::model::Kind;
use super::types::{How, LARGE_ROW, LARGE_WORDS};
use arbitrary::{Arbitrary, Result, Unstructured};

/// Mutators at most.
pub const ACTORS: u8 = 3;

/// What to put into an edge.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Pick {
    /// Nothing.
    Nil,
    /// A number, where that fits.
    Num(i8),
    /// A pointer the window holds.
    Held(u8),
}

/// What a mutator does. `u8`s choose a held pointer (of the right kind), a root, an edge, …
#[derive(Clone, Copy, Debug, Arbitrary)]
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

/// The row of operations that `bytes` mean: until they are used up, but at most so many.
pub fn from_bytes(bytes: &mut Unstructured<'_>, most: usize) -> Vec<Op> {
    let next = || if bytes.is_empty() { None } else { Op::arbitrary(bytes).ok() };
    std::iter::from_fn(next).take(most).collect()
}

/// Two out of three are a mutator's.
impl Arbitrary<'_> for Op {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Op> {
        Ok(match u.int_in_range(0..=32u8)? {
            0 => Op::CloneRoot(u.arbitrary()?),
            1 => Op::DropRoot(u.arbitrary()?),
            2 => Op::DropInterior(u.arbitrary()?),
            3 => Op::DropWeak(u.arbitrary()?),
            4 => Op::CancelCleanup(u.arbitrary()?),
            5 => Op::Step(u.int_in_range(1..=3)?),
            6 => Op::Mark(u.int_in_range(1..=7)?),
            7 => Op::Sweep(u.int_in_range(1..=3)?),
            8 => Op::NextPhase,
            9 => Op::Verify,
            10 => Op::FullCycle,
            actor => Op::Act(actor % ACTORS, u.arbitrary()?),
        })
    }
}

impl Arbitrary<'_> for Kind {
    fn arbitrary(u: &mut Unstructured<'_>) -> Result<Kind> {
        Ok(match u.int_in_range(0..=17u8)? {
            0 => Kind::Cells,
            1 => Kind::Bag,
            2 => Kind::Table,
            3 => Kind::Holder,
            4 => Kind::Row(u.int_in_range(1..=5)?),
            5 => Kind::Words(u.int_in_range(1..=5)?),
            6 => Kind::Row(LARGE_ROW),
            7 => Kind::Words(LARGE_WORDS),
            8 => Kind::Leaf,
            9 => Kind::Giant,
            10 => Kind::Crowd(u.int_in_range(1..=4)?),
            11 => Kind::Text,
            12 => Kind::Str,
            13 => Kind::Bytes(*u.choose(&[8, 100, 40_000])?),
            _ => Kind::Node,
        })
    }
}
