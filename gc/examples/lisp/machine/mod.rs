//! The machine: runs a slice of a program, from one safepoint to the next.
//!
//! A slice is one window. At its beginning the registers are copied out of the world into Rust's own variables, where they
//! are plain `Gc`s that cost nothing to use; at its end they are put back. So there is nothing to find on Rust's stack, however
//! deep the script's calls are: its stack, its frames and its variables are objects.
//!
//! **Instructions can be repeated.** Each allocates first and changes registers last. If an allocation fails, the registers
//! still say what they said before the instruction, and whoever runs the machine can make room and let it try again.
//!
//! What this module never does: pass a safepoint, collect, or print.

mod call;
mod raise;

use super::interpreter::OUTPUT;
use super::printer::brief;
use super::trap::{Trap, kind};
use super::value::{Closure, Env, Field, Frame, Obj, Op, Place, Value, is_true, object, place};
use super::world::{Registers, World};
use greyset::{Gc, Mutator};

/// Why a slice ended.
pub enum Stop {
    /// It was long enough.
    Budget,
    /// The program has ended; the value is in the world.
    Done,
    /// The script asks for a collection.
    Collect,
    /// An instruction found no memory. It will run again.
    Memory,
    /// Nobody caught what was raised.
    Uncaught(Report),
}

/// An error that nobody caught, for people.
#[derive(Debug)]
pub struct Report {
    pub place: Place,
    pub message: String,
}

/// Runs at most `budget` instructions; says why it stopped and how many it has run.
///
/// `out` takes what the script prints: printing is for when no window is open.
pub fn run_slice<'gc>(
    m: &'gc Mutator,
    world: Gc<'gc, World<'gc>>,
    out: &mut String,
    budget: u32,
) -> (Stop, u32) {
    let mut machine = Machine::load(m, world, out);
    let mut executed = 0;
    let stop = loop {
        if executed == budget || machine.out.len() > OUTPUT {
            break Stop::Budget;
        }
        if let Err(trap) = machine.step()
            && let Some(stop) = machine.handle(trap)
        {
            break stop;
        }
        executed += 1;
    };
    machine.save();
    (stop, executed)
}

/// Raises `out-of-memory` in the program, instead of its next instruction. The error: nobody catches it.
pub fn raise_out_of_memory<'gc>(m: &'gc Mutator, world: Gc<'gc, World<'gc>>) -> Result<(), Report> {
    let mut unused = String::new();
    let mut machine = Machine::load(m, world, &mut unused);
    machine.r.pc += 1;
    let result = machine.raise(Value::object(world.out_of_memory));
    machine.save();
    result
}

struct Machine<'a, 'gc> {
    m: &'gc Mutator,
    world: Gc<'gc, World<'gc>>,
    out: &'a mut String,
    r: Registers<'gc>,
    // Parts of what the registers refer to, for speed.
    ops: &'gc [Op],
    constants: &'gc [Value<'gc>],
    stack: &'gc [Field<'gc>],
    /// No word of the stack from here on was used in this slice.
    high: usize,
}

impl<'a, 'gc> Machine<'a, 'gc> {
    fn load(m: &'gc Mutator, world: Gc<'gc, World<'gc>>, out: &'a mut String) -> Machine<'a, 'gc> {
        let r = world.registers.get(m);
        // No procedure that is under way needs more above its own base, which is not above `sp`.
        let high = r.sp + r.room;
        let (ops, constants) = (r.code.ops.as_slice(), r.code.constants.as_slice());
        Machine { m, world, out, r, ops, constants, stack: r.stack.as_slice(), high }
    }

    /// Puts the registers back, and forgets what lies above the top of the stack, which would be kept alive.
    fn save(mut self) {
        let end = self.stack.len().min(self.high);
        for field in &self.stack[self.r.sp..end] {
            field.store(self.m, Value::nil());
        }
        if self.stack.len() > 4096 && self.r.sp + self.r.room < self.stack.len() / 8 {
            // If there is no memory for a smaller stack the larger one will do.
            if let Ok(stack) = self.copy_stack(self.stack.len() / 2) {
                self.r.stack = stack;
            }
        }
        self.world.registers.set(self.m, self.r);
    }

    #[inline]
    fn push(&mut self, value: Value<'gc>) {
        self.stack[self.r.sp].store(self.m, value);
        self.r.sp += 1;
    }

