//! Why an instruction did not simply go on: errors of the script, and requests to whoever runs the machine.
//!
//! An error of the script is a value ([`Fault`]) until the machine makes a [`Condition`](super::value::Condition) of it,
//! which needs memory and so may itself fail. That there is no memory is not an error of the script yet: the machine stops,
//! somebody makes room at a safepoint, and the same instruction runs again. See `interpreter`.

use super::value::Value;
use greyset::{AllocError, Gc, OutOfMemory, Str};

/// Why an instruction did not simply go on.
pub enum Trap<'gc> {
    /// There is no memory. Nothing the script can see has changed: the instruction can run again.
    Memory,
    /// The script did something wrong.
    Fault(Box<Fault>),
    /// `(error message irritant ...)`
    Error(Gc<'gc, Str<'gc>>, Value<'gc>),
    /// `(raise value)`
    Raise(Value<'gc>),
    /// `(apply procedure list)`: a call that the machine makes.
    Apply(Value<'gc>, Value<'gc>),
    /// `(gc)`: only a safepoint can collect.
    Collect,
    /// The program has come to its end, with this value.
    Done(Value<'gc>),
}

/// An error of the script, before it is an object.
#[derive(Debug)]
pub struct Fault {
    pub kind: &'static str,
    pub message: String,
}

/// The kinds of errors, as `(error-kind e)` says them.
pub mod kind {
    pub const ARITY: &str = "wrong-number-of-arguments";
    pub const DIVISION: &str = "division-by-zero";
    pub const MEMORY: &str = "out-of-memory";
    pub const NOT_PROCEDURE: &str = "not-a-procedure";
    pub const RANGE: &str = "out-of-range";
    pub const TYPE: &str = "wrong-type";
    pub const UNBOUND: &str = "unbound-variable";
    pub const USER: &str = "error";
}

impl<'gc> Trap<'gc> {
    /// An error of the script.
    pub fn fault(kind: &'static str, message: impl Into<String>) -> Trap<'gc> {
        Trap::Fault(Box::new(Fault { kind, message: message.into() }))
    }
}

impl From<OutOfMemory> for Trap<'_> {
    fn from(_: OutOfMemory) -> Self {
        Trap::Memory
    }
}

/// The value that did not fit is dropped: the instruction will make it again.
impl<T> From<AllocError<T>> for Trap<'_> {
    fn from(_: AllocError<T>) -> Self {
        Trap::Memory
    }
}
