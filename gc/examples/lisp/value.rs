//! What lives in the heap: values, the objects they refer to, and the parts of the machine.
//!
//! This is the file to read first. Every field says by its type how it may change:
//!
//! | field | may change? | handle |
//! | --- | --- | --- |
//! | `Closure::code`, `Frame::caller`, `Env::outer` | never | plain [`Gc`]: no barrier, no cost |
//! | `Pair::car`, `Symbol::value`, the slots of an [`Env`] | yes, one word each | [`Field`], a `WordSlot` |
//! | `Table::buckets` | yes, always an object of one type | `Slot` |
//! | the table of symbols, the saved registers (`world`) | yes, several words or Rust data | `Lock` |
//!
//! What this module never does: run anything. Nothing here has a `Drop` either, so that dead objects cost nothing.

use greyset::{Array, Gc, Mutator, OutOfMemory, Slot, Str, Tagged, TaggedView, Trace, Weak, WordSlot};
use std::sync::atomic::AtomicUsize;

use super::builtins::Primitive;

/// A Lisp value in one word: an integer, a boolean, the empty list (nil), or a reference to an [`Obj`].
pub type Value<'gc> = Tagged<'gc, Obj<'gc>>;

/// A field that holds a value and can be changed. The write barrier is inside.
pub type Field<'gc> = WordSlot<'gc, Value<'gc>>;

/// A row of such fields in one object: a Lisp vector, the machine's stack, the buckets of a table.
pub type Fields<'gc> = Array<'gc, Field<'gc>>;

/// Every object a [`Value`] can refer to.
///
/// One enum rather than many types: a reference says `Obj`, and a `match` finds out which. What is as common as pairs is
/// inline; the rest is a reference to an object of its own type, so that no rare variant makes a pair any larger.
#[derive(Trace)]
pub enum Obj<'gc> {
    /// `(car . cdr)`
    Pair(Pair<'gc>),
    /// An identifier, and its global variable.
    Symbol(Symbol<'gc>),
    /// A number that is not an integer.
    Float(f64),
    /// A string; it never changes.
    Text(Gc<'gc, Str<'gc>>),
    /// A procedure written in Lisp.
    Closure(Closure<'gc>),
    /// A procedure written in Rust.
    Primitive(&'static Primitive),
    /// A vector.
    Vector(Gc<'gc, Fields<'gc>>),
    /// A hash table.
    Table(Gc<'gc, Table<'gc>>),
    /// What errors raise.
    Condition(Gc<'gc, Condition<'gc>>),
    /// A reference that does not keep its object.
    Weak(Gc<'gc, WeakRef>),
    /// A compiled procedure without its environment; only a constant of other code.
    Code(Gc<'gc, Code<'gc>>),
    /// The value of a variable that has none yet.
    Unbound,
}

/// The two fields of a pair. `set-car!` and `set-cdr!` change them.
#[derive(Trace)]
pub struct Pair<'gc> {
    pub car: Field<'gc>,
    pub cdr: Field<'gc>,
}

/// A name, and the value of the global variable with that name.
#[derive(Trace)]
pub struct Symbol<'gc> {
    pub name: Gc<'gc, Str<'gc>>,
    pub value: Field<'gc>,
}

/// A procedure: what to run, and the variables around it.
#[derive(Clone, Copy, Trace)]
pub struct Closure<'gc> {
    pub code: Gc<'gc, Code<'gc>>,
    pub env: Gc<'gc, Env<'gc>>,
}

/// How many variables an [`Env`] holds in itself.
pub const NEAR: usize = 4;

/// The variables of one call of a procedure. Most have four at most, and then it is one object of 48 bytes.
#[derive(Trace)]
pub struct Env<'gc> {
    pub outer: Option<Gc<'gc, Env<'gc>>>,
    pub near: [Field<'gc>; NEAR],
    pub far: Option<Gc<'gc, Fields<'gc>>>,
}

impl<'gc> Env<'gc> {
    /// The variable with this number.
    #[inline]
    pub fn field(&self, index: usize) -> &Field<'gc> {
        match (index.checked_sub(NEAR), &self.far) {
            (Some(index), Some(far)) => &far.as_slice()[index],
            _ => &self.near[index],
        }
    }
}

/// Where a procedure returns to, or where an error is caught. It never changes, so it is all plain references.
#[derive(Trace)]
pub struct Frame<'gc> {
    pub code: Gc<'gc, Code<'gc>>,
    pub env: Gc<'gc, Env<'gc>>,
    pub caller: Option<Gc<'gc, Frame<'gc>>>,
    /// Of a `try`, the procedure that takes the error; otherwise nil.
    pub handler: Value<'gc>,
    pub pc: u32,
    pub sp: u32,
}

/// A compiled procedure.
#[derive(Trace)]
pub struct Code<'gc> {
    /// A symbol, or nil.
    pub name: Value<'gc>,
    pub ops: Gc<'gc, Array<'gc, Op>>,
    pub constants: Gc<'gc, Array<'gc, Value<'gc>>>,
    /// For each operation where it came from.
    pub places: Gc<'gc, Array<'gc, Place>>,
    pub required: u32,
    /// Takes any number of arguments more, as a list in one more variable.
    pub rest: bool,
    /// Variables: parameters and what the body binds.
    pub variables: u32,
    /// Most words it has on the stack at any moment.
    pub depth: u32,
}

