//! A program and a schedule from bytes: what a fuzzer runs.
//!
//! The program is written in the language of the shadow model's operations (`greyset_tests::shadow::ops`) and translated: what a
//! window holds there are registers here, chosen modulo how many there are. The bytes after it are the schedule.

use crate::program::{Driver, Field, HOLDERS, How, NONE, Op, Program, REGISTERS, ROOTS, WEAKS, graph};
use crate::record::Record;
use crate::run;
use crate::strategy::Strategy;
use arbitrary::Unstructured;
use greyset_tests::shadow::model::Kind;
use greyset_tests::shadow::ops::{self, ACTORS, Act, Pick};
use greyset_tests::shadow::types;

/// Most operations of a program.
const MOST: usize = 96;

/// Runs what `bytes` mean: how many operations, the operations, the schedule.
///
/// # Panics
/// When the run fails, with its replay file for `gc-sim shrink`.
pub fn run(bytes: &[u8]) {
    let Some((&shape, bytes)) = bytes.split_first() else { return };
    let mut bytes = Unstructured::new(bytes);
    let ops = ops::from_bytes(&mut bytes, usize::from(shape) % MOST + 1);
    let workers = 1 + usize::from(shape >> 7);
    let program = program(&ops, workers);
    let report = run::run(&program, Strategy::told(bytes.take_rest()), None, false);
    if let Some(failure) = &report.failure {
        panic!("{failure}\n{}", Record::new(0, None, program.clone(), &report).to_json());
    }
}

/// The program that operations in the shared language mean.
pub fn program(ops: &[ops::Op], workers: usize) -> Program {
    let mut mutators = vec![Vec::new(); usize::from(ACTORS)];
    for (at, &op) in ops.iter().enumerate() {
        let (actor, op) = match op {
            ops::Op::Act(actor, act) => (usize::from(actor), translate(act)),
            op => (at, around(op)),
        };
        mutators[actor % usize::from(ACTORS)].extend(op);
    }
    mutators.retain(|ops| !ops.is_empty());
    if mutators.is_empty() {
        mutators.push(Vec::new());
    }
    Program {
        driver: Driver::Background,
        workers,
        setup: graph(),
        mutators,
        to_the_end: true,
        holds: Vec::new(),
    }
}

fn r(choice: u8) -> u8 {
    choice % REGISTERS as u8
}

/// What is left of a choice after a register was taken from it, among `n`.
fn rest(choice: u8, n: usize) -> u8 {
    choice / REGISTERS as u8 % n as u8
}

fn value(pick: Pick) -> u8 {
    match pick {
        Pick::Nil | Pick::Num(_) => NONE,
        Pick::Held(choice) => r(choice),
    }
}

fn field(edge: u8) -> Field {
    if edge.is_multiple_of(2) { Field::A } else { Field::B }
}

/// Edges from here on are words, of words objects in the place of nodes.
const WORDS: u8 = 192;

fn how(how: types::How) -> How {
    match how {
        types::How::Store => How::Store,
        types::How::Swap => How::Swap,
        types::How::Exchange => How::Exchange,
    }
}

/// What is done to handles and to the collector: by the mutator whose turn it is.
fn around(op: ops::Op) -> Option<Op> {
    let g = |choice: u8| choice % ROOTS as u8;
    Some(match op {
        ops::Op::CloneRoot(choice) => {
            Op::CloneRoot { g: g(choice), h: g(choice / ROOTS as u8), far: choice < 128 }
        }
        ops::Op::DropRoot(choice) => Op::Unroot { g: g(choice), far: choice < 128 },
        ops::Op::DropWeak(choice) => Op::Duplicate { w: choice % WEAKS as u8, v: choice / 2 % WEAKS as u8 },
        ops::Op::FullCycle => Op::Collect,
        ops::Op::NextPhase | ops::Op::Step(_) => Op::Request,
        _ => return None,
    })
}

fn alloc(kind: Kind, edges: [Pick; 3]) -> Op {
    let [a, b, c] = edges.map(value);
    let (target, holder) = (r(c), b % HOLDERS as u8);
    match kind {
        Kind::Node | Kind::Cells => Op::New { r: target, a, b, leaf: kind == Kind::Cells },
        Kind::Bag => Op::NewCell { c: holder, r: a },
        Kind::Table => Op::NewTable { c: holder },
        Kind::Holder => Op::Weaken { r: a, w: b % WEAKS as u8, set: false },
        Kind::Row(_) => Op::NewRow { c: holder, r: a },
        Kind::Words(n) if n % 4 == 0 => Op::RowFill { c: holder, r: a },
        Kind::Words(_) => Op::NewWords { c: holder, r: a },
        Kind::Leaf => Op::SetLeaf { r: a, new: b != NONE },
        _ => Op::Garbage { n: 1 + a },
    }
}

