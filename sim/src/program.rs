//! Programs: what each mutator does, and what another thread does to roots meanwhile.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// Registers of a mutator, empty at the start of each window.
pub const REGISTERS: usize = 4;
/// Global roots on nodes.
pub const ROOTS: usize = 4;
/// Global weak handles on nodes, and on leaves.
pub const WEAKS: usize = 2;
/// Global cells, tables and rows, of each kind.
pub const HOLDERS: usize = 2;

/// A slot of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Field {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a slot is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum How {
    /// `Slot::store`.
    Store,
    /// `Slot::swap`.
    Swap,
    /// `Slot::load`, then `Slot::compare_exchange`.
    Exchange,
}

/// An operation. `r`, `s`: registers; `g`: a global root; `w`: a weak handle; `c`: a cell, table or row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "one line each says it")]
pub enum Op {
    /// r := a new node with slots a = s, b = t (register numbers from REGISTERS on: none).
    New { r: u8, a: u8, b: u8, leaf: bool },
    /// Allocates n nodes and forgets them.
    Garbage { n: u8 },
    /// r := s.field
    Load { r: u8, s: u8, field: Field },
    /// r.field := s (or none)
    Store { r: u8, field: Field, s: u8, how: How },
    /// s.field is taken out and becomes all that a new node refers to, which becomes global root g.
    Hide { s: u8, field: Field, how: How, g: u8 },
    /// r.field := s, then s is dropped from all registers: who loads it next decides.
    Move { r: u8, field: Field, s: u8, from: Field },
    /// Global root g := r.
    Root { r: u8, g: u8 },
    /// r := global root g.
    FromRoot { r: u8, g: u8 },
    /// Global root g is dropped, here or by the dropper.
    Unroot { g: u8, far: bool },
    /// Global root h := a clone of g.
    CloneRoot { g: u8, h: u8 },
    /// Weak handle w := r, a new handle or the old one set.
    Weaken { r: u8, w: u8, set: bool },
    /// r := upgrade of w.
    Upgrade { r: u8, w: u8 },
    /// Weak handle v := a duplicate of w.
    Duplicate { w: u8, v: u8 },
    /// Weak handle w on a leaf := the leaf of r.
    WeakenLeaf { r: u8, w: u8 },
    /// The leaf of r := upgrade of the leaf handle w.
    UpgradeLeaf { r: u8, w: u8 },
    /// The leaf of r := none, or a new one.
    SetLeaf { r: u8, new: bool },
    /// Cell c := a new cell with r in it.
    NewCell { c: u8, r: u8 },
    /// Entry i of cell c := r (or none); the guard may be forgotten.
    CellSet { c: u8, i: u8, r: u8, forget: bool },
    /// r := entry i of cell c.
    CellGet { c: u8, i: u8, r: u8 },
    /// r := entry i of cell c, which becomes none.
    CellTake { c: u8, i: u8, r: u8 },
    /// Table c := a new one.
    NewTable { c: u8 },
    /// Table c maps r (or its leaf) to s.
    MapInsert { c: u8, r: u8, s: u8, leaf: bool },
    /// s := what table c maps r (or its leaf) to; it may be taken out.
    MapGet { c: u8, r: u8, s: u8, leaf: bool, remove: bool },
    /// Row c := a new one with r in slot 0.
    NewRow { c: u8, r: u8 },
    /// Slot i of row c := r (or none).
    RowSet { c: u8, i: u8, r: u8 },
    /// r := slot i of row c.
    RowGet { c: u8, i: u8, r: u8 },
    /// Row c: slots are copied to the left by one.
    RowShift { c: u8 },
    /// Row c: every slot := r (or none).
    RowFill { c: u8, r: u8 },
    /// Row c := what row d holds.
    RowCopy { c: u8, d: u8 },
    /// Inner root c := slot a of r, as an object of its own.
    InnerRoot { c: u8, r: u8 },
    /// r := what the slot of inner root c holds.
    FromInner { c: u8, r: u8 },
    /// r is handed to the finalizer queue when it dies.
    Finalize { r: u8 },
    /// r := the next object of the finalizer queue.
    Poll { r: u8 },
    /// A cleanup is registered for r.
    Cleanup { r: u8 },
    /// Asks for a cycle.
    Request,
    /// A safepoint.
    Safepoint,
    /// Parks for a while.
    Block,
    /// Leaves the heap and enters it again.
    Leave,
    /// Detaches and attaches again.
    Reattach,
    /// Runs a whole cycle.
    Collect,
}

