//! The one object that everything hangs off: the symbols, the machine's registers between two slices, the last result.
//!
//! The interpreter has a single `Root`, on this object. Whatever is reachable from here lives.

use super::value::{Code, Condition, Env, Field, Fields, Frame, Obj, Place, Symbol, Value, place};
use super::{builtins, trap::kind};
use greyset::{Array, Gc, Lock, Mutator, OutOfMemory, Trace};
use std::collections::HashMap;

/// Words on the stack at first.
const FIRST_STACK: usize = 1024;

/// The root of an interpreter's objects.
#[derive(Trace)]
pub struct World<'gc> {
    /// The interned symbols. A Rust map under a [`Lock`]: it is used by the reader only, so the lock costs nothing that
    /// matters. Its own memory is outside the heap; see [`Table`](super::value::Table) for the other choice.
    symbols: Lock<'gc, HashMap<Box<str>, Gc<'gc, Obj<'gc>>>>,
    /// Where the machine's registers are while it does not run: several words that change together.
    pub registers: Lock<'gc, Registers<'gc>>,
    /// The value of the last program that ran to its end.
    pub result: Field<'gc>,
    /// The object that stands for "no value yet".
    pub unbound: Gc<'gc, Obj<'gc>>,
    /// Raised when memory is out. Made beforehand, since there is none to make it with then.
    pub out_of_memory: Gc<'gc, Obj<'gc>>,
}

/// The registers of the machine. `Copy`: a slice of the program works on a copy in Rust's own variables.
#[derive(Clone, Copy, Trace)]
pub struct Registers<'gc> {
    pub code: Gc<'gc, Code<'gc>>,
    pub env: Gc<'gc, Env<'gc>>,
    /// Where the running procedure returns to; `None` ends the program.
    pub frame: Option<Gc<'gc, Frame<'gc>>>,
    pub stack: Gc<'gc, Fields<'gc>>,
    /// Next instruction.
    pub pc: usize,
    /// Words on the stack.
    pub sp: usize,
    /// Words that any procedure of this program has needed at most: room that the stack has above `sp`.
    pub room: usize,
}

impl<'gc> World<'gc> {
    /// A world with nothing in it but the primitives.
    pub fn create(m: &'gc Mutator) -> Result<Gc<'gc, World<'gc>>, OutOfMemory> {
        let unbound = m.try_alloc(Obj::Unbound).map_err(|error| error.cause())?;
        let memory = new_symbol(m, unbound, kind::MEMORY)?;
        let world = World {
            symbols: Lock::new(HashMap::from([(kind::MEMORY.into(), memory)])),
            registers: Lock::new(Registers {
                code: empty_code(m)?,
                env: empty_env(m)?,
                frame: None,
                stack: m.try_alloc_array(FIRST_STACK, |_| Field::new(Value::nil()))?,
                pc: 0,
                sp: 0,
                room: 0,
            }),
            result: Field::new(Value::nil()),
            unbound,
            out_of_memory: out_of_memory(m, memory)?,
        };
        let world = m.try_alloc(world).map_err(|error| error.cause())?;
        for primitive in builtins::all() {
            let value = place(m, Obj::Primitive(primitive))?;
            if let Obj::Symbol(symbol) = world.symbol(m, primitive.name)?.get() {
                symbol.value.store(m, value);
            }
        }
        Ok(world)
    }

    /// The symbol with this name: always the same object.
    pub fn symbol(&self, m: &'gc Mutator, name: &str) -> Result<Gc<'gc, Obj<'gc>>, OutOfMemory> {
        if let Some(symbol) = self.symbols.with(m, |symbols| symbols.get(name).copied()) {
            return Ok(symbol);
        }
        let symbol = new_symbol(m, self.unbound, name)?;
        self.symbols.write(m).insert(name.into(), symbol);
        Ok(symbol)
    }

    /// Makes the machine ready to run `code` from its beginning, with nothing on its stack.
    pub fn start(&self, m: &'gc Mutator, code: Gc<'gc, Code<'gc>>) -> Result<(), OutOfMemory> {
        let env = empty_env(m)?;
        let variables = (code.variables as usize).saturating_sub(env.near.len());
        let far = match variables {
            0 => None,
            len => Some(m.try_alloc_array(len, |_| Field::new(Value::nil()))?),
        };
        let env = m.try_alloc(Env { outer: Some(env), near: no_values(), far }).map_err(|e| e.cause())?;
        let stack = self.registers.get(m).stack;
        let room = code.depth as usize;
        let stack = match stack.len() < room {
            false => stack,
            true => m.try_alloc_array(room, |_| Field::new(Value::nil()))?,
        };
        self.registers.set(m, Registers { code, env, frame: None, stack, pc: 0, sp: 0, room });
        Ok(())
    }
}

/// As many fields as an [`Env`] has, with nothing in them.
pub fn no_values<'gc, const N: usize>() -> [Field<'gc>; N] {
    std::array::from_fn(|_| Field::new(Value::nil()))
}

fn new_symbol<'gc>(
    m: &'gc Mutator,
    unbound: Gc<'gc, Obj<'gc>>,
    name: &str,
) -> Result<Gc<'gc, Obj<'gc>>, OutOfMemory> {
    let symbol = Symbol { name: m.try_alloc_str(name)?, value: Field::new(Value::object(unbound)) };
    m.try_alloc(Obj::Symbol(symbol)).map_err(|error| error.cause())
}

fn out_of_memory<'gc>(m: &'gc Mutator, kind: Gc<'gc, Obj<'gc>>) -> Result<Gc<'gc, Obj<'gc>>, OutOfMemory> {
    let message = m.try_alloc_str("the heap is full")?;
    let condition = Condition { kind, message, irritants: Value::nil(), place: Place::default() };
    let condition = m.try_alloc(condition).map_err(|error| error.cause())?;
    m.try_alloc(Obj::Condition(condition)).map_err(|error| error.cause())
}

fn empty_env<'gc>(m: &'gc Mutator) -> Result<Gc<'gc, Env<'gc>>, OutOfMemory> {
    m.try_alloc(Env { outer: None, near: no_values(), far: None }).map_err(|error| error.cause())
}

fn empty_code<'gc>(m: &'gc Mutator) -> Result<Gc<'gc, Code<'gc>>, OutOfMemory> {
    let code = Code {
        name: Value::nil(),
        ops: m.try_alloc_slice(&[])?,
        constants: none(m)?,
        places: m.try_alloc_slice(&[])?,
        required: 0,
        rest: false,
        variables: 0,
        depth: 0,
    };
    m.try_alloc(code).map_err(|error| error.cause())
}

fn none<'gc>(m: &'gc Mutator) -> Result<Gc<'gc, Array<'gc, Value<'gc>>>, OutOfMemory> {
    m.try_alloc_slice(&[])
}
