//! A procedure under construction: its instructions, its constants, and how deep the stack is.

use super::super::reader::SourceError;
use super::super::value::{Code, Op, Place, Value};
use greyset::{Gc, Mutator, Word};
use std::collections::HashMap;

/// A procedure under construction.
pub(super) struct Function<'gc> {
    pub(super) name: Value<'gc>,
    pub(super) required: u32,
    pub(super) rest: bool,
    pub(super) ops: Vec<Op>,
    pub(super) places: Vec<Place>,
    pub(super) constants: Vec<Value<'gc>>,
    pub(super) known: HashMap<u64, u32>,
    /// How many variables around it were in scope at its beginning.
    pub(super) outside: usize,
    /// Variables ever made.
    pub(super) variables: u32,
    pub(super) depth: u32,
    pub(super) most: u32,
    /// Jumps whose target is not known yet.
    pub(super) jumps: Vec<usize>,
}

impl<'gc> Function<'gc> {
    pub(super) fn new(name: Value<'gc>, outside: usize) -> Function<'gc> {
        Function {
            name,
            required: 0,
            rest: false,
            ops: Vec::new(),
            places: Vec::new(),
            constants: Vec::new(),
            known: HashMap::new(),
            outside,
            variables: 0,
            depth: 0,
            most: 1,
            jumps: Vec::new(),
        }
    }

    pub(super) fn emit(&mut self, op: Op, place: Place) {
        self.ops.push(op);
        self.places.push(place);
        self.depth = self.depth.saturating_add_signed(effect(op));
        self.most = self.most.max(self.depth);
    }

    /// A constant as the value of an expression.
    pub(super) fn push(&mut self, value: Value<'gc>, tail: bool, place: Place) {
        let constant = self.constant(value);
        self.emit(Op::Constant(constant), place);
        if tail {
            self.emit(Op::Return, place);
        }
    }

    pub(super) fn jump(&mut self, kind: fn(u32) -> Op, place: Place) {
        self.jumps.push(self.ops.len());
        self.emit(kind(0), place);
    }

    /// The latest open jump goes to the next instruction.
    pub(super) fn patch(&mut self) {
        let target = self.ops.len() as u32;
        let Some(op) = self.jumps.pop().and_then(|at| self.ops.get_mut(at)) else { return };
        *op = match *op {
            Op::Jump(_) => Op::Jump(target),
            Op::JumpIfFalse(_) => Op::JumpIfFalse(target),
            Op::AndJump(_) => Op::AndJump(target),
            Op::OrJump(_) => Op::OrJump(target),
            other => other,
        };
    }

    pub(super) fn constant(&mut self, value: Value<'gc>) -> u32 {
        let next = self.constants.len() as u32;
        let index = *self.known.entry(value.to_bits()).or_insert(next);
        if index == next {
            self.constants.push(value);
        }
        index
    }

    /// Counts a variable more; returns its number.
    pub(super) fn variable(&mut self) -> u32 {
        self.variables += 1;
        self.variables - 1
    }
}

/// By how much an instruction changes the depth of the stack. One that leaves the procedure counts as if the value stayed,
/// since the code behind it belongs to another branch.
fn effect(op: Op) -> i32 {
    match op {
        Op::Constant(_) | Op::Local(_) | Op::Outer(..) | Op::Global(_) | Op::Close(_) => 1,
        Op::Check(_) | Op::Unset(_) | Op::Jump(_) | Op::Return => 0,
        Op::SetLocal(_) | Op::SetOuter(..) | Op::SetGlobal(_) | Op::Define(_) => -1,
        Op::Pop | Op::JumpIfFalse(_) | Op::AndJump(_) | Op::OrJump(_) | Op::Try => -1,
        Op::Call(count) | Op::TailCall(count) => -i32::from(count),
    }
}

/// The code of a finished function.
pub(super) fn build<'gc>(
    m: &'gc Mutator,
    function: &Function<'gc>,
) -> Result<Gc<'gc, Code<'gc>>, SourceError> {
    let code = Code {
        name: function.name,
        ops: m.try_alloc_slice(&function.ops)?,
        constants: m.try_alloc_slice(&function.constants)?,
        places: m.try_alloc_slice(&function.places)?,
        required: function.required,
        rest: function.rest,
        variables: function.variables,
        depth: function.most,
    };
    m.try_alloc(code).map_err(|error| SourceError::Memory(error.cause()))
}
