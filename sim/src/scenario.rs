//! Programs in the shape of the protocol model's counterexamples, each with some freedom: what a random program hits once in
//! millions.
//!
//! A scenario is a heap of a few objects, so that a cycle takes few steps, and two or three mutators that do the delicate thing
//! over and over, with safepoints in between in random number.

mod directed;
mod roles;

use crate::program::{Driver, Field, How, NONE, Op, Program};
use crate::rng::Rng;
use greyset_sync::Fault;

macro_rules! scenarios {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What it is about.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Scenario {
            $($(#[$doc])* $name,)*
        }

        const ALL: &[Scenario] = &[$(Scenario::$name),*];
    };
}

scenarios! {
    /// A value is out of a slot and not shaded yet, while another mutator shades it and still holds it.
    InFlight,
    /// Loaded after T1 by one, taken out in mode Both by another.
    BothCut,
    /// Taken out in mode Off by one, stored in mode Both by another into what a third has made since.
    BothStore,
    /// Two writers of one slot, and a value that stands there in between.
    Between,
    /// Upgrades while marking ends.
    Upgrade,
    /// A weak slot is pointed elsewhere, or copied, while it is being cleared.
    WeakSet,
    /// A cell in mode Both.
    Cell,
    /// A table that is met while it is locked, or born black.
    Table,
    /// A map is taken out of a table that has not been scanned, and put into a new one.
    MapMoved,
    /// A dead key's address is used again.
    DeadKey,
    /// A leaf that is a key turns black late.
    LeafKey,
    /// A root is dropped while another mutator holds the object.
    Dropped,
    /// Buffers that go to the queue.
    Queue,
    /// A row is changed in bulk.
    Bulk,
    /// Finalizable objects, polled over several cycles.
    Final,
    /// Parking with runs in use.
    Parked,
    /// As `InFlight`, in step with the phases.
    Round,
    /// Grey objects that leave a buffer while a round runs: by an assist.
    Assist,
    /// The same, by a buffer that becomes full.
    Full,
    /// A root is dropped between T1 and the walk over the roots.
    DropLate,
    /// Root entries are freed when the flip comes.
    FreeLate,
    /// A slot is written by one in mode Both, and before and after by one that is in mode Off and then in Deletion.
    Overwritten,
    /// A cell is emptied by one in mode Both, and read by one in mode Deletion.
    CellOut,
    /// A cell is filled by one in mode Both, after one in mode Deletion has captured it.
    CellIn,
    /// An object is put in mode Both into one that was born black.
    Inserted,
    /// A weak handle is copied while weak slots are cleared.
    WeakCopy,
    /// A leaf that is a key turns black after the last look at ephemerons, and who did it is gone when the round is asked.
    Gone,
    /// The same, and it is parked.
    Away,
    /// What has drop glue is made while drop glue runs.
    Glue,
    /// A finalizable object is looked for, by a weak handle and by polling, while phase Clear brings it back.
    Revived,
    /// A finalizable object has much to mark through, while a marker comes late.
    Through,
    /// The dangers of slots, and no slot but words is written.
    Words,
    /// The trace of a cell panics, in a marker or in who has taken its lock.
    Fused,
}

use Scenario::{
    Assist, Away, BothCut, BothStore, Bulk, Cell, CellIn, CellOut, DeadKey, DropLate, Dropped, Final,
    FreeLate, Full, Fused, Glue, Gone, InFlight, Inserted, LeafKey, MapMoved, Overwritten, Parked, Queue,
    Revived, Round, Table, Through, Upgrade, WeakCopy, WeakSet, Words,
};

impl Scenario {
    /// Whether it goes in step with the phases.
    fn is_directed(self) -> bool {
        matches!(
            self,
            Round
                | Assist
                | Full
                | DropLate
                | FreeLate
                | Overwritten
                | CellOut
                | CellIn
                | Inserted
                | MapMoved
                | WeakCopy
                | Gone
                | Away
                | Glue
                | Revived
                | Through
                | Words
                | Fused
        )
    }
}

/// Any of them.
pub fn any(rng: &mut Rng) -> Scenario {
    ALL[rng.below(ALL.len())]
}

/// The one in whose shape the mistake shows, if random programs seldom have it.
pub fn for_fault(fault: Fault) -> Option<Scenario> {
    Some(match fault {
        Fault::OneCleanRound | Fault::BlackThenQueue => Round,
        Fault::AssistSilent => Assist,
        Fault::FullBufferSilent => Full,
        Fault::NoOldShadeInBoth | Fault::OneHandshake => BothCut,
        Fault::NoInsertionShade => Inserted,
        Fault::LoadThenStore | Fault::LoadThenStoreInBoth => Overwritten,
        Fault::LoadThenStoreInDeletion => Scenario::Between,
        Fault::DecideBlind | Fault::UpgradeUnlocked | Fault::UpgradeNotAgain | Fault::SweepBeforeT3 => {
            Upgrade
        }
        Fault::WeakClearedByStore => WeakSet,
        Fault::WeakCopied => WeakCopy,
        Fault::CellNotShadedOnLock | Fault::CellNotCaptured | Fault::CellCapturedLate => CellOut,
        Fault::CellNotShadedOnUnlock | Fault::ForgottenGuardIgnored => CellIn,
        Fault::CellCapturedInBoth => Cell,
        Fault::DeferredNotRetried | Fault::TracePanicIgnored | Fault::GivenUpUnseen => Fused,
        Fault::MapInsertUnshaded => Table,
        Fault::CapturedTableUnregistered => MapMoved,
        Fault::EphemeronsNotCleared => DeadKey,
        Fault::LeafSilent | Fault::PokeLost => LeafKey,
        Fault::ParkForgetsWork => Away,
        Fault::DetachForgetsWork | Fault::DetachSaysLate => Gone,
        Fault::FreedBeforeGlue => Glue,
        Fault::DropClearsFirst | Fault::DropBarrier => DropLate,
        Fault::DropFlip => FreeLate,
        Fault::RootsFreedAtT2 => Dropped,
        Fault::MarkerBusyLate | Fault::LateTunedFirst => Queue,
        Fault::LateBlind | Fault::LateClose => Through,
        Fault::UpgradeOnce | Fault::FinalizedEarly | Fault::WeakClearedLate => Revived,
        Fault::BulkUnshaded => Bulk,
        Fault::ParkedRunsKept | Fault::ParkedRunsLate => Parked,
        _ => return None,
    })
}

const A: Field = Field::A;
const B: Field = Field::B;

struct Maker<'a> {
    rng: &'a mut Rng,
    /// Whether the chain has two nodes more at its head, so that markers come late to the rest.
    deep: bool,
    /// Whether keys are leaves, in a map that no lock guards.
    leaf: bool,
    /// Which of the dangers of words.
    words: usize,
}

