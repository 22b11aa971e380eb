//! Programs from seeds: rows of gadgets about a theme, with windows that end anywhere between them.

mod holders;

use crate::program::{Driver, Field, How, NONE, Op, Program, REGISTERS, graph};
use crate::rng::Rng;
use crate::scenario;
use greyset_sync::Fault;
use holders::{cells, rows, tables, words};

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
    Words,
    Inner,
    Final,
    Allocation,
    All,
}

const THEMES: [Theme; 15] = [
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
    Theme::Words,
    Theme::Inner,
    Theme::Final,
    Theme::Allocation,
    Theme::All,
];

/// Makes a program from a seed: every other one in the shape of a scenario; with a rule broken, mostly of the one that
/// is about it. `mutators` 0: as it comes, one to four.
pub fn generate(seed: u64, mutators: usize, fault: Option<Fault>) -> Program {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let about = fault.and_then(scenario::for_fault).filter(|_| !rng.one_in(8));
    if about.is_some() || rng.one_in(2) {
        let scenario = about.unwrap_or_else(|| scenario::any(&mut rng));
        return scenario::generate(&mut rng, scenario, mutators);
    }
    let count = if mutators > 0 { mutators } else { [1, 2, 2, 2, 3, 3, 4][rng.below(7)] };
    let driver = if rng.one_in(8) { Driver::Inline } else { Driver::Background };
    let workers = [1, 1, 2, 3][rng.below(4)];
    let theme = THEMES[rng.below(THEMES.len())];
    let length = [8, 14, 24][rng.below(3)];
    let mutators = (0..count).map(|_| ops(&mut rng, theme, length)).collect();
    Program { driver, workers, setup: graph(), mutators, to_the_end: rng.one_in(4), holds: Vec::new() }
}

/// A program of a few operations, for schedules that are enumerated.
pub fn generate_tiny(seed: u64, mutators: usize) -> Program {
    let mut rng = Rng::new(seed ^ 0x71e5);
    let theme = THEMES[rng.below(THEMES.len())];
    let count = if mutators > 0 { mutators } else { 2 };
    let mutators = (0..count).map(|_| ops(&mut rng, theme, 4)).collect();
    Program {
        driver: Driver::Background,
        workers: 1,
        setup: graph(),
        mutators,
        to_the_end: false,
        holds: Vec::new(),
    }
}

/// Gadgets, each beginning with what it needs, so that windows may end between any two.
fn ops(rng: &mut Rng, theme: Theme, length: usize) -> Vec<Op> {
    let mut ops = Vec::with_capacity(length + 8);
    while ops.len() < length {
        if rng.one_in(8) {
            ops.push(Op::Request);
        }
        let own = if theme == Theme::All { THEMES[rng.below(THEMES.len() - 1)] } else { theme };
        let own = if rng.one_in(4) { Theme::Slots } else { own };
        gadget(rng, own, &mut ops);
        if !rng.one_in(4) {
            ops.push(boundary(rng));
        }
    }
    ops
}

fn reg(rng: &mut Rng) -> u8 {
    rng.below(REGISTERS) as u8
}

/// A register or none.
fn maybe(rng: &mut Rng) -> u8 {
    if rng.one_in(3) { NONE } else { reg(rng) }
}

fn root(rng: &mut Rng) -> u8 {
    [0, 0, 0, 1, 1, 2][rng.below(6)]
}

/// The first of two, mostly.
fn first(rng: &mut Rng) -> u8 {
    u8::from(rng.one_in(4))
}

fn field(rng: &mut Rng) -> Field {
    if rng.one_in(5) { Field::B } else { Field::A }
}

fn how(rng: &mut Rng) -> How {
    [How::Store, How::Swap, How::Exchange][rng.below(3)]
}

fn boundary(rng: &mut Rng) -> Op {
    match rng.below(16) {
        0..=8 => Op::Safepoint,
        9 => Op::Block,
        10..=12 => Op::Leave,
        13..=14 => Op::Reattach,
        _ => Op::Collect,
    }
}

/// r0 := a node on the way down from a root.
fn descend(rng: &mut Rng, ops: &mut Vec<Op>) {
    ops.push(Op::FromRoot { r: 0, g: root(rng) });
    if rng.one_in(4) {
        ops.push(Op::Load { r: 0, s: 0, field: field(rng) });
    }
}

/// Something that takes time.
fn pad(rng: &mut Rng, ops: &mut Vec<Op>) {
    if rng.one_in(4) {
        ops.push(Op::Garbage { n: 1 + rng.below(6) as u8 });
    }
}

