//! Programs: what is in the heap at the start, and what each mutator does.

use greyset_sync::Point;
use serde::{Deserialize, Serialize};

/// Registers of a mutator, empty at the start of each window.
pub const REGISTERS: usize = 4;
/// Registers from REGISTERS on hold nothing.
pub const NONE: u8 = REGISTERS as u8;
/// Global roots on nodes.
pub const ROOTS: usize = 3;
/// Global weak handles on nodes, and on leaves.
pub const WEAKS: usize = 2;
/// Global cells, tables, rows and objects of words, of each kind.
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

/// A phase of the cycle, or a mode of the mutator's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "docs/PROTOCOL.md says it")]
pub enum When {
    Idle,
    Prepare,
    Mark,
    Terminate,
    Clear,
    Sweep,
    Both,
    Deletion,
}

impl When {
    /// As the heap names it.
    pub fn name(self) -> &'static str {
        match self {
            When::Both => "Both",
            When::Deletion => "Deletion",
            When::Idle => "idle",
            When::Prepare => "prepare",
            When::Mark => "mark",
            When::Terminate => "terminate",
            When::Clear => "clear",
            When::Sweep => "sweep",
        }
    }
}

/// An operation. `r`, `s`: registers; `g`: a global root; `w`: a weak handle; `c`: a cell, table, row or object of words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// s.field := none; r := what it held.
    Cut { r: u8, s: u8, field: Field, how: How },
    /// Global root g := r.
    Root { r: u8, g: u8 },
    /// r := global root g.
    FromRoot { r: u8, g: u8 },
    /// Global root g is dropped, here or by the dropper.
    Unroot { g: u8, far: bool },
    /// Global root h := a clone of g, made here or by the dropper.
    CloneRoot {
        g: u8,
        h: u8,
        #[serde(default)]
        far: bool,
    },
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
    /// The n-th trace from now of cell c, or of what lies behind its lock, panics.
    Fuse { c: u8, inside: bool, n: u8 },
    /// Table c := a new one.
    NewTable { c: u8 },
    /// Table c maps r (or its leaf) to s.
    MapInsert { c: u8, r: u8, s: u8, leaf: bool },
    /// s := what table c maps r (or its leaf) to; it may be taken out.
    MapGet { c: u8, r: u8, s: u8, leaf: bool, remove: bool },
    /// The map of nodes is taken out of table c and put into a new one, which becomes table d; there is no such table: dropped.
    MoveMap { c: u8, d: u8 },
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
    /// Words c := a new object with r in word 0, and a number in word 1.
    NewWords { c: u8, r: u8 },
    /// Word i of words c := r (or a number).
    WordSet { c: u8, i: u8, r: u8, how: How },
    /// r := word i of words c (none if it is a number).
    WordGet { c: u8, i: u8, r: u8 },
    /// Word i of words c := a number; r := what it held.
    WordTake { c: u8, i: u8, r: u8, how: How },
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
    /// The window stays open for so many turns of others.
    Pause { turns: u8 },
    /// The window stays open until the phase is this, or patience ends.
    Linger { phase: When },
    /// Safepoints until the phase is this and so many handshakes have been answered in it, or patience ends.
    Await { phase: When, answers: u8 },
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
    /// Whether all numbers are in range. Registers that are only read may be any: those there are not hold nothing.
    fn is_valid(self) -> bool {
        let r_ok = |r: u8| (r as usize) < REGISTERS;
        let g_ok = |g: u8| (g as usize) < ROOTS;
        let c_ok = |c: u8| (c as usize) < HOLDERS;
        let w_ok = |w: u8| (w as usize) < WEAKS;
        match self {
            Op::New { r, .. } | Op::Load { r, .. } | Op::Cut { r, .. } | Op::Poll { r } => r_ok(r),
            Op::Hide { g, .. } | Op::Root { g, .. } | Op::Unroot { g, .. } => g_ok(g),
            Op::FromRoot { r, g } => r_ok(r) && g_ok(g),
            Op::CloneRoot { g, h, .. } => g_ok(g) && g_ok(h),
            Op::Weaken { w, .. } | Op::WeakenLeaf { w, .. } | Op::UpgradeLeaf { w, .. } => w_ok(w),
            Op::Upgrade { r, w } => r_ok(r) && w_ok(w),
            Op::Duplicate { w, v } => w_ok(w) && w_ok(v),
            Op::NewCell { c, .. } | Op::NewRow { c, .. } => c_ok(c),
            Op::NewTable { c } | Op::MapInsert { c, .. } | Op::MoveMap { c, .. } => c_ok(c),
            Op::CellSet { c, i, .. } => c_ok(c) && i < 2,
            Op::CellGet { c, i, r } | Op::CellTake { c, i, r } => c_ok(c) && i < 2 && r_ok(r),
            Op::MapGet { c, s, .. } => c_ok(c) && r_ok(s),
            Op::RowSet { c, i, .. } => c_ok(c) && i < 2,
            Op::RowGet { c, i, r } => c_ok(c) && i < 2 && r_ok(r),
            Op::RowShift { c } | Op::RowFill { c, .. } | Op::InnerRoot { c, .. } => c_ok(c),
            Op::RowCopy { c, d } => c_ok(c) && c_ok(d),
            Op::NewWords { c, .. } | Op::Fuse { c, .. } => c_ok(c),
            Op::WordSet { c, i, .. } => c_ok(c) && i < 2,
            Op::WordGet { c, i, r } | Op::WordTake { c, i, r, .. } => c_ok(c) && i < 2 && r_ok(r),
            Op::FromInner { c, r } => c_ok(c) && r_ok(r),
            _ => true,
        }
    }

    /// Whether it ends the window.
    pub fn ends_window(self) -> bool {
        matches!(self, Op::Await { .. } | Op::Safepoint | Op::Block | Op::Leave | Op::Reattach | Op::Collect)
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
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Who steps the collector.
    pub driver: Driver,
    /// Marker threads.
    pub workers: usize,
    /// What is in the heap at the start: operations of task 1.
    pub setup: Vec<Op>,
    /// What each mutator does.
    pub mutators: Vec<Vec<Op>>,
    /// Whether all that must hold at the end is checked, or only that the heap is whole.
    #[serde(default)]
    pub to_the_end: bool,
    /// Where it pays to hold whom; no part of what is recorded.
    #[serde(skip)]
    pub holds: Vec<HoldAt>,
}