    #[inline]
    fn top(&self) -> Value<'gc> {
        self.stack[self.r.sp - 1].load(self.m)
    }

    #[inline]
    fn pop(&mut self) -> Value<'gc> {
        self.r.sp -= 1;
        self.stack[self.r.sp].load(self.m)
    }

    /// Runs one instruction.
    #[inline]
    fn step(&mut self) -> Result<(), Trap<'gc>> {
        let op = self.ops[self.r.pc];
        self.r.pc += 1;
        match op {
            Op::Constant(constant) => self.push(self.constants[constant as usize]),
            Op::Local(index) => self.push(self.r.env.field(index as usize).load(self.m)),
            Op::Outer(levels, index) => self.push(self.outer(levels).field(index as usize).load(self.m)),
            Op::Global(constant) => self.push(self.global(constant)?),
            Op::Check(constant) => self.check(constant)?,
            Op::Unset(index) => {
                self.r.env.field(index as usize).store(self.m, Value::object(self.world.unbound));
            }
            Op::SetLocal(index) => {
                let value = self.pop();
                self.r.env.field(index as usize).store(self.m, value);
            }
            Op::SetOuter(levels, index) => {
                let value = self.pop();
                self.outer(levels).field(index as usize).store(self.m, value);
            }
            Op::SetGlobal(constant) => {
                self.global(constant)?;
                self.define(constant);
            }
            Op::Define(constant) => self.define(constant),
            Op::Pop => self.r.sp -= 1,
            Op::Jump(target) => self.r.pc = target as usize,
            Op::JumpIfFalse(target) => {
                if !is_true(self.pop()) {
                    self.r.pc = target as usize;
                }
            }
            Op::AndJump(target) => self.jump_or_pop(!is_true(self.top()), target),
            Op::OrJump(target) => self.jump_or_pop(is_true(self.top()), target),
            Op::Close(constant) => self.close(constant)?,
            Op::Call(count) => self.call(usize::from(count), false)?,
            Op::TailCall(count) => self.call(usize::from(count), true)?,
            Op::Return => return self.leave(),
            Op::Try => self.enter_try()?,
        }
        Ok(())
    }

    fn jump_or_pop(&mut self, jump: bool, target: u32) {
        match jump {
            true => self.r.pc = target as usize,
            false => self.r.sp -= 1,
        }
    }

    /// The variables of the procedure so many levels out.
    fn outer(&self, levels: u16) -> &'gc Env<'gc> {
        let mut env = self.r.env;
        for _ in 0..levels {
            env = env.outer.unwrap_or(env);
        }
        env.get()
    }

    #[inline]
    fn global(&self, constant: u32) -> Result<Value<'gc>, Trap<'gc>> {
        let symbol = self.constants[constant as usize];
        let Some(Obj::Symbol(variable)) = object(symbol) else { return Ok(symbol) };
        let value = variable.value.load(self.m);
        match object(value) {
            Some(Obj::Unbound) => {
                Err(Trap::fault(kind::UNBOUND, format!("the variable {} is not defined", &**variable.name)))
            }
            _ => Ok(value),
        }
    }

    fn define(&mut self, constant: u32) {
        if let Some(Obj::Symbol(variable)) = object(self.constants[constant as usize]) {
            let value = self.pop();
            variable.value.store(self.m, value);
        }
    }

    fn check(&self, constant: u32) -> Result<(), Trap<'gc>> {
        match object(self.top()) {
            Some(Obj::Unbound) => {
                let name = brief(self.m, self.constants[constant as usize]);
                Err(Trap::fault(kind::UNBOUND, format!("the variable {name} is used before it has a value")))
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, constant: u32) -> Result<(), Trap<'gc>> {
        if let Some(Obj::Code(code)) = object(self.constants[constant as usize]) {
            let closure = Closure { code: *code, env: self.r.env };
            self.push(place(self.m, Obj::Closure(closure))?);
        }
        Ok(())
    }

    /// Returns the top of the stack to the caller.
    #[inline]
    fn leave(&mut self) -> Result<(), Trap<'gc>> {
        let value = self.pop();
        let Some(frame) = self.r.frame else { return Err(Trap::Done(value)) };
        self.restore(frame.get());
        self.push(value);
        Ok(())
    }

    #[inline]
    fn restore(&mut self, frame: &Frame<'gc>) {
        let Frame { code, env, caller, pc, sp, .. } = *frame;
        self.r = Registers { code, env, frame: caller, pc: pc as usize, sp: sp as usize, ..self.r };
        self.ops = code.ops.as_slice();
        self.constants = code.constants.as_slice();
    }
}
