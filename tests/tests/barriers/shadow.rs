//! What refers to what, without a heap; and which operation comes next.

use crate::actor::{Field, How, Op, Outcome, Place};
use crate::{REGISTERS, ROOTS, ROW, Random};

#[derive(Clone, Default)]
struct Node {
    fixed: Option<usize>,
    slot: Option<usize>,
    word: Option<usize>,
    nested: Option<usize>,
    list: Vec<usize>,
    row: [Option<usize>; ROW],
}

#[derive(Clone, Default)]
struct Mutator {
    registers: [Option<usize>; REGISTERS],
    parked: bool,
}

pub(crate) struct Shadow {
    nodes: Vec<Node>,
    roots: [Option<usize>; ROOTS],
    mutators: Vec<Mutator>,
}

impl Shadow {
    pub(crate) fn new(mutators: usize) -> Shadow {
        Shadow { nodes: Vec::new(), roots: [None; ROOTS], mutators: vec![Mutator::default(); mutators] }
    }

    pub(crate) fn is_parked(&self, actor: usize) -> bool {
        self.mutators[actor].parked
    }

    /// For each object, whether it can be reached.
    pub(crate) fn reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.nodes.len()];
        let starts = self.mutators.iter().flat_map(|m| &m.registers).chain(&self.roots);
        let mut stack: Vec<usize> = starts.flatten().copied().collect();
        while let Some(id) = stack.pop() {
            if !std::mem::replace(&mut reached[id], true) {
                let node = &self.nodes[id];
                stack.extend(node.fixed.iter().chain(&node.slot).chain(&node.word).chain(&node.nested));
                stack.extend(node.list.iter().chain(node.row.iter().flatten()));
            }
        }
        reached
    }

    /// An operation that makes sense for `actor` now.
    pub(crate) fn choose(&self, actor: usize, random: &mut Random, objects: usize) -> Op {
        let me = &self.mutators[actor];
        if me.parked {
            return Op::Unpark;
        }
        let held: Vec<usize> = (0..REGISTERS).filter(|&at| me.registers[at].is_some()).collect();
        let (any, to, root) = (random.below(REGISTERS), random.below(REGISTERS), random.below(ROOTS));
        let fields = [Field::Slot, Field::Word, Field::Nested, Field::Row(random.below(ROW))];
        let field = fields[random.below(4)];
        let op = random.below(100);
        let of = if held.is_empty() { any } else { held[random.below(held.len())] };
        let from = if held.is_empty() { any } else { held[random.below(held.len())] };
        let mostly_held = if random.one_in(8) { any } else { from };
        if op < 12 && self.nodes.len() < objects {
            let places = [Place::Fixed, Place::Slot, Place::List, Place::Row, Place::Nowhere];
            return Op::New { id: self.nodes.len(), from: mostly_held, place: places[random.below(5)], to };
        }
        if held.is_empty() || op < 20 {
            return Op::FromRoot { root, to };
        }
        match op {
            0..=21 => Op::Root { from: of, root },
            22 if random.one_in(3) => Op::Unroot { root },
            22..=26 => Op::Fixed { of, to },
            27..=40 => Op::Load { of, field, to },
            41..=46 if self.nodes.len() < objects => {
                // A field that holds something, if there is one.
                let start = random.below(4);
                let fields = (0..4).map(|at| fields[(start + at) % 4]);
                let held = |&field: &Field| me.registers[of].is_some_and(|id| self.held(id, field).is_some());
                let field = fields.clone().find(held).unwrap_or(field);
                let how = [How::Swap, How::Store, How::Exchange][random.below(3)];
                Op::Hide { of, field, how, id: self.nodes.len(), root }
            }
            41..=46 => Op::Load { of, field, to },
            47..=53 => Op::Take { of, field, to },
            54..=69 => Op::Store { of, field, from: mostly_held },
            70..=75 => Op::Exchange { of, field, current: any, new: from },
            76..=79 => Op::Push { of, from },
            80 => Op::PushAndForget { of, from },
            81..=84 => Op::Pop { of, to },
            85..=87 => Op::First { of, to },
            88..=89 => Op::MoveList { of, to: from },
            90..=91 => {
                let len = random.below(ROW);
                let (start, at) = (random.below(ROW - len), random.below(ROW - len));
                Op::CopyWithin { of, from: start, len, at }
            }
            92 => Op::CopyRow { of, to: from },
            93 => Op::Park,
            _ => Op::Safepoint,
        }
    }

    /// Does `op` as the heap did, given whether a lock was taken there; gives what should have come of it.
    pub(crate) fn perform(&mut self, actor: usize, op: Op, outcome: Outcome) -> Outcome {
        if outcome == Outcome::Busy {
            assert!(
                matches!(
                    op,
                    Op::Pop { .. }
                        | Op::First { .. }
                        | Op::Push { .. }
                        | Op::PushAndForget { .. }
                        | Op::MoveList { .. }
                ),
                "{op:?} takes no lock that could be held"
            );
            return Outcome::Busy;
        }
        let registers = self.mutators[actor].registers;
        let node = |at: usize| registers[at].expect("only held registers are chosen");
        let (to, value) = match op {
            Op::New { id, from, place, to } => {
                let mut new = Node::default();
                match place {
                    Place::Fixed => new.fixed = registers[from],
                    Place::Slot => new.slot = registers[from],
                    Place::List => new.list.extend(registers[from]),
                    Place::Row => new.row[0] = registers[from],
                    Place::Nowhere => {}
                }
                self.nodes.push(new);
                (to, Some(id))
            }
            Op::FromRoot { root, to } => (to, self.roots[root]),
            Op::Fixed { of, to } => (to, self.nodes[node(of)].fixed),
            Op::Load { of, field, to } => (to, *self.field(node(of), field)),
            Op::Take { of, field, to } => (to, self.field(node(of), field).take()),
            Op::Pop { of, to } => (to, self.nodes[node(of)].list.pop()),
            Op::First { of, to } => (to, self.nodes[node(of)].list.first().copied()),
            Op::Store { of, field, from } => {
                return Outcome::Id(std::mem::replace(self.field(node(of), field), registers[from]));
            }
            Op::Hide { of, field, root, .. } => {
                let hidden = self.field(node(of), field).take();
                self.roots[root] = Some(self.nodes.len());
                self.nodes.push(Node { fixed: hidden, ..Node::default() });
                return Outcome::Id(hidden);
            }
            Op::Exchange { of, field, current, new } => {
                let field = self.field(node(of), field);
                let old = *field;
                if old == registers[current] {
                    *field = registers[new];
                }
                return Outcome::Id(old);
            }
            other => {
                self.perform_silent(actor, other);
                return Outcome::Id(None);
            }
        };
        self.mutators[actor].registers[to] = value;
        Outcome::Id(value)
    }

    /// Operations that give nothing.
    fn perform_silent(&mut self, actor: usize, op: Op) {
        let me = &mut self.mutators[actor];
        let registers = me.registers;
        let node = |at: usize| registers[at].expect("only held registers are chosen");
        match op {
            Op::Root { from, root } => self.roots[root] = Some(node(from)),
            Op::Unroot { root } => self.roots[root] = None,
            Op::Push { of, from } | Op::PushAndForget { of, from } => {
                self.nodes[node(of)].list.push(node(from))
            }
            Op::MoveList { of, to } if node(of) != node(to) => {
                self.nodes[node(to)].list = std::mem::take(&mut self.nodes[node(of)].list);
            }
            Op::MoveList { .. } => {}
            Op::CopyWithin { of, from, len, at } => {
                self.nodes[node(of)].row.copy_within(from..from + len, at);
            }
            Op::CopyRow { of, to } => self.nodes[node(to)].row = self.nodes[node(of)].row,
            Op::Safepoint => me.registers = Default::default(),
            Op::Park => {
                me.registers = Default::default();
                me.parked = true;
            }
            Op::Unpark => me.parked = false,
            other => unreachable!("{other:?} gives something"),
        }
    }

    fn held(&self, node: usize, field: Field) -> Option<usize> {
        let node = &self.nodes[node];
        match field {
            Field::Slot => node.slot,
            Field::Word => node.word,
            Field::Nested => node.nested,
            Field::Row(at) => node.row[at],
        }
    }

    fn field(&mut self, node: usize, field: Field) -> &mut Option<usize> {
        let node = &mut self.nodes[node];
        match field {
            Field::Slot => &mut node.slot,
            Field::Word => &mut node.word,
            Field::Nested => &mut node.nested,
            Field::Row(at) => &mut node.row[at],
        }
    }
}