/// A point at which a mutator, by its number from 1, the dropper (0), a marker, the collector or the sweeper should be held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoldAt {
    /// Who.
    pub mutator: usize,
    /// Where.
    pub point: Point,
}

impl HoldAt {
    /// Stands for any marker's thread.
    pub const MARKER: usize = usize::MAX;
    /// Stands for the collector's thread.
    pub const COLLECTOR: usize = usize::MAX - 1;
    /// Stands for the sweeper's thread.
    pub const SWEEPER: usize = usize::MAX - 2;
}

impl Program {
    /// Whether it can be run: replay files may have been edited.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.mutators.is_empty() || self.mutators.len() > 4 {
            return Err(format!("{} mutators: there can be one to four", self.mutators.len()));
        }
        if !(1..=8).contains(&self.workers) {
            return Err(format!("{} marker threads: there can be one to eight", self.workers));
        }
        let wrong = self.mutators.iter().chain([&self.setup]).flatten().find(|op| !op.is_valid());
        wrong.map_or(Ok(()), |op| Err(format!("a number is out of range: {op:?}")))
    }
}

/// The graph that random programs start from.
pub fn graph() -> Vec<Op> {
    vec![
        // A chain of three, a weak handle on its end, a leaf there and a weak handle on that.
        Op::New { r: 0, a: NONE, b: NONE, leaf: true },
        Op::New { r: 1, a: 0, b: NONE, leaf: false },
        Op::New { r: 2, a: 1, b: NONE, leaf: true },
        Op::Root { r: 2, g: 0 },
        Op::Weaken { r: 0, w: 0, set: false },
        Op::WeakenLeaf { r: 0, w: 0 },
        // Another of two, and a table that maps its head to what is nowhere else.
        Op::New { r: 3, a: NONE, b: NONE, leaf: false },
        Op::New { r: 3, a: 3, b: NONE, leaf: true },
        Op::Root { r: 3, g: 1 },
        Op::NewTable { c: 0 },
        Op::New { r: 0, a: NONE, b: NONE, leaf: false },
        Op::MapInsert { c: 0, r: 3, s: 0, leaf: false },
        // Each of these is referred to from one place: a root, a cell, a row, a word.
        Op::New { r: 0, a: NONE, b: NONE, leaf: false },
        Op::New { r: 0, a: 0, b: NONE, leaf: false },
        Op::Root { r: 0, g: 2 },
        Op::New { r: 0, a: NONE, b: NONE, leaf: false },
        Op::New { r: 0, a: 0, b: NONE, leaf: false },
        Op::NewCell { c: 0, r: 0 },
        Op::New { r: 0, a: NONE, b: NONE, leaf: false },
        Op::NewRow { c: 0, r: 0 },
        Op::New { r: 0, a: NONE, b: NONE, leaf: false },
        Op::New { r: 0, a: 0, b: NONE, leaf: false },
        Op::NewWords { c: 0, r: 0 },
    ]
}
