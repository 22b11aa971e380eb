//! Calls: what a procedure gets, and where it returns to.
//!
//! Each function here allocates all it needs before it changes the first register (`enter`, at its end), so that an
//! instruction that finds no memory can be repeated.

use super::super::builtins::Args;
use super::super::printer::brief;
use super::super::trap::{Trap, kind};
use super::super::value::{
    Closure, Code, Elements, Env, Field, Fields, Frame, NEAR, Obj, Value, cons, object,
};
use super::super::world::Registers;
use super::Machine;
use greyset::{Gc, Mutator, OutOfMemory};

impl<'gc> Machine<'_, 'gc> {
    /// Calls what lies under `count` arguments on the stack.
    #[inline]
    pub(super) fn call(&mut self, count: usize, tail: bool) -> Result<(), Trap<'gc>> {
        let arguments = &self.stack[self.r.sp - count..self.r.sp];
        let base = self.r.sp - count - 1;
        let callee = self.stack[base].load(self.m);
        match self.apply(callee, arguments, base, tail) {
            Err(Trap::Apply(callee, list)) => self.apply_list(callee, list, base, tail),
            done => done,
        }
    }

    /// `(apply callee list)`, as often as the callee is `apply` again.
    fn apply_list(
        &mut self,
        mut callee: Value<'gc>,
        mut list: Value<'gc>,
        base: usize,
        tail: bool,
    ) -> Result<(), Trap<'gc>> {
        loop {
            let mut elements = Elements::of(self.m, list);
            let values: Vec<_> = elements.by_ref().collect();
            if !elements.is_proper() {
                let list = brief(self.m, list);
                return Err(Trap::fault(kind::TYPE, format!("apply: {list} is not a list with an end")));
            }
            let fields = self.m.try_alloc_array(values.len(), |index| Field::new(values[index]))?;
            match self.apply(callee, fields.as_slice(), base, tail) {
                Err(Trap::Apply(next, rest)) => (callee, list) = (next, rest),
                done => return done,
            }
        }
    }

    /// Calls `callee`; its value is to be at `base` on the stack.
    #[inline]
    fn apply(
        &mut self,
        callee: Value<'gc>,
        arguments: &'gc [Field<'gc>],
        base: usize,
        tail: bool,
    ) -> Result<(), Trap<'gc>> {
        match object(callee) {
            Some(Obj::Closure(closure)) => {
                let frame = match tail {
                    true => self.r.frame,
                    false => Some(self.frame(base, Value::nil())?),
                };
                self.enter(closure, arguments, base, frame)
            }
            Some(Obj::Primitive(primitive)) => {
                let mut args =
                    Args { m: self.m, world: self.world, primitive, fields: arguments, out: self.out };
                let result = primitive.call(&mut args);
                let (value, result) = match result {
                    Ok(value) => (value, Ok(())),
                    Err(Trap::Collect) => (Value::nil(), Err(Trap::Collect)),
                    Err(trap) => return Err(trap),
                };
                self.r.sp = base;
                self.push(value);
                result
            }
            _ => Err(Trap::fault(
                kind::NOT_PROCEDURE,
                format!("{} is not a procedure, so it cannot be called", brief(self.m, callee)),
            )),
        }
    }

    /// The frame to return to, with `sp` words on the stack.
    #[inline]
    fn frame(&self, sp: usize, handler: Value<'gc>) -> Result<Gc<'gc, Frame<'gc>>, Trap<'gc>> {
        let Registers { code, env, frame, pc, .. } = self.r;
        let frame = Frame { code, env, caller: frame, handler, pc: pc as u32, sp: sp as u32 };
        Ok(self.m.try_alloc(frame)?)
    }

    /// Goes to the beginning of a closure, with `base` words left on the stack.
    #[inline]
    fn enter(
        &mut self,
        closure: &Closure<'gc>,
        arguments: &'gc [Field<'gc>],
        base: usize,
        frame: Option<Gc<'gc, Frame<'gc>>>,
    ) -> Result<(), Trap<'gc>> {
        let code = closure.code.get();
        if arguments.len() != code.required as usize {
            check_arity(self.m, code, arguments.len())?;
        }
        // Everything is allocated before the first register changes.
        let env = match code.rest || code.variables as usize > NEAR {
            false => self.small_env(closure.env, arguments)?,
            true => self.large_env(closure, arguments)?,
        };
        let needed = base + code.depth as usize;
        if needed > self.stack.len() {
            self.r.stack = self.grow_stack(needed)?;
            self.stack = self.r.stack.as_slice();
        }
        self.high = self.high.max(needed);
        let room = self.r.room.max(code.depth as usize);
        self.r = Registers { code: closure.code, env, frame, pc: 0, sp: base, room, ..self.r };
        self.ops = code.ops.as_slice();
        self.constants = code.constants.as_slice();
        Ok(())
    }

    #[inline]
    fn small_env(
        &self,
        outer: Gc<'gc, Env<'gc>>,
        arguments: &'gc [Field<'gc>],
    ) -> Result<Gc<'gc, Env<'gc>>, Trap<'gc>> {
        let near = std::array::from_fn(|index| {
            Field::new(arguments.get(index).map_or(Value::nil(), |field| field.load(self.m)))
        });
        Ok(self.m.try_alloc(Env { outer: Some(outer), near, far: None })?)
    }

    /// Variables of any number; the last parameter may take the rest of the arguments as a list.
    #[cold]
    fn large_env(
        &self,
        closure: &Closure<'gc>,
        arguments: &'gc [Field<'gc>],
    ) -> Result<Gc<'gc, Env<'gc>>, Trap<'gc>> {
        let code = closure.code.get();
        let required = code.required as usize;
        let mut values = vec![Value::nil(); NEAR.max(code.variables as usize)];
        for (value, field) in values.iter_mut().zip(&arguments[..required]) {
            *value = field.load(self.m);
        }
        if code.rest {
            for field in arguments[required..].iter().rev() {
                values[required] = cons(self.m, field.load(self.m), values[required])?;
            }
        }
        let near = std::array::from_fn(|index| Field::new(values[index]));
        let far = match &values[NEAR..] {
            [] => None,
            far => Some(self.m.try_alloc_array(far.len(), |index| Field::new(far[index]))?),
        };
        Ok(self.m.try_alloc(Env { outer: Some(closure.env), near, far })?)
    }

    /// A stack with room for `needed` words. Twice as large, if there is memory for that.
    #[cold]
    fn grow_stack(&self, needed: usize) -> Result<Gc<'gc, Fields<'gc>>, OutOfMemory> {
        self.copy_stack(needed.max(2 * self.stack.len())).or_else(|_| self.copy_stack(needed + needed / 8))
    }

    pub(super) fn copy_stack(&self, len: usize) -> Result<Gc<'gc, Fields<'gc>>, OutOfMemory> {
        let used = &self.stack[..self.r.sp];
        self.m.try_alloc_array(len, |index| {
            Field::new(used.get(index).map_or(Value::nil(), |field| field.load(self.m)))
        })
    }

    pub(super) fn enter_try(&mut self) -> Result<(), Trap<'gc>> {
        let base = self.r.sp - 2;
        let handler = self.stack[base].load(self.m);
        if !matches!(object(handler), Some(Obj::Closure(_) | Obj::Primitive(_))) {
            let handler = brief(self.m, handler);
            return Err(Trap::fault(
                kind::TYPE,
                format!("try: the handler must be a procedure, not {handler}"),
            ));
        }
        let frame = self.frame(base, handler)?;
        match object(self.top()) {
            Some(Obj::Closure(body)) => self.enter(body, &[], base, Some(frame)),
            _ => Ok(()),
        }
    }
}

#[cold]
fn check_arity<'gc>(m: &'gc Mutator, code: &Code<'gc>, count: usize) -> Result<(), Trap<'gc>> {
    let required = code.required as usize;
    if code.rest && count >= required {
        return Ok(());
    }
    let name = if code.name.is_nil() { "this procedure".to_string() } else { brief(m, code.name) };
    let least = if code.rest { "at least " } else { "" };
    let noun = if required == 1 { "argument" } else { "arguments" };
    Err(Trap::fault(kind::ARITY, format!("{name} takes {least}{required} {noun}, not {count}")))
}
