//! Scenarios in step with the phases: each mutator waits for the moment at which its part of a counterexample is due.
//!
//! What is left to the strategy is the delay in the middle of a step, which is what the broken rule allows.

use super::Scenario::{
    Assist, Away, CellIn, CellOut, DropLate, FreeLate, Full, Fused, Glue, Gone, InFlight, Inserted, MapMoved,
    Overwritten, Revived, Round, Through, Upgrade, WeakCopy, Words,
};
use super::{A, B, Maker, Scenario, from, load, node, root};
use crate::program::{HoldAt, NONE, Op, When};
use greyset_sync::Point;

fn wait(phase: When, answers: usize) -> Op {
    Op::Await { phase, answers: answers as u8 }
}

/// A moment in phase Terminate.
pub(super) fn terminate(answers: usize) -> Op {
    wait(When::Terminate, answers)
}

/// Where mutators of a role, and the dropper, are best held.
pub(super) fn holds(scenario: Scenario, mutator: usize, even: bool) -> Vec<HoldAt> {
    let own: &[Point] = match (scenario, even) {
        (Round | InFlight, true) => &[Point::ShadePush],
        (Assist, true) => &[Point::MarkerBegin],
        (Round | InFlight | Assist | Full, false) => &[Point::ShadeRead],
        (DropLate, false) => &[Point::HandshakeAnswer],
        (Overwritten | Words, false) => &[Point::SlotSwap],
        (Fused, true) => &[Point::LockCapture],
        (CellIn | CellOut, _) => &[Point::LockAcquire],
        (WeakCopy, true) => &[Point::WeakJudge],
        (Gone, true) => &[Point::Attach],
        (Away, true) => &[Point::Unpark],
        (Upgrade, _) => &[Point::WeakJudge, Point::MutexLock],
        (Revived, true) => &[Point::WeakJudge],
        _ => &[],
    };
    let dropper: &[Point] = match scenario {
        DropLate => &[Point::RootDrop, Point::ShadeRead, Point::ShadeWrite, Point::BufferHandOver],
        FreeLate => &[Point::RootFree],
        _ => &[],
    };
    let (whom, at): (usize, &[Point]) = match scenario {
        // It has found the phase to be Mark, and does not count as busy yet.
        Full | MapMoved | Revived => (HoldAt::MARKER, &[Point::MarkerBegin]),
        // The same; or it has found tracing to be open, too, while the collector is in the middle of Decide.
        Through if even => (HoldAt::MARKER, &[Point::MarkerBegin, Point::QueuePop, Point::Scan]),
        Through => (HoldAt::COLLECTOR, &[Point::Scan]),
        // Or it counts as busy, and does not know the colours.
        Scenario::Queue => (HoldAt::MARKER, [&[Point::MarkerBegin], &[Point::QueueLook]][usize::from(even)]),
        // It has looked at the ephemerons, and the phase is still Mark.
        Gone | Away => (HoldAt::COLLECTOR, &[Point::PhasePublish]),
        Glue => (HoldAt::SWEEPER, &[Point::SpanSweep, Point::DropGlue]),
        _ => (0, &[]),
    };
    let own = own.iter().map(|&point| HoldAt { mutator, point });
    let own = own.chain(at.iter().map(|&point| HoldAt { mutator: whom, point }));
    own.chain(dropper.iter().map(|&point| HoldAt { mutator: 0, point })).collect()
}