/// Something becomes of register r: often all that refers to it from now on is new.
fn keep(rng: &mut Rng, r: u8, ops: &mut Vec<Op>) {
    pad(rng, ops);
    let (g, c) = (root(rng), first(rng));
    match rng.below(10) {
        0..=1 => ops.push(Op::Root { r, g }),
        2..=4 => ops.extend([Op::New { r: 3, a: r, b: NONE, leaf: false }, Op::Root { r: 3, g }]),
        5 => ops.push(Op::Store { r: 0, field: field(rng), s: r, how: how(rng) }),
        6 => ops.push(Op::CellSet { c, i: first(rng), r, forget: false }),
        7 => ops.push(Op::RowSet { c, i: first(rng), r }),
        8 => ops.push(Op::WordSet { c, i: first(rng), r, how: how(rng) }),
        _ => {}
    }
}

fn gadget(rng: &mut Rng, theme: Theme, ops: &mut Vec<Op>) {
    match theme {
        Theme::Slots | Theme::All => slots(rng, ops),
        Theme::Roots => roots(rng, ops),
        Theme::Weak => weak(rng, ops),
        Theme::Leaves => leaves(rng, ops),
        Theme::Cells => cells(rng, ops),
        Theme::Tables => tables(rng, ops),
        Theme::Rows => rows(rng, ops),
        Theme::Words => words(rng, ops),
        Theme::Inner => inner(rng, ops),
        Theme::Final => finals(rng, ops),
        Theme::Allocation => allocation(rng, ops),
    }
}

/// A chain of new nodes, the last with a leaf, as a root.
fn rebuild(rng: &mut Rng, ops: &mut Vec<Op>) {
    ops.push(Op::New { r: 3, a: NONE, b: NONE, leaf: rng.one_in(2) });
    ops.push(Op::New { r: 2, a: 3, b: NONE, leaf: false });
    if rng.one_in(2) {
        ops.push(Op::New { r: 2, a: 2, b: maybe(rng), leaf: false });
    }
    ops.push(Op::Root { r: 2, g: root(rng) });
}

fn slots(rng: &mut Rng, ops: &mut Vec<Op>) {
    let other = root(rng);
    match rng.below(16) {
        0..=2 => {
            descend(rng, ops);
            ops.push(Op::Load { r: 1, s: 0, field: field(rng) });
            keep(rng, 1, ops);
        }
        3..=6 => {
            descend(rng, ops);
            ops.push(Op::Cut { r: 1, s: 0, field: field(rng), how: how(rng) });
            keep(rng, 1, ops);
        }
        7..=8 => {
            descend(rng, ops);
            ops.push(Op::FromRoot { r: 2, g: other });
            ops.push(Op::Store { r: 0, field: field(rng), s: 2, how: how(rng) });
        }
        9 => {
            descend(rng, ops);
            ops.push(Op::New { r: 2, a: maybe(rng), b: NONE, leaf: false });
            ops.push(Op::Store { r: 0, field: field(rng), s: 2, how: how(rng) });
        }
        10..=11 => {
            // In and out again: the value is in a slot for a moment only.
            descend(rng, ops);
            ops.push(Op::FromRoot { r: 1, g: other });
            if rng.one_in(2) {
                ops.push(Op::Load { r: 1, s: 1, field: Field::A });
            }
            ops.push(Op::Store { r: 0, field: Field::B, s: 1, how: how(rng) });
            ops.push(Op::Cut { r: 2, s: 0, field: Field::B, how: how(rng) });
        }
        12 => {
            // In, and out again in the next window.
            let (g, how) = (root(rng), how(rng));
            ops.push(Op::FromRoot { r: 0, g });
            ops.push(Op::FromRoot { r: 1, g: other });
            ops.push(Op::Load { r: 1, s: 1, field: Field::A });
            ops.push(Op::Store { r: 0, field: Field::B, s: 1, how });
            ops.push(Op::Safepoint);
            ops.push(Op::FromRoot { r: 0, g });
            ops.push(Op::Cut { r: 1, s: 0, field: Field::B, how });
            ops.push(Op::Load { r: 2, s: 1, field: Field::A });
        }
        13 => {
            // Two paths to one object.
            ops.push(Op::FromRoot { r: 0, g: 0 });
            ops.push(Op::FromRoot { r: 1, g: 1 });
            ops.push(Op::Load { r: 2, s: 0, field: Field::A });
            ops.push(Op::Store { r: 1, field: Field::A, s: 2, how: how(rng) });
        }
        14 => {
            descend(rng, ops);
            ops.push(Op::Hide { s: 0, field: field(rng), how: how(rng), g: other });
        }
        _ => rebuild(rng, ops),
    }
}

