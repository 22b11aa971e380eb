//! Errors: how they are made, where they go, and what is said of those that nobody catches.

use super::super::printer::brief;
use super::super::trap::{Fault, Trap, kind};
use super::super::value::{Condition, Elements, Obj, Place, Value, object, place};
use super::{Machine, Report, Stop};
use greyset::{Gc, OutOfMemory, Str};

impl<'gc> Machine<'_, 'gc> {
    /// What a trap means; `None` if the program goes on.
    #[cold]
    pub(super) fn handle(&mut self, trap: Trap<'gc>) -> Option<Stop> {
        let raised = match trap {
            Trap::Collect => return Some(Stop::Collect),
            Trap::Memory => return self.repeat(),
            Trap::Done(value) => {
                self.world.result.store(self.m, value);
                return Some(Stop::Done);
            }
            Trap::Fault(fault) => match self.fault(&fault) {
                Ok(condition) => condition,
                Err(OutOfMemory { .. }) => return self.repeat(),
            },
            Trap::Error(message, irritants) => match self.condition(kind::USER, message, irritants) {
                Ok(condition) => condition,
                Err(OutOfMemory { .. }) => return self.repeat(),
            },
            Trap::Raise(value) => value,
            Trap::Apply(..) => return None,
        };
        self.raise(raised).err().map(Stop::Uncaught)
    }

    /// Back to the beginning of the instruction.
    fn repeat(&mut self) -> Option<Stop> {
        self.r.pc -= 1;
        Some(Stop::Memory)
    }

    /// Leaves everything up to the innermost handler, and calls it: the instruction that does so is the second one behind
    /// its `Try`.
    pub(super) fn raise(&mut self, value: Value<'gc>) -> Result<(), Report> {
        let mut next = self.r.frame;
        while let Some(frame) = next {
            if !frame.handler.is_nil() {
                self.restore(frame.get());
                self.r.pc += 1;
                self.push(frame.handler);
                self.push(value);
                return Ok(());
            }
            next = frame.caller;
        }
        Err(self.report(value))
    }

    fn report(&self, value: Value<'gc>) -> Report {
        match object(value) {
            Some(Obj::Condition(condition)) => {
                let here = self.place(self.r.pc - 1);
                let place = if condition.place.line == 0 { here } else { condition.place };
                let irritants = Elements::of(self.m, condition.irritants);
                let irritants = irritants.map(|value| format!(" {}", brief(self.m, value)));
                let message = format!("{}{}", &**condition.message, irritants.collect::<String>());
                Report { place, message }
            }
            _ => Report {
                place: self.place(self.r.pc - 1),
                message: format!("nobody caught the value {}", brief(self.m, value)),
            },
        }
    }

    /// The condition object for an error found in Rust.
    fn fault(&self, fault: &Fault) -> Result<Value<'gc>, OutOfMemory> {
        self.condition(fault.kind, self.m.try_alloc_str(&fault.message)?, Value::nil())
    }

    fn condition(
        &self,
        kind: &str,
        message: Gc<'gc, Str<'gc>>,
        irritants: Value<'gc>,
    ) -> Result<Value<'gc>, OutOfMemory> {
        let kind = self.world.symbol(self.m, kind)?;
        let condition = Condition { kind, message, irritants, place: self.place(self.r.pc - 1) };
        let condition = self.m.try_alloc(condition).map_err(|error| error.cause())?;
        place(self.m, Obj::Condition(condition))
    }

    /// Where the instruction at `pc` came from; in the prelude, where that was called from.
    fn place(&self, pc: usize) -> Place {
        let mut here = self.r.code.places[pc];
        let mut next = self.r.frame;
        while let (0, Some(frame)) = (here.line, next) {
            here = frame.code.places[frame.pc as usize - 1];
            next = frame.caller;
        }
        here
    }
}