impl Op {
    /// Whether it ends the window.
    pub fn ends_window(self) -> bool {
        matches!(self, Op::Safepoint | Op::Block | Op::Leave | Op::Reattach | Op::Collect)
    }
}

/// Who steps the collector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Driver {
    /// Threads of its own, and mutators at safepoints.
    Background,
    /// Mutators only.
    Inline,
}

/// A whole program.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    /// Who steps the collector.
    pub driver: Driver,
    /// Marker threads.
    pub workers: usize,
    /// What each mutator does.
    pub mutators: Vec<Vec<Op>>,
}

/// What a program is mostly about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Theme {
    Slots,
    Roots,
    Weak,
    Leaves,
    Cells,
    Tables,
    Rows,
    Inner,
    Final,
    Allocation,
    All,
}

const THEMES: [Theme; 14] = [
    Theme::Slots,
    Theme::Slots,
    Theme::Slots,
    Theme::Roots,
    Theme::Weak,
    Theme::Weak,
    Theme::Leaves,
    Theme::Cells,
    Theme::Tables,
    Theme::Rows,
    Theme::Inner,
    Theme::Final,
    Theme::Allocation,
    Theme::All,
];

/// Makes a program from a seed. `mutators` 0: one to four.
pub fn generate(seed: u64, mutators: usize) -> Program {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let count = if mutators > 0 { mutators } else { [1, 2, 2, 2, 3, 3, 4][rng.below(7)] };
    let driver = if rng.one_in(8) { Driver::Inline } else { Driver::Background };
    let workers = [1, 1, 2, 3][rng.below(4)];
    let theme = THEMES[rng.below(THEMES.len())];
    let length = [8, 14, 24][rng.below(3)];
    let mutators = (0..count).map(|_| ops(&mut rng, theme, length)).collect();
    Program { driver, workers, mutators }
}

/// A program of a few operations, for schedules that are enumerated.
pub fn generate_tiny(seed: u64, mutators: usize) -> Program {
    let mut rng = Rng::new(seed ^ 0x71e5);
    let theme = THEMES[rng.below(THEMES.len())];
    let count = if mutators > 0 { mutators } else { 2 };
    let mutators = (0..count).map(|_| ops(&mut rng, theme, 4)).collect();
    Program { driver: Driver::Background, workers: 1, mutators }
}

fn ops(rng: &mut Rng, theme: Theme, length: usize) -> Vec<Op> {
    let mut ops = Vec::with_capacity(length + 8);
    // Registers that hold something, as far as can be foretold.
    while ops.len() < length {
        match rng.below(16) {
            0..=2 => ops.push(boundary(rng)),
            3 => ops.push(Op::Request),
            4..=5 => ops.push(Op::FromRoot { r: reg(rng), g: rng.below(ROOTS) as u8 }),
            6..=8 => ops.push(slot_op(rng)),
            _ => ops.push(themed(rng, theme)),
        }
        if ops.last().is_some_and(|op| op.ends_window()) || ops.len() == 1 {
            ops.push(Op::FromRoot { r: rng.below(2) as u8, g: rng.below(2) as u8 });
            if rng.one_in(2) {
                ops.push(Op::Load { r: 2, s: rng.below(2) as u8, field: field(rng) });
            }
        }
    }
    ops
}

fn reg(rng: &mut Rng) -> u8 {
    rng.below(REGISTERS) as u8
}

/// A register or none.
fn maybe(rng: &mut Rng) -> u8 {
    if rng.one_in(4) { REGISTERS as u8 } else { reg(rng) }
}

fn field(rng: &mut Rng) -> Field {
    if rng.one_in(3) { Field::B } else { Field::A }
}

fn how(rng: &mut Rng) -> How {
    [How::Store, How::Swap, How::Exchange][rng.below(3)]
}

fn boundary(rng: &mut Rng) -> Op {
    match rng.below(16) {
        0..=9 => Op::Safepoint,
        10 => Op::Block,
        11..=12 => Op::Leave,
        13..=14 => Op::Reattach,
        _ => Op::Collect,
    }
}

fn slot_op(rng: &mut Rng) -> Op {
    let g = rng.below(ROOTS) as u8;
    match rng.below(12) {
        0..=1 => Op::New { r: reg(rng), a: maybe(rng), b: maybe(rng), leaf: rng.one_in(3) },
        2..=3 => Op::Load { r: reg(rng), s: reg(rng), field: field(rng) },
        4..=6 => Op::Store { r: reg(rng), field: field(rng), s: maybe(rng), how: how(rng) },
        7..=8 => Op::Hide { s: reg(rng), field: field(rng), how: how(rng), g },
        9 => Op::Move { r: reg(rng), field: field(rng), s: reg(rng), from: field(rng) },
        10 => Op::Root { r: reg(rng), g },
        _ => Op::Garbage { n: 1 + rng.below(4) as u8 },
    }
}