fn roots(rng: &mut Rng, ops: &mut Vec<Op>) {
    let (g, h) = (root(rng), root(rng));
    match rng.below(8) {
        0..=2 => {
            ops.push(Op::FromRoot { r: 1, g });
            if rng.one_in(2) {
                ops.push(Op::Unroot { g, far: rng.one_in(2) });
            }
            ops.push(Op::FromRoot { r: 0, g: h });
            keep(rng, 1, ops);
            if rng.one_in(2) {
                ops.push(Op::Cut { r: 2, s: 0, field: field(rng), how: how(rng) });
            }
        }
        3..=4 => ops.push(Op::Unroot { g, far: !rng.one_in(3) }),
        5 => ops.push(Op::CloneRoot { g, h, far: rng.one_in(3) }),
        6 => {
            ops.push(Op::FromRoot { r: 0, g });
            ops.push(Op::Cut { r: 1, s: 0, field: Field::A, how: how(rng) });
            ops.push(Op::Root { r: 1, g: h });
        }
        _ => rebuild(rng, ops),
    }
}

fn weak(rng: &mut Rng, ops: &mut Vec<Op>) {
    let w = first(rng);
    match rng.below(10) {
        0..=1 => {
            // Nothing but the weak handle refers to it when the window is over.
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: false });
            ops.push(Op::New { r: 0, a: 1, b: NONE, leaf: false });
            ops.push(Op::Weaken { r: 0, w, set: rng.one_in(2) });
        }
        2 => {
            descend(rng, ops);
            ops.push(Op::Load { r: 1, s: 0, field: Field::A });
            ops.push(Op::Weaken { r: 1, w, set: rng.one_in(2) });
            if rng.one_in(2) {
                ops.push(Op::Cut { r: 2, s: 0, field: Field::A, how: how(rng) });
            }
        }
        3 => ops.push(Op::Duplicate { w, v: first(rng) }),
        _ => {
            if rng.one_in(3) {
                ops.push(Op::Duplicate { w, v: 1 - w });
            }
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::Upgrade { r: 1, w });
            if rng.one_in(2) {
                ops.push(Op::Load { r: 1, s: 1, field: Field::A });
            }
            keep(rng, 1, ops);
        }
    }
}

fn leaves(rng: &mut Rng, ops: &mut Vec<Op>) {
    let (w, c) = (first(rng), first(rng));
    match rng.below(8) {
        0 => {
            // A leaf that only the weak handle refers to, and the value it maps to.
            ops.push(Op::New { r: 0, a: NONE, b: NONE, leaf: true });
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: false });
            ops.push(Op::WeakenLeaf { r: 0, w });
            ops.push(Op::MapInsert { c, r: 0, s: 1, leaf: true });
        }
        1 => {
            descend(rng, ops);
            ops.push(Op::SetLeaf { r: 0, new: rng.one_in(2) });
        }
        2 => {
            descend(rng, ops);
            ops.push(Op::WeakenLeaf { r: 0, w });
            ops.push(Op::SetLeaf { r: 0, new: false });
        }
        3..=4 => {
            descend(rng, ops);
            ops.push(Op::MapInsert { c, r: 0, s: reg(rng), leaf: true });
        }
        _ => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::UpgradeLeaf { r: 0, w });
            ops.push(Op::MapGet { c, r: 0, s: 1, leaf: true, remove: rng.one_in(2) });
            keep(rng, 1, ops);
        }
    }
}

fn inner(rng: &mut Rng, ops: &mut Vec<Op>) {
    let c = first(rng);
    match rng.below(4) {
        0..=1 => {
            descend(rng, ops);
            ops.push(Op::InnerRoot { c, r: 0 });
        }
        2 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::FromInner { c, r: 1 });
            keep(rng, 1, ops);
        }
        _ => ops.push(Op::Unroot { g: root(rng), far: false }),
    }
}

fn finals(rng: &mut Rng, ops: &mut Vec<Op>) {
    match rng.below(8) {
        0..=2 => {
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: true });
            ops.push(Op::New { r: 0, a: 1, b: NONE, leaf: false });
            ops.push(Op::Finalize { r: 0 });
            if rng.one_in(2) {
                ops.push(Op::Cleanup { r: 0 });
            }
        }
        3 => {
            descend(rng, ops);
            ops.push(Op::Load { r: 1, s: 0, field: Field::A });
            ops.push(if rng.one_in(2) { Op::Finalize { r: 1 } } else { Op::Cleanup { r: 1 } });
            ops.push(Op::Cut { r: 2, s: 0, field: Field::A, how: how(rng) });
        }
        4 => ops.push(Op::Collect),
        _ => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::Poll { r: 1 });
            if rng.one_in(2) {
                ops.push(Op::Load { r: 1, s: 1, field: Field::A });
            }
            keep(rng, 1, ops);
        }
    }
}

fn allocation(rng: &mut Rng, ops: &mut Vec<Op>) {
    match rng.below(4) {
        0 => ops.push(Op::Garbage { n: 2 + rng.below(10) as u8 }),
        1 => rebuild(rng, ops),
        2 => {
            descend(rng, ops);
            ops.push(Op::New { r: 1, a: 0, b: NONE, leaf: true });
            keep(rng, 1, ops);
        }
        _ => ops.push(boundary(rng)),
    }
}
