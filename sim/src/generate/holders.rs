//! Gadgets about what holds nodes in other ways than slots: cells, tables, rows, words.

use super::{descend, field, first, how, keep, rebuild, root};
use crate::program::{Field, NONE, Op};
use crate::rng::Rng;

pub(super) fn cells(rng: &mut Rng, ops: &mut Vec<Op>) {
    let (c, i) = (first(rng), first(rng));
    if rng.one_in(8) {
        ops.push(Op::Fuse { c, inside: rng.one_in(2), n: 1 + rng.below(3) as u8 });
    }
    match rng.below(10) {
        0..=2 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::CellTake { c, i, r: 1 });
            keep(rng, 1, ops);
        }
        3 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::CellGet { c, i, r: 1 });
            keep(rng, 1, ops);
        }
        4..=6 => {
            // From a slot into the cell.
            descend(rng, ops);
            let (field, how) = (field(rng), how(rng));
            if rng.one_in(2) {
                ops.push(Op::Cut { r: 1, s: 0, field, how });
            } else {
                ops.push(Op::Load { r: 1, s: 0, field });
            }
            ops.push(Op::CellSet { c, i, r: 1, forget: rng.one_in(4) });
        }
        7 => ops.push(Op::CellSet { c, i, r: NONE, forget: rng.one_in(6) }),
        8 => {
            descend(rng, ops);
            ops.push(Op::Load { r: 1, s: 0, field: Field::A });
            ops.push(Op::NewCell { c, r: 1 });
        }
        _ => rebuild(rng, ops),
    }
}

pub(super) fn tables(rng: &mut Rng, ops: &mut Vec<Op>) {
    let c = first(rng);
    match rng.below(8) {
        0 => {
            // A chain: each value is the next key.
            ops.push(Op::New { r: 3, a: NONE, b: NONE, leaf: false });
            ops.push(Op::New { r: 2, a: NONE, b: NONE, leaf: false });
            ops.push(Op::FromRoot { r: 1, g: root(rng) });
            ops.push(Op::MapInsert { c, r: 2, s: 3, leaf: false });
            ops.push(Op::MapInsert { c, r: 1, s: 2, leaf: false });
        }
        1..=2 => {
            // From a slot into the table.
            descend(rng, ops);
            ops.push(Op::Cut { r: 1, s: 0, field: field(rng), how: how(rng) });
            ops.push(Op::MapInsert { c, r: 0, s: 1, leaf: rng.one_in(4) });
        }
        3 => {
            descend(rng, ops);
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: false });
            ops.push(Op::MapInsert { c, r: 0, s: 1, leaf: false });
        }
        4 => ops.push(if rng.one_in(3) {
            Op::NewTable { c }
        } else {
            Op::MoveMap { c, d: rng.below(3) as u8 }
        }),
        _ => {
            descend(rng, ops);
            ops.push(Op::MapGet { c, r: 0, s: 1, leaf: rng.one_in(6), remove: !rng.one_in(3) });
            if rng.one_in(3) {
                ops.push(Op::MapGet { c, r: 1, s: 2, leaf: false, remove: rng.one_in(2) });
            }
            keep(rng, 1, ops);
        }
    }
}

pub(super) fn rows(rng: &mut Rng, ops: &mut Vec<Op>) {
    let (c, i) = (first(rng), first(rng));
    match rng.below(8) {
        0..=3 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::RowGet { c, i, r: 1 });
            match rng.below(4) {
                0 => ops.push(Op::RowShift { c }),
                1 => ops.push(Op::RowFill { c, r: NONE }),
                2 => ops.push(Op::RowCopy { c, d: 1 - c }),
                _ => {}
            }
            keep(rng, 1, ops);
        }
        4..=5 => {
            descend(rng, ops);
            ops.push(Op::Cut { r: 1, s: 0, field: field(rng), how: how(rng) });
            ops.push(Op::RowSet { c, i, r: 1 });
        }
        6 => {
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: false });
            ops.push(Op::NewRow { c, r: 1 });
        }
        _ => ops.push(Op::RowCopy { c, d: 1 - c }),
    }
}

pub(super) fn words(rng: &mut Rng, ops: &mut Vec<Op>) {
    let (c, i, how) = (first(rng), first(rng), how(rng));
    match rng.below(8) {
        0..=2 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::WordTake { c, i, r: 1, how });
            keep(rng, 1, ops);
        }
        3 => {
            ops.push(Op::FromRoot { r: 0, g: root(rng) });
            ops.push(Op::WordGet { c, i, r: 1 });
            keep(rng, 1, ops);
        }
        4..=5 => {
            // From a slot into a word.
            descend(rng, ops);
            ops.push(Op::Cut { r: 1, s: 0, field: field(rng), how });
            ops.push(Op::WordSet { c, i, r: 1, how });
        }
        6 => ops.push(Op::WordSet { c, i, r: NONE, how }),
        _ => {
            ops.push(Op::New { r: 1, a: NONE, b: NONE, leaf: false });
            ops.push(Op::NewWords { c, r: 1 });
        }
    }
}