fn themed(rng: &mut Rng, theme: Theme) -> Op {
    let (g, w, c) = (rng.below(ROOTS) as u8, rng.below(WEAKS) as u8, rng.below(HOLDERS) as u8);
    match theme {
        Theme::Slots => slot_op(rng),
        Theme::Roots => match rng.below(6) {
            0..=1 => Op::Root { r: reg(rng), g },
            2..=3 => Op::Unroot { g, far: rng.one_in(2) },
            4 => Op::CloneRoot { g, h: rng.below(ROOTS) as u8 },
            _ => Op::FromRoot { r: reg(rng), g },
        },
        Theme::Weak => match rng.below(8) {
            0..=1 => Op::Weaken { r: reg(rng), w, set: rng.one_in(2) },
            2..=4 => Op::Upgrade { r: reg(rng), w },
            5 => Op::Duplicate { w, v: rng.below(WEAKS) as u8 },
            6 => Op::Unroot { g, far: rng.one_in(2) },
            _ => Op::Root { r: reg(rng), g },
        },
        Theme::Leaves => match rng.below(8) {
            0 => Op::New { r: reg(rng), a: maybe(rng), b: maybe(rng), leaf: true },
            1 => Op::SetLeaf { r: reg(rng), new: rng.one_in(2) },
            2..=3 => Op::WeakenLeaf { r: reg(rng), w },
            4..=5 => Op::UpgradeLeaf { r: reg(rng), w },
            6 => Op::MapInsert { c, r: reg(rng), s: reg(rng), leaf: true },
            _ => Op::MapGet { c, r: reg(rng), s: reg(rng), leaf: true, remove: rng.one_in(2) },
        },
        Theme::Cells => match rng.below(8) {
            0 => Op::NewCell { c, r: maybe(rng) },
            1..=3 => Op::CellSet { c, i: rng.below(2) as u8, r: maybe(rng), forget: rng.one_in(6) },
            4..=5 => Op::CellTake { c, i: rng.below(2) as u8, r: reg(rng) },
            6 => Op::CellGet { c, i: rng.below(2) as u8, r: reg(rng) },
            _ => Op::Unroot { g, far: false },
        },
        Theme::Tables => match rng.below(8) {
            0 => Op::NewTable { c },
            1..=3 => Op::MapInsert { c, r: reg(rng), s: reg(rng), leaf: rng.one_in(4) },
            4..=6 => Op::MapGet { c, r: reg(rng), s: reg(rng), leaf: rng.one_in(4), remove: rng.one_in(2) },
            _ => Op::Unroot { g, far: false },
        },
        Theme::Rows => row_op(rng, c),
        Theme::Inner => match rng.below(6) {
            0..=1 => Op::InnerRoot { c, r: reg(rng) },
            2..=3 => Op::FromInner { c, r: reg(rng) },
            4 => Op::Unroot { g, far: false },
            _ => Op::Root { r: reg(rng), g },
        },
        Theme::Final => match rng.below(8) {
            0..=2 => Op::Finalize { r: reg(rng) },
            3..=4 => Op::Poll { r: reg(rng) },
            5 => Op::Cleanup { r: reg(rng) },
            _ => Op::Unroot { g, far: rng.one_in(2) },
        },
        Theme::Allocation => match rng.below(4) {
            0 => Op::Garbage { n: 2 + rng.below(8) as u8 },
            1 => boundary(rng),
            _ => Op::New { r: reg(rng), a: maybe(rng), b: maybe(rng), leaf: rng.one_in(2) },
        },
        Theme::All => {
            let one = THEMES[rng.below(THEMES.len() - 1)];
            themed(rng, one)
        }
    }
}

fn row_op(rng: &mut Rng, c: u8) -> Op {
    match rng.below(9) {
        0 => Op::NewRow { c, r: maybe(rng) },
        1..=2 => Op::RowSet { c, i: rng.below(2) as u8, r: maybe(rng) },
        3..=4 => Op::RowGet { c, i: rng.below(2) as u8, r: reg(rng) },
        5..=6 => Op::RowShift { c },
        7 => Op::RowFill { c, r: maybe(rng) },
        _ => Op::RowCopy { c, d: rng.below(HOLDERS) as u8 },
    }
}
