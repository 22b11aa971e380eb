//! What the mutators of the scenarios do that are in step with nothing.

use super::{A, Maker, from, load, node, root};
use crate::program::{NONE, Op};

impl Maker<'_> {
    pub(super) fn weak_set(&mut self, role: usize, ops: &mut Vec<Op>) {
        if role.is_multiple_of(2) {
            let g = self.rng.below(2) as u8;
            ops.extend([
                from(1, g),
                Op::Weaken { r: 1, w: 0, set: true },
                load(2, 1),
                Op::Upgrade { r: 2, w: 0 },
            ]);
            for _ in 0..4 {
                ops.extend([load(3, 1), Op::Upgrade { r: 2, w: 0 }]);
            }
            return;
        }
        ops.push(Op::Duplicate { w: 1, v: 0 });
        self.wait(ops);
        ops.extend([Op::Upgrade { r: 1, w: 0 }, load(2, 1)]);
    }

    pub(super) fn cell(&mut self, role: usize, ops: &mut Vec<Op>) {
        match role % 4 {
            0 => {
                ops.push(Op::CellGet { c: 0, i: 0, r: 1 });
                self.keep(ops);
            }
            1 => ops.push(Op::CellTake { c: 0, i: 0, r: 1 }),
            2 => {
                let forget = self.rng.one_in(2);
                self.head(ops);
                ops.extend([load(1, 0), Op::CellSet { c: 0, i: 0, r: 1, forget }]);
            }
            _ => {
                ops.push(from(0, 0));
                ops.push(self.cut(1, 0, A));
                ops.extend([
                    Op::Safepoint,
                    Op::Safepoint,
                    Op::CellSet { c: 0, i: 1, r: NONE, forget: false },
                ]);
            }
        }
    }

    pub(super) fn table(&mut self, role: usize, ops: &mut Vec<Op>) {
        match role % 3 {
            0 => {
                let (remove, leaf) = (self.rng.one_in(3), self.leaf);
                ops.extend([from(0, 1), Op::MapGet { c: 0, r: 0, s: 1, leaf, remove }, load(2, 1)]);
            }
            1 => ops.extend([
                from(0, 0),
                load(1, 0),
                from(2, 1),
                Op::MapInsert { c: 0, r: 2, s: 1, leaf: self.leaf },
            ]),
            _ => {
                ops.push(from(0, 0));
                ops.push(self.cut(1, 0, A));
                ops.extend([Op::Safepoint, Op::Safepoint, Op::NewTable { c: 0 }]);
            }
        }
    }

    /// A leaf that turns black by an upgrade, and what it is the key of.
    pub(super) fn leaf_key(&mut self, ops: &mut Vec<Op>) {
        self.late(ops);
        ops.extend([from(0, 1), Op::UpgradeLeaf { r: 0, w: 0 }]);
        let end = [Op::Safepoint, Op::Leave, Op::Reattach, Op::Reattach, load(2, 0)][self.rng.below(5)];
        ops.extend([
            end,
            from(0, 1),
            Op::MapGet { c: 0, r: 0, s: 1, leaf: true, remove: self.rng.one_in(3) },
        ]);
        ops.extend([load(2, 1), load(2, 1), Op::Upgrade { r: 2, w: 0 }]);
    }

    pub(super) fn both_store(&mut self, even: bool, ops: &mut Vec<Op>) {
        self.head(ops);
        if even {
            ops.extend([load(1, 0), load(2, 1), from(2, 1)]);
            ops.push(self.store(2, A, 1));
            return;
        }
        ops.push(self.cut(1, 0, A));
        ops.push(Op::Safepoint);
        self.wait(ops);
        ops.extend([node(3, NONE), root(3, 1)]);
    }

    /// A root's object goes through a slot while another mutator drops the root.
    pub(super) fn dropped(&mut self, even: bool, ops: &mut Vec<Op>) {
        ops.push(from(1, 2));
        if !even {
            ops.push(Op::Unroot { g: 2, far: self.rng.one_in(2) });
            return self.keep(ops);
        }
        ops.push(from(0, 1));
        ops.push(self.store(0, A, 1));
        let safepoints = self.rng.below(4);
        if safepoints > 0 {
            ops.extend(vec![Op::Safepoint; safepoints]);
            ops.push(from(0, 1));
        }
        ops.push(self.cut(1, 0, A));
        ops.extend([load(2, 1), load(2, 1)]);
    }

    /// New keys where dead ones lay.
    pub(super) fn dead_key(&mut self, ops: &mut Vec<Op>) {
        ops.extend([node(0, NONE), node(1, NONE), Op::MapInsert { c: 0, r: 0, s: 1, leaf: false }]);
        ops.push(if self.rng.one_in(2) { Op::Collect } else { Op::Safepoint });
        for r in 0..4 {
            ops.extend([node(r, NONE), Op::MapGet { c: 0, r, s: 3, leaf: false, remove: false }]);
        }
    }

    pub(super) fn bulk(&mut self, role: usize, ops: &mut Vec<Op>) {
        ops.push(Op::RowGet { c: 0, i: 0, r: 1 });
        match (role + self.rng.below(2)) % 4 {
            0 => ops.push(Op::RowShift { c: 0 }),
            1 => ops.push(Op::RowFill { c: 0, r: NONE }),
            2 => ops.push(Op::RowCopy { c: 0, d: 1 }),
            _ => {}
        }
        self.keep(ops);
    }

    pub(super) fn finals(&mut self, role: usize, ops: &mut Vec<Op>) {
        if role.is_multiple_of(2) {
            ops.extend([node(1, NONE), node(0, 1), Op::Finalize { r: 0 }]);
            if self.rng.one_in(3) {
                ops.push(Op::Cleanup { r: 0 });
            }
            ops.push(Op::Collect);
        }
        ops.extend([Op::Poll { r: 1 }, load(2, 1)]);
        self.keep(ops);
    }
}