/// A program in the shape of a scenario.
pub fn generate(rng: &mut Rng, scenario: Scenario, mutators: usize) -> Program {
    let deep = rng.one_in(2);
    let leaf = scenario == Table && rng.one_in(2);
    let words = if scenario == Words { rng.below(4) } else { 0 };
    let mut maker = Maker { rng, deep, leaf, words };
    let setup = maker.setup(scenario);
    let count = if mutators > 0 { mutators } else { 2 + usize::from(maker.rng.one_in(2)) };
    let twists = maker.rng.below(3);
    let mutators = (0..count).map(|me| maker.ops(scenario, me, me + twists)).collect();
    let roles = (0..count).map(|me| (me + 1, (me + twists).is_multiple_of(2)));
    let holds = roles.flat_map(|(mutator, even)| directed::holds(scenario, mutator, even)).collect();
    let markers = if matches!(scenario, Queue | Revived | Through) {
        2 + maker.rng.below(2)
    } else {
        1 + maker.rng.below(2)
    };
    let driver = if maker.rng.one_in(16) { Driver::Inline } else { Driver::Background };
    Program { driver, workers: markers, setup, mutators, to_the_end: maker.rng.one_in(4), holds }
}

fn node(r: u8, a: u8) -> Op {
    Op::New { r, a, b: NONE, leaf: false }
}

fn root(r: u8, g: u8) -> Op {
    Op::Root { r, g }
}

fn from(r: u8, g: u8) -> Op {
    Op::FromRoot { r, g }
}

fn load(r: u8, s: u8) -> Op {
    Op::Load { r, s, field: A }
}