/// One operation of a window; none for those that have no meaning here.
fn translate(act: Act) -> Option<Op> {
    Some(match act {
        Act::Safepoint => Op::Safepoint,
        Act::Leave => Op::Leave,
        Act::Block => Op::Block,
        Act::Detach => Op::Reattach,
        Act::Alloc { kind, edges } => alloc(kind, edges),
        Act::Load { held, edge } if edge >= WORDS => {
            Op::WordGet { c: r(held) % HOLDERS as u8, i: edge % 2, r: rest(held, REGISTERS) }
        }
        Act::Load { held, edge } => Op::Load { r: rest(held, REGISTERS), s: r(held), field: field(edge) },
        Act::Store { held, edge, value, how: by } => store(held, edge, value, how(by)),
        Act::Root { held } => Op::Root { r: r(held), g: rest(held, ROOTS) },
        Act::Get { root } => Op::FromRoot { r: r(root), g: rest(root, ROOTS) },
        Act::Interior { held } => Op::InnerRoot { c: rest(held, HOLDERS), r: r(held) },
        Act::ReadInterior { root } => Op::FromInner { c: rest(root, HOLDERS), r: r(root) },
        Act::Downgrade { held } => Op::Weaken { r: r(held), w: rest(held, WEAKS), set: false },
        Act::Upgrade { weak } => Op::Upgrade { r: r(weak), w: rest(weak, WEAKS) },
        Act::WeakSet { weak, value: pick } => Op::Weaken { r: value(pick), w: weak % WEAKS as u8, set: true },
        Act::HolderUpgrade { held } => Op::UpgradeLeaf { r: r(held), w: rest(held, WEAKS) },
        Act::HolderSet { held, value } => Op::WeakenLeaf { r: r(held), w: value % WEAKS as u8 },
        act => return holders(act),
    })
}

fn store(held: u8, edge: u8, pick: Pick, how: How) -> Op {
    let (s, field) = (r(held), field(edge));
    let (c, i) = (s % HOLDERS as u8, edge % 2);
    match pick {
        Pick::Nil if edge >= WORDS => Op::WordTake { c, i, r: rest(held, REGISTERS), how },
        _ if edge >= WORDS => Op::WordSet { c, i, r: value(pick), how },
        Pick::Held(choice) => Op::Store { r: s, field, s: r(choice), how },
        Pick::Nil => Op::Cut { r: rest(held, REGISTERS), s, field, how },
        Pick::Num(n) => Op::Hide { s, field, how, g: n.unsigned_abs() % ROOTS as u8 },
    }
}

/// Those on cells, tables, rows and what comes at an object's end.
fn holders(act: Act) -> Option<Op> {
    let c = |choice: u8| choice % HOLDERS as u8;
    let i = |choice: u8| choice / HOLDERS as u8 % 2;
    let leaf = |choice: u8| choice >= 128;
    Some(match act {
        Act::CopyWithin { held, from, len, .. } if from < len => Op::RowCopy { c: c(held), d: c(from) },
        Act::CopyWithin { held, .. } => Op::RowShift { c: c(held) },
        Act::MapInsert { table, key, value } => {
            Op::MapInsert { c: c(table), r: r(key), s: r(value), leaf: leaf(table) }
        }
        Act::MapGet { table, key } => {
            Op::MapGet { c: c(table), r: r(key), s: rest(key, REGISTERS), leaf: leaf(table), remove: false }
        }
        Act::MapRemove { table, key } => {
            Op::MapGet { c: c(table), r: r(key), s: rest(key, REGISTERS), leaf: leaf(table), remove: true }
        }
        Act::Push { bag, value } => {
            Op::CellSet { c: c(bag), i: i(bag), r: value % (NONE + 1), forget: false }
        }
        Act::Pop { bag } => Op::CellTake { c: c(bag), i: i(bag), r: bag >> 6 },
        // A cell whose trace panics so often: seldom, since a cycle that is given up finds nothing.
        Act::Item { bag, at } if at >= 248 => Op::Fuse { c: c(bag), inside: at % 2 == 0, n: 1 + at % 3 },
        Act::Item { bag, at } => Op::CellGet { c: c(bag), i: i(bag), r: r(at) },
        Act::Guard { bag } => Op::CellSet { c: c(bag), i: i(bag), r: bag >> 6, forget: true },
        Act::Cleanup { held } => Op::Cleanup { r: r(held) },
        Act::Finalize { held } => Op::Finalize { r: r(held) },
        Act::Poll => Op::Poll { r: 0 },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of bytes is a program that can be run, and most kinds of operation come up.
    #[test]
    fn bytes_make_valid_programs() {
        let mut kinds = std::collections::HashSet::new();
        for seed in 0..200u64 {
            let mut rng = crate::rng::Rng::new(seed);
            let bytes: Vec<u8> = (0..600).map(|_| rng.below(256) as u8).collect();
            let ops = ops::from_bytes(&mut Unstructured::new(&bytes), MOST);
            let program = program(&ops, 1);
            assert_eq!(program.check(), Ok(()));
            kinds.extend(program.mutators.iter().flatten().map(std::mem::discriminant));
        }
        assert!(kinds.len() >= 40, "{} kinds of operation", kinds.len());
    }
}