impl Maker<'_> {
    /// Root 0 has a chain head, g, y, x, and a second object under g; root 2 and, where there is one, the cell have an object
    /// of their own that has another.
    pub(super) fn directed_setup(&mut self, scenario: Scenario) -> Vec<Op> {
        let mut ops =
            vec![node(0, NONE), node(1, 0), node(2, NONE), Op::New { r: 2, a: 1, b: 2, leaf: false }];
        ops.push(node(2, 2));
        if self.deep {
            ops.extend([node(2, 2), node(2, 2)]);
        }
        ops.extend([
            root(2, 0),
            node(0, NONE),
            node(1, 0),
            root(1, 2),
            node(0, NONE),
            node(1, 0),
            node(3, 1),
        ]);
        ops.push(root(3, 1));
        match scenario {
            CellOut | CellIn => ops.push(Op::NewCell { c: 0, r: 1 }),
            Fused => {
                ops.extend([node(0, NONE), node(1, 0), Op::NewCell { c: 0, r: 1 }]);
                ops.extend([node(0, NONE), node(1, 0), Op::Weaken { r: 1, w: 0, set: false }]);
            }
            Words => (0..2).for_each(|c| ops.extend([node(0, NONE), node(1, 0), Op::NewWords { c, r: 1 }])),
            WeakCopy => ops.extend([node(0, NONE), node(1, 0), Op::Weaken { r: 1, w: 0, set: false }]),
            FreeLate => (0..self.rng.below(4)).for_each(|_| ops.push(root(3, 1))),
            _ => {}
        }
        ops
    }

    /// Register 1 becomes all that a new object under root 1 refers to.
    fn hide(&self, ops: &mut Vec<Op>) {
        ops.extend([node(3, 1), root(3, 1)]);
    }

    /// The object under root 1 gives back what it refers to, which is followed.
    fn seek(&mut self, ops: &mut Vec<Op>) {
        ops.push(from(0, 1));
        ops.push(self.cut(1, 0, A));
        ops.extend([load(2, 1), load(3, 2)]);
        if self.rng.one_in(2) {
            ops.extend([Op::Linger { phase: When::Clear }, load(2, 1)]);
        }
    }

    pub(super) fn directed(&mut self, scenario: Scenario, even: bool, ops: &mut Vec<Op>) {
        match scenario {
            Round => self.in_round(even, ops),
            Assist | Full => self.silent(scenario == Full, even, ops),
            DropLate | FreeLate => self.drop_late(scenario == FreeLate, even, ops),
            Overwritten => self.overwritten(even, ops),
            CellOut => self.cell_out(even, ops),
            CellIn => self.cell_in(even, ops),
            Inserted => self.inserted(even, ops),
            Words => self.words(even, ops),
            Fused => self.fused(even, ops),
            _ => self.weak_copy(even, ops),
        }
    }

    fn pause(&mut self) -> Op {
        Op::Pause { turns: self.rng.below(16) as u8 }
    }

    /// In mode Deletion.
    fn deletion(&mut self, ops: &mut Vec<Op>) {
        ops.push(wait(When::Deletion, 0));
    }

    /// One takes an object out of its slot; the other has put it into a black object before, and takes it out of that in a
    /// window after its answer.
    fn in_round(&mut self, even: bool, ops: &mut Vec<Op>) {
        self.deletion(ops);
        self.head(ops);
        if even {
            ops.push(load(1, 0));
            self.hide(ops);
            ops.push(wait(When::Terminate, 1));
            return self.seek(ops);
        }
        ops.push(self.cut(1, 0, A));
    }

    /// One has an object grey in its buffer when the first round begins, and marks it in the same window; the other takes out
    /// what that object refers to, which the first has hidden.
    fn silent(&mut self, full: bool, even: bool, ops: &mut Vec<Op>) {
        if even {
            if full {
                // Leaves slots of its run for the next: who takes a run pays for it, and an assist would take the buffer.
                ops.push(node(3, NONE));
            }
            self.deletion(ops);
            self.head(ops);
            if full {
                ops.extend([load(1, 0), load(2, 1), node(3, 2), root(3, 1)]);
                ops.push(self.cut(1, 0, A));
                ops.push(root(1, 2));
            } else {
                ops.push(self.cut(1, 0, A));
                ops.extend([root(1, 2), load(2, 1), node(3, 2), root(3, 1)]);
            }
            if full {
                ops.extend([Op::Linger { phase: When::Terminate }, self.pause()]);
                ops.push(self.cut(2, 1, B));
                // Long enough for a marker to empty the queue.
                ops.push(Op::Pause { turns: [16, 32, 48][self.rng.below(3)] });
            } else {
                ops.extend([self.pause(), Op::Garbage { n: 8 }]);
            }
            ops.push(wait(When::Terminate, 2));
            return self.seek(ops);
        }
        ops.push(wait(When::Terminate, 1));
        ops.push(from(0, 2));
        ops.push(self.cut(1, 0, A));
    }

    /// One hides what a root refers to, which is dropped then; the other keeps rounds open.
    fn drop_late(&mut self, copies: bool, even: bool, ops: &mut Vec<Op>) {
        if even {
            self.deletion(ops);
            ops.push(from(1, 2));
            self.hide(ops);
            ops.push(Op::Unroot { g: 2, far: !copies });
            ops.push(wait(When::Terminate, [1, 2, 2][self.rng.below(3)]));
            return self.seek(ops);
        }
        if copies {
            ops.push(wait(When::Idle, 0));
            ops.extend((0..1 + self.rng.below(3)).map(|_| Op::CloneRoot { g: 0, h: 0, far: true }));
            return;
        }
        ops.extend([Op::Linger { phase: When::Mark }, self.pause()]);
        ops.push(terminate(1));
        ops.extend([self.pause(), from(0, 0)]);
    }

    fn overwritten(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            ops.extend([Op::Linger { phase: When::Prepare }, self.pause()]);
            self.head(ops);
            ops.push(from(1, 1));
            ops.push(self.cut(2, 1, A));
            ops.push(self.store(0, A, 2));
            self.deletion(ops);
            self.head(ops);
            ops.push(load(1, 0));
            self.hide(ops);
            ops.push(wait(When::Terminate, self.rng.below(3)));
            return self.seek(ops);
        }
        ops.push(wait(When::Both, 0));
        self.head(ops);
        ops.push(self.store(0, A, NONE));
    }

    fn cell_out(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            self.deletion(ops);
            let get = Op::CellGet { c: 0, i: 0, r: 1 };
            ops.push(if self.rng.one_in(2) { get } else { Op::CellTake { c: 0, i: 0, r: 1 } });
            self.hide(ops);
            ops.push(wait(When::Terminate, self.rng.below(3)));
            return self.seek(ops);
        }
        ops.push(wait(When::Both, 0));
        ops.extend([Op::Linger { phase: When::Mark }, Op::CellTake { c: 0, i: 0, r: 1 }]);
    }

    fn cell_in(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            ops.extend([Op::Linger { phase: When::Prepare }, self.pause()]);
            self.head(ops);
            ops.push(self.cut(1, 0, A));
            self.deletion(ops);
            ops.push(Op::CellSet { c: 0, i: 1, r: NONE, forget: false });
            ops.push(wait(When::Terminate, self.rng.below(3)));
            return ops.extend([Op::CellGet { c: 0, i: 0, r: 1 }, load(2, 1), load(3, 2)]);
        }
        ops.push(wait(When::Both, 0));
        self.head(ops);
        let forget = self.rng.one_in(2);
        ops.extend([load(1, 0), Op::Linger { phase: When::Mark }, Op::CellSet { c: 0, i: 0, r: 1, forget }]);
    }

    /// One takes an object out of its slot in mode Off; the other has it in hand, and puts it in mode Both into what the first
    /// has made since.
    fn inserted(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            ops.extend([Op::Linger { phase: When::Prepare }, self.pause()]);
            self.head(ops);
            ops.push(self.cut(1, 0, A));
            self.deletion(ops);
            ops.extend([node(3, NONE), root(3, 1), terminate(self.rng.below(3))]);
            return self.seek(ops);
        }
        ops.push(wait(When::Both, 0));
        self.head(ops);
        ops.extend([load(1, 0), Op::Linger { phase: When::Mark }, self.pause(), from(0, 1)]);
        ops.push(self.store(0, A, 1));
    }

    /// As in `Overwritten`, `Inserted`, `BothCut`, or a value is taken out in mode Deletion.
    fn words(&mut self, even: bool, ops: &mut Vec<Op>) {
        let how = self.how();
        let take = |c, r| Op::WordTake { c, i: 0, r, how };
        let (get, set) = (Op::WordGet { c: 0, i: 0, r: 1 }, |r| Op::WordSet { c: 0, i: 0, r, how });
        let mode = if even { When::Deletion } else { When::Both };
        let before = [Op::Linger { phase: When::Prepare }, self.pause()];
        match (self.words, even) {
            (0, true) => ops.extend([before[0], before[1], take(1, 2), set(2), wait(mode, 0), get]),
            (0, false) => ops.extend([wait(mode, 0), set(NONE)]),
            (1, true) => {
                ops.extend([before[0], before[1], take(0, 1), wait(mode, 0), Op::NewWords { c: 1, r: NONE }]);
                ops.extend([terminate(self.rng.below(3)), Op::WordGet { c: 1, i: 0, r: 1 }]);
                return ops.extend([load(2, 1), load(3, 2)]);
            }
            (1, false) => {
                ops.extend([wait(mode, 0), get, Op::Linger { phase: When::Mark }, before[1]]);
                ops.push(Op::WordSet { c: 1, i: 0, r: 1, how });
            }
            (2, true) => ops.extend([wait(mode, 0), get]),
            (2, false) => ops.extend([wait(mode, 0), Op::Linger { phase: When::Mark }, take(0, 1)]),
            (_, true) => ops.extend([wait(mode, 0), take(0, 1)]),
            (_, false) => return self.wait(ops),
        }
        if even {
            self.hide(ops);
            ops.extend([wait(When::Terminate, self.rng.below(3)), from(0, 1), load(1, 0), load(2, 1)]);
        }
    }

    /// One changes a cell, and the trace panics that is to capture it first; or a fuse is lit for the marker, and a dead object is looked
    /// for while the cycle is given up and later.
    fn fused(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            self.deletion(ops);
            ops.extend([Op::Fuse { c: 0, inside: true, n: 1 }, Op::CellTake { c: 0, i: 0, r: 1 }]);
            ops.push(wait(When::Terminate, self.rng.below(3)));
            return ops.extend([Op::CellGet { c: 0, i: 0, r: 1 }, load(2, 1)]);
        }
        let n = 1 + self.rng.below(2) as u8;
        match self.rng.below(4) {
            0 => ops.extend([wait(When::Both, 0), Op::Fuse { c: 0, inside: self.rng.one_in(2), n }]),
            1 => ops.extend([wait(When::Clear, 0), Op::Fuse { c: 0, inside: false, n }]),
            2 => {
                ops.extend([
                    wait(When::Both, 0),
                    Op::Fuse { c: 0, inside: false, n: 1 },
                    wait(When::Clear, 0),
                ]);
                let look = Op::Upgrade { r: 1, w: 0 };
                return ops.extend([self.pause(), look, wait(When::Idle, 0), look, load(2, 1)]);
            }
            _ => return self.wait(ops),
        }
        ops.extend([wait(When::Terminate, 0), Op::CellGet { c: 0, i: 0, r: 1 }, load(2, 1)]);
    }

    /// One moves the map, in one mode or the other, perhaps more than once; the other, in mode Deletion, captures the cells, or reads.
    pub(super) fn map_moved(&mut self, even: bool, ops: &mut Vec<Op>) {
        let (c, d) = (0, self.rng.below(2) as u8);
        let get = |c| Op::MapGet { c, r: 0, s: 1, leaf: false, remove: false };
        let mode = if even { When::Deletion } else { When::Both };
        ops.extend([wait(mode, 0), from(0, 1)]);
        match self.rng.below(4) {
            0 => ops.push(get(c)),
            1 => ops.extend([Op::MoveMap { c, d }, Op::MoveMap { c: d, d: 1 - d }]),
            _ => ops.push(Op::MoveMap { c, d }),
        }
        ops.push(wait([When::Terminate, When::Idle][self.rng.below(2)], self.rng.below(2)));
        ops.extend([from(0, 1), get(0), load(2, 1), get(1), load(2, 1)]);
    }

    /// A moment at which a leaf that turns black may be missed.
    pub(super) fn late(&mut self, ops: &mut Vec<Op>) {
        match self.rng.below(4) {
            0 => {}
            1 => ops.push(terminate(self.rng.below(3))),
            _ => {
                self.deletion(ops);
                ops.push(self.pause());
            }
        }
    }

    /// One upgrades the key and detaches, or parks, before it is asked anything; the other answers.
    pub(super) fn gone(&mut self, parks: bool, even: bool, ops: &mut Vec<Op>) {
        if !even {
            return self.wait(ops);
        }
        self.deletion(ops);
        let goes = match parks {
            true => [Op::Leave, Op::Block][self.rng.below(2)],
            false => Op::Reattach,
        };
        ops.extend([self.pause(), from(0, 1), Op::UpgradeLeaf { r: 0, w: 0 }, goes]);
        ops.extend([from(0, 1), Op::MapGet { c: 0, r: 0, s: 1, leaf: true, remove: false }]);
        ops.extend([load(2, 1), Op::Upgrade { r: 2, w: 0 }]);
    }

    /// Makes cells while dead ones are swept.
    pub(super) fn glue(&mut self, ops: &mut Vec<Op>) {
        ops.extend([wait(When::Sweep, self.rng.below(2)), self.pause()]);
        ops.extend((0..2 + self.rng.below(6)).map(|at| Op::NewCell { c: (at % 2) as u8, r: NONE }));
        ops.extend([self.pause(), Op::CellGet { c: 0, i: 0, r: 1 }, Op::CellGet { c: 1, i: 0, r: 1 }]);
    }

    /// One looks for what a finalizable object refers to, or for that object and takes its contents out; the other looks again.
    pub(super) fn revived(&mut self, even: bool, ops: &mut Vec<Op>) {
        ops.extend([wait(When::Clear, 0), self.pause()]);
        let again = Op::Upgrade { r: 1, w: 0 };
        if even {
            match self.rng.below(2) {
                0 => ops.extend([again, self.pause(), load(2, 1)]),
                _ => {
                    ops.push(Op::Poll { r: 0 });
                    ops.push(self.cut(1, 0, A));
                    ops.extend([root(1, 2), load(2, 1)]);
                }
            }
            ops.extend([self.pause(), again, load(2, 1), wait(When::Idle, 0)]);
            return ops.extend([Op::Poll { r: 0 }, load(1, 0), load(2, 1), from(1, 2), load(2, 1)]);
        }
        for _ in 0..1 + self.rng.below(3) {
            ops.extend([again, load(2, 1), self.pause()]);
        }
    }

    /// What the finalizer queue hands over is followed to its leaves.
    pub(super) fn through(&mut self, ops: &mut Vec<Op>) {
        ops.push(wait([When::Sweep, When::Idle][self.rng.below(2)], 0));
        ops.push(Op::Poll { r: 0 });
        for _ in 0..3 {
            let field = if self.rng.one_in(2) { A } else { B };
            ops.push(Op::Load { r: 0, s: 0, field });
        }
    }

    fn weak_copy(&mut self, even: bool, ops: &mut Vec<Op>) {
        if even {
            ops.push(wait([When::Terminate, When::Clear][self.rng.below(2)], self.rng.below(3)));
            ops.push(Op::Duplicate { w: 0, v: 1 });
            ops.push(wait(When::Idle, 0));
            return ops.extend([Op::Upgrade { r: 1, w: 1 }, load(2, 1)]);
        }
        ops.push(wait(When::Clear, self.rng.below(2)));
        ops.extend([Op::Garbage { n: 4 }, Op::Upgrade { r: 1, w: 1 }, load(2, 1)]);
    }
}