impl Maker<'_> {
    fn how(&mut self) -> How {
        [How::Store, How::Swap, How::Exchange][self.rng.below(3)]
    }

    fn cut(&mut self, r: u8, s: u8, field: Field) -> Op {
        Op::Cut { r, s, field, how: self.how() }
    }

    fn store(&mut self, r: u8, field: Field, s: u8) -> Op {
        Op::Store { r, field, s, how: self.how() }
    }

    /// r0 := the node of the chain whose slot is written.
    fn head(&self, ops: &mut Vec<Op>) {
        ops.push(from(0, 0));
        if self.deep {
            ops.extend([load(0, 0), load(0, 0)]);
        }
    }

    /// Some safepoints, seldom something else that ends a window.
    fn wait(&mut self, ops: &mut Vec<Op>) {
        for _ in 0..[0, 0, 1, 1, 2, 3, 4, 6][self.rng.below(8)] {
            ops.push(match self.rng.below(12) {
                0 => Op::Leave,
                1 => Op::Reattach,
                2 => Op::Block,
                _ => Op::Safepoint,
            });
        }
    }

    /// A chain of three under root 0, an empty node under root 1, and what the scenario needs besides.
    fn setup(&mut self, scenario: Scenario) -> Vec<Op> {
        let mut ops = vec![node(0, NONE), node(1, 0), node(2, 1)];
        if self.deep {
            ops.extend([node(2, 2), node(2, 2)]);
        }
        ops.extend([root(2, 0), node(3, NONE), root(3, 1)]);
        match scenario {
            Scenario::Between => {
                ops.extend([node(0, NONE), node(1, 0), Op::Store { r: 3, field: A, s: 1, how: How::Store }])
            }
            Upgrade | WeakSet => {
                // The second handle is on another parent of the same object, or on that object.
                let second = if self.rng.one_in(2) { 2 } else { 0 };
                ops.extend([
                    node(0, NONE),
                    node(1, 0),
                    Op::Weaken { r: 1, w: 0, set: false },
                    node(2, 0),
                    Op::Weaken { r: second, w: 1, set: false },
                ]);
            }
            Cell => ops.extend([node(0, NONE), node(1, 0), Op::NewCell { c: 0, r: 1 }]),
            Table | MapMoved => ops.extend([
                Op::NewTable { c: 0 },
                node(0, NONE),
                node(1, 0),
                Op::SetLeaf { r: 3, new: true },
                Op::MapInsert { c: 0, r: 3, s: 1, leaf: self.leaf },
            ]),
            DeadKey => ops.push(Op::NewTable { c: 0 }),
            Revived => {
                ops.extend([node(0, NONE), node(1, 0), node(2, 1)]);
                ops.extend([Op::Finalize { r: 2 }, Op::Weaken { r: 1, w: 0, set: false }]);
            }
            Through => {
                // A tree of fifteen nodes.
                let pair = |r, a, b| Op::New { r, a, b, leaf: false };
                let four = |r, s| [node(r, NONE), node(s, NONE), pair(r, r, s)];
                for r in [0, 1] {
                    ops.extend(four(r, 2).into_iter().chain(four(2, 3)));
                    ops.push(pair(r, r, 2));
                }
                ops.extend([pair(0, 0, 1), Op::Finalize { r: 0 }]);
            }
            // One of each four is in use in the end.
            Glue => ops.extend((0..8).map(|at| Op::NewCell { c: at / 4, r: NONE })),
            LeafKey | Gone | Away => ops.extend([
                Op::NewTable { c: 0 },
                Op::New { r: 0, a: NONE, b: NONE, leaf: true },
                node(1, NONE),
                node(1, 1),
                Op::WeakenLeaf { r: 0, w: 0 },
                Op::Weaken { r: 1, w: 0, set: false },
                Op::MapInsert { c: 0, r: 0, s: 1, leaf: true },
            ]),
            Dropped => ops.extend([node(0, NONE), node(1, 0), root(1, 2)]),
            Bulk => ops.extend([
                node(0, NONE),
                node(1, 0),
                Op::NewRow { c: 0, r: 1 },
                Op::NewRow { c: 1, r: NONE },
            ]),
            InFlight | BothCut | BothStore | Queue | Final | Parked => {}
            Round | Assist | Full | DropLate | FreeLate | Overwritten | CellOut | CellIn | Inserted
            | WeakCopy | Words | Fused => {
                return self.directed_setup(scenario);
            }
        }
        ops
    }

    fn ops(&mut self, scenario: Scenario, me: usize, role: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        if me >= 2 && !self.rng.one_in(4) {
            // One that only answers: it keeps phases open.
            return vec![Op::Safepoint; 4 + self.rng.below(8)];
        }
        if self.rng.one_in(2) {
            self.wait(&mut ops);
        }
        let times = if scenario.is_directed() { 2 } else { 4 };
        for _ in 0..1 + self.rng.below(times) {
            self.role(scenario, role, &mut ops);
            self.wait(&mut ops);
            if self.rng.one_in(2) {
                // The danger anew, for the next cycle.
                ops.extend(self.setup(scenario));
                self.wait(&mut ops);
            }
        }
        ops
    }

    /// Keeps register 1 in something that was there before, or that is new.
    fn keep(&mut self, ops: &mut Vec<Op>) {
        match self.rng.below(5) {
            0 => ops.push(root(1, 2)),
            1..=2 => ops.extend([node(3, 1), root(3, 2)]),
            3 => {
                ops.push(from(0, 1));
                ops.push(self.store(0, A, 1));
            }
            _ => ops.extend([load(2, 1), load(2, 1)]),
        }
    }

    fn role(&mut self, scenario: Scenario, role: usize, ops: &mut Vec<Op>) {
        let even = role.is_multiple_of(2);
        match scenario {
            InFlight if even => self.bounce(ops),
            InFlight => {
                self.head(ops);
                ops.push(self.cut(1, 0, A));
                if self.rng.one_in(2) {
                    ops.extend([Op::Safepoint, Op::Garbage { n: 6 }]);
                }
            }
            BothCut if even => {
                self.head(ops);
                ops.push(load(1, 0));
                self.keep(ops);
            }
            BothCut => {
                self.head(ops);
                ops.push(self.cut(1, 0, A));
            }
            BothStore => self.both_store(even, ops),
            Scenario::Between => self.between(role, ops),
            Upgrade => {
                if self.rng.one_in(2) {
                    ops.push(directed::terminate(self.rng.below(3)));
                }
                let w = if self.rng.one_in(3) { self.rng.below(2) } else { role % 2 } as u8;
                ops.extend([Op::Upgrade { r: 1, w }, load(2, 1), from(0, 1)]);
                self.keep(ops);
                if w == 0 {
                    ops.extend([load(2, 1), Op::Upgrade { r: 3, w: 1 }]);
                }
            }
            WeakSet => self.weak_set(role, ops),
            Cell => self.cell(role, ops),
            Table => self.table(role, ops),
            MapMoved => self.map_moved(even, ops),
            DeadKey => self.dead_key(ops),
            LeafKey if even || self.rng.one_in(2) => self.leaf_key(ops),
            LeafKey => self.wait(ops),
            Gone | Away => self.gone(scenario == Away, even, ops),
            Glue => self.glue(ops),
            Revived => self.revived(even, ops),
            Through => self.through(ops),
            Dropped => self.dropped(even, ops),
            Queue => {
                self.head(ops);
                if !even {
                    ops.push(load(0, 0));
                }
                let how = self.how();
                ops.push(Op::Hide { s: 0, field: A, how, g: (role % 3) as u8 });
            }
            Bulk => self.bulk(role, ops),
            Final => self.finals(role, ops),
            Round | Assist | Full | DropLate | FreeLate | Overwritten | CellOut | CellIn | Inserted
            | WeakCopy | Words | Fused => {
                self.directed(scenario, even, ops);
            }
            Parked => {
                let away = [Op::Leave, Op::Block, Op::Leave][self.rng.below(3)];
                ops.extend([node(0, NONE), away, node(1, NONE), node(2, 1), root(2, (role % 3) as u8)]);
                self.wait(ops);
                ops.extend([Op::Garbage { n: 2 }]);
            }
        }
    }

    /// A value goes into a slot that has been scanned, and out of it in the next window.
    fn bounce(&mut self, ops: &mut Vec<Op>) {
        let (g, field) = ([0, 1][self.rng.below(2)], if self.rng.one_in(2) { A } else { B });
        self.head(ops);
        ops.push(load(1, 0));
        if g == 1 {
            ops.push(from(0, 1));
        }
        let field = if g == 0 { B } else { field };
        ops.push(self.store(0, field, 1));
        ops.push(Op::Safepoint);
        if g == 1 {
            ops.push(from(0, 1));
        } else {
            self.head(ops);
        }
        ops.push(self.cut(1, 0, field));
        ops.extend([load(2, 1), load(3, 1)]);
        if self.rng.one_in(2) {
            ops.push(Op::Garbage { n: 6 });
        }
        ops.push(load(2, 1));
    }

    fn between(&mut self, role: usize, ops: &mut Vec<Op>) {
        match role % 3 {
            0 => {
                // Another value in the place of what stands there.
                self.head(ops);
                ops.push(self.store(0, A, 3));
            }
            1 => {
                // From root 1 to root 0, then back into the hands in a later window.
                self.head(ops);
                ops.push(from(1, 1));
                ops.push(self.cut(2, 1, A));
                ops.push(self.store(0, A, 2));
                ops.push(Op::Safepoint);
                self.wait(ops);
                self.head(ops);
                ops.extend([load(1, 0), load(2, 1), load(2, 1)]);
                self.keep(ops);
            }
            _ => {
                self.head(ops);
                ops.extend([load(1, 0), load(2, 1)]);
                self.keep(ops);
            }
        }
    }
}