/// An instruction. `u32`s are indices of variables, constants or instructions; `u16`s count.
#[derive(Clone, Copy, Debug, PartialEq, Trace)]
pub enum Op {
    /// Push a constant.
    Constant(u32),
    /// Push a variable of this procedure.
    Local(u32),
    /// Push a variable of the procedure so many levels out.
    Outer(u16, u32),
    /// Push the value of the global variable that is the symbol among the constants.
    Global(u32),
    /// Fail if the top of the stack is no value yet; the constant is its variable's name.
    Check(u32),
    /// The variable has no value yet.
    Unset(u32),
    /// Pop into a variable of this procedure.
    SetLocal(u32),
    /// Pop into a variable further out.
    SetOuter(u16, u32),
    /// Pop into a global variable that exists.
    SetGlobal(u32),
    /// Pop into a global variable.
    Define(u32),
    /// Drop the top of the stack.
    Pop,
    /// Go on elsewhere.
    Jump(u32),
    /// Pop; go on elsewhere if it was false.
    JumpIfFalse(u32),
    /// If the top is false go on elsewhere, otherwise pop it: `and`.
    AndJump(u32),
    /// If the top is not false go on elsewhere, otherwise pop it: `or`.
    OrJump(u32),
    /// Push a closure of the code among the constants.
    Close(u32),
    /// Call with so many arguments; they and the procedure are on the stack.
    Call(u16),
    /// The same, in place of the running procedure.
    TailCall(u16),
    /// Leave with the top of the stack as the value.
    Return,
    /// Pop a procedure and a handler; call the procedure, with the handler installed.
    Try,
}

/// A place in the source text, both from 1; line 0 is the prelude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Trace)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// What an error raises: `(error-kind e)`, `(error-message e)`, `(error-irritants e)`.
#[derive(Trace)]
pub struct Condition<'gc> {
    pub kind: Gc<'gc, Obj<'gc>>,
    pub message: Gc<'gc, Str<'gc>>,
    pub irritants: Value<'gc>,
    pub place: Place,
}

/// A hash table: buckets are lists of `((key . value) …)`.
///
/// It could be a `Lock<HashMap<…>>`, but the memory of a Rust map is not the heap's: it would not count against the limit.
#[derive(Trace)]
pub struct Table<'gc> {
    pub buckets: Slot<'gc, Fields<'gc>>,
    pub count: AtomicUsize,
}

/// A weak reference. `Weak` has a destructor, and a type with one is swept more slowly; so it is not inside [`Obj`].
#[derive(Trace)]
pub struct WeakRef {
    pub target: Weak<Obj<'static>>,
}

/// `false` alone is false.
#[inline]
pub fn is_true(value: Value<'_>) -> bool {
    value != Value::bool(false)
}

/// The object of a value, if it has one.
#[inline]
pub fn object<'gc>(value: Value<'gc>) -> Option<&'gc Obj<'gc>> {
    value.as_object().map(Gc::get)
}

/// The pair that a value is, if it is one.
#[inline]
pub fn pair<'gc>(value: Value<'gc>) -> Option<&'gc Pair<'gc>> {
    match object(value) {
        Some(Obj::Pair(pair)) => Some(pair),
        _ => None,
    }
}

/// Allocates `(car . cdr)`.
#[inline]
pub fn cons<'gc>(m: &'gc Mutator, car: Value<'gc>, cdr: Value<'gc>) -> Result<Value<'gc>, OutOfMemory> {
    place(m, Obj::Pair(Pair { car: Field::new(car), cdr: Field::new(cdr) }))
}

/// Allocates an object. The error of `try_alloc` gives the object back; this one lets it go.
#[inline]
pub fn place<'gc>(m: &'gc Mutator, obj: Obj<'gc>) -> Result<Value<'gc>, OutOfMemory> {
    match m.try_alloc(obj) {
        Ok(obj) => Ok(Value::object(obj)),
        Err(error) => Err(error.cause()),
    }
}

/// Allocates a string.
pub fn text<'gc>(m: &'gc Mutator, text: &str) -> Result<Value<'gc>, OutOfMemory> {
    let text = m.try_alloc_str(text)?;
    place(m, Obj::Text(text))
}

/// A list of `values`.
pub fn list<'gc>(m: &'gc Mutator, values: &[Value<'gc>]) -> Result<Value<'gc>, OutOfMemory> {
    let mut list = Value::nil();
    for &value in values.iter().rev() {
        list = cons(m, value, list)?;
    }
    Ok(list)
}

/// The elements of a list, up to its end, something that is no pair, or a second visit of the same pair.
pub struct Elements<'gc> {
    m: &'gc Mutator,
    rest: Value<'gc>,
    /// A pair met earlier, replaced after every power of two of steps (Brent 1980).
    mark: Value<'gc>,
    steps: u64,
    circular: bool,
}

impl<'gc> Elements<'gc> {
    pub fn of(m: &'gc Mutator, list: Value<'gc>) -> Elements<'gc> {
        Elements { m, rest: list, mark: Value::nil(), steps: 0, circular: false }
    }

    /// Was it a list with an end? To be asked after the last element.
    pub fn is_proper(&self) -> bool {
        self.rest.is_nil() && !self.circular
    }

    /// The pair of the next element.
    pub fn next_pair(&mut self) -> Option<&'gc Pair<'gc>> {
        if self.circular {
            return None;
        }
        let pair = pair(self.rest)?;
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.mark = self.rest;
        }
        self.rest = pair.cdr.load(self.m);
        self.circular = self.rest == self.mark;
        Some(pair)
    }
}

impl<'gc> Iterator for Elements<'gc> {
    type Item = Value<'gc>;
    fn next(&mut self) -> Option<Value<'gc>> {
        self.next_pair().map(|pair| pair.car.load(self.m))
    }
}

/// The integer of a value, if it is one.
#[inline]
pub fn integer(value: Value<'_>) -> Option<i64> {
    match value.view() {
        TaggedView::Int(int) => Some(int),
        _ => None,
    }
}
