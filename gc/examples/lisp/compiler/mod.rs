//! The compiler: heap data to [`Code`].
//!
//! Like the reader it never calls itself, whatever the nesting: what remains to be done is a list of [`Task`]s, the next one
//! last. A form puts its tasks there in reverse (`forms`), and tasks that change the function under construction (`End…`,
//! `Patch…`) stand among them.
//!
//! Every expression leaves exactly one word more on the stack. So the depth of the stack is known everywhere, and the machine
//! checks for room once a call.

mod forms;
mod function;
mod scope;

use super::reader::{Form, Places, SourceError};
use super::value::{Code, Obj, Op, Place, Value, object, pair, place};
use function::{Function, build};
use greyset::{Gc, Mutator};
use scope::{Scope, Variable};

/// Compiles a form into a procedure without parameters.
pub fn compile<'gc>(m: &'gc Mutator, form: &Form<'gc>) -> Result<Gc<'gc, Code<'gc>>, SourceError> {
    let mut compiler = Compiler {
        m,
        places: &form.places,
        tasks: Vec::new(),
        scope: Scope::default(),
        functions: Vec::new(),
    };
    let mut main = Function::new(Value::nil(), 0);
    let source = Source { datum: form.datum, place: form.place };
    // Not in tail position, so that there is a frame to say where an error in the prelude came from.
    compiler.tasks.push(Task::Emit(Op::Return, form.place));
    compiler.tasks.push(Task::Expression(source, false));
    while let Some(task) = compiler.tasks.pop() {
        compiler.run(task, &mut main)?;
    }
    build(m, &main)
}

/// A part of the source.
#[derive(Clone, Copy)]
struct Source<'gc> {
    datum: Value<'gc>,
    place: Place,
}

/// Something to do. `bool`s say whether the expression is in tail position.
enum Task<'gc> {
    Expression(Source<'gc>, bool),
    /// Expressions for the value of the last. Not empty.
    Sequence(Vec<Source<'gc>>, bool),
    /// A sequence that may begin with definitions of its own.
    Body(Vec<Source<'gc>>, bool, Place),
    /// Clauses of `cond`, the next one last.
    Clauses(Vec<Source<'gc>>, bool, Place),
    Constant(Value<'gc>, bool, Place),
    /// A procedure: its name, parameters and body.
    Lambda {
        name: Value<'gc>,
        names: Vec<Source<'gc>>,
        rest: Option<Source<'gc>>,
        body: Vec<Source<'gc>>,
        place: Place,
    },
    EndLambda(Place),
    EndTry(Place),
    Emit(Op, Place),
    /// A jump of the given kind, to where the matching `PatchJump` stands.
    Jump(fn(u32) -> Op, Place),
    PatchJump,
    /// Between the branches of an `if`.
    Else(bool, Place),
    /// Pops as many values as there are names into new variables.
    Bind(Vec<Source<'gc>>),
    /// A new variable that has no value yet.
    Declare(Source<'gc>),
    /// Pops into the variable (or the global variable) of that name.
    Assign(Source<'gc>),
    /// The same, for the first time; a global variable need not exist yet.
    Define(Source<'gc>),
    /// The innermost variables go out of scope.
    Unbind(usize),
}

/// Where a variable was found.
enum Found {
    Local(Variable),
    Outer(u16, Variable),
    Global,
}

fn error<T>(at: Place, message: impl Into<String>) -> Result<T, SourceError> {
    Err(SourceError::Syntax(at, message.into()))
}

/// The name of a symbol.
fn name_of<'gc>(value: Value<'gc>) -> Option<&'gc str> {
    match object(value) {
        Some(Obj::Symbol(symbol)) => Some(symbol.name.as_str()),
        _ => None,
    }
}

struct Compiler<'a, 'gc> {
    m: &'gc Mutator,
    places: &'a Places,
    scope: Scope,
    tasks: Vec<Task<'gc>>,
    /// The functions around the one under construction, outermost first.
    functions: Vec<Function<'gc>>,
}

impl<'gc> Compiler<'_, 'gc> {
    fn run(&mut self, task: Task<'gc>, f: &mut Function<'gc>) -> Result<(), SourceError> {
        match task {
            Task::Expression(source, tail) => return self.expression(source, tail, f),
            Task::Sequence(sources, tail) => self.sequence(sources, tail),
            Task::Body(sources, tail, at) => return self.body(sources, tail, at),
            Task::Clauses(clauses, tail, at) => return self.clauses(clauses, tail, at),
            Task::Constant(value, tail, at) => f.push(value, tail, at),
            Task::Lambda { name, names, rest, body, place } => {
                self.functions.push(std::mem::replace(f, Function::new(name, self.scope.len())));
                for name in names.iter().chain(&rest) {
                    self.bind(*name, false, f)?;
                }
                f.required = names.len() as u32;
                f.rest = rest.is_some();
                self.tasks.push(Task::EndLambda(place));
                self.tasks.push(Task::Body(body, true, place));
            }
            Task::EndTry(at) => {
                f.emit(Op::Try, at);
                f.emit(Op::Jump(f.ops.len() as u32 + 2), at);
                f.depth += 1;
                f.most = f.most.max(f.depth);
                f.emit(Op::Call(1), at);
            }
            Task::EndLambda(at) => {
                let code = build(self.m, f)?;
                self.scope.truncate(f.outside);
                if let Some(around) = self.functions.pop() {
                    *f = around;
                }
                let code = f.constant(place(self.m, Obj::Code(code))?);
                f.emit(Op::Close(code), at);
            }
            Task::Emit(op, at) => f.emit(op, at),
            Task::Jump(kind, at) => f.jump(kind, at),
            Task::PatchJump => f.patch(),
            Task::Else(tail, at) => {
                let then = f.jumps.pop();
                if !tail {
                    f.jump(Op::Jump, at);
                }
                f.jumps.extend(then);
                f.patch();
                f.depth -= 1;
            }
            Task::Bind(names) => {
                let first = f.variables;
                for name in &names {
                    self.bind(*name, false, f)?;
                }
                for (index, name) in (first..f.variables).zip(&names).rev() {
                    f.emit(Op::SetLocal(index), name.place);
                }
            }
            Task::Declare(name) => {
                let index = self.bind(name, true, f)?;
                f.emit(Op::Unset(index), name.place);
            }
            Task::Assign(name) => {
                let op = self.assignment(name, f)?;
                f.emit(op, name.place);
            }
            Task::Define(name) => {
                let op = self.definition(name, f)?;
                f.emit(op, name.place);
            }
            Task::Unbind(count) => self.scope.truncate(self.scope.len() - count),
        }
        Ok(())
    }

    /// What does not depend on the kind of form: variables, constants, calls.
    fn expression(&mut self, x: Source<'gc>, tail: bool, f: &mut Function<'gc>) -> Result<(), SourceError> {
        match object(x.datum) {
            Some(Obj::Symbol(_)) => self.variable(x, f)?,
            Some(Obj::Pair(_)) => return self.compound(x, tail),
            _ if x.datum.is_nil() => {
                return error(x.place, "() is not an expression; the empty list is written '()");
            }
            _ => {
                f.push(x.datum, tail, x.place);
                return Ok(());
            }
        }
        if tail {
            f.emit(Op::Return, x.place);
        }
        Ok(())
    }

    /// A special form or a call.
    fn compound(&mut self, x: Source<'gc>, tail: bool) -> Result<(), SourceError> {
        let parts = self.elements(x)?;
        let head = parts[0];
        if let Some(name) = name_of(head.datum)
            && matches!(self.find(head)?, Found::Global)
            && let Some(form) = forms::by_name(name)
        {
            return form(self, x.place, &parts[1..], tail);
        }
        self.call(parts.len() - 1, tail, x.place)?;
        self.tasks.extend(parts.into_iter().rev().map(|part| Task::Expression(part, false)));
        Ok(())
    }

    fn variable(&mut self, name: Source<'gc>, f: &mut Function<'gc>) -> Result<(), SourceError> {
        let constant = |f: &mut Function<'gc>| f.constant(name.datum);
        let (op, check) = match self.find(name)? {
            Found::Local(variable) => (Op::Local(variable.index), variable.check),
            Found::Outer(levels, variable) => (Op::Outer(levels, variable.index), variable.check),
            Found::Global => (Op::Global(constant(f)), false),
        };
        f.emit(op, name.place);
        if check {
            let constant = constant(f);
            f.emit(Op::Check(constant), name.place);
        }
        Ok(())
    }

    /// Plans the call itself, with so many arguments.
    ///
    /// A call in tail position may find a primitive, whose value is then left on the stack: hence the `Return` behind it.
    fn call(&mut self, count: usize, tail: bool, at: Place) -> Result<(), SourceError> {
        let Ok(count) = u16::try_from(count) else {
            return error(at, "a call can have 65535 arguments at most");
        };
        self.tasks.extend(tail.then_some(Task::Emit(Op::Return, at)));
        self.tasks.push(Task::Emit(if tail { Op::TailCall(count) } else { Op::Call(count) }, at));
        Ok(())
    }

    fn assignment(&self, name: Source<'gc>, f: &mut Function<'gc>) -> Result<Op, SourceError> {
        Ok(match self.find(name)? {
            Found::Local(variable) => Op::SetLocal(variable.index),
            Found::Outer(levels, variable) => Op::SetOuter(levels, variable.index),
            Found::Global => Op::SetGlobal(f.constant(name.datum)),
        })
    }

    /// Global outside of everything; in a body a variable that the body has declared.
    fn definition(&self, name: Source<'gc>, f: &mut Function<'gc>) -> Result<Op, SourceError> {
        if self.scope.len() == 0 && self.functions.is_empty() {
            return Ok(Op::Define(f.constant(name.datum)));
        }
        match self.find(name)? {
            Found::Local(variable) if variable.check => Ok(Op::SetLocal(variable.index)),
            _ => error(name.place, "a definition stands at the top or directly in a body"),
        }
    }

    fn find(&self, name: Source<'gc>) -> Result<Found, SourceError> {
        let Some(variable) = self.scope.find(self.symbol(name)?) else { return Ok(Found::Global) };
        match u16::try_from(self.functions.len() - variable.level) {
            Ok(0) => Ok(Found::Local(variable)),
            Ok(levels) => Ok(Found::Outer(levels, variable)),
            Err(_) => error(name.place, "this variable is more than 65535 procedures further out"),
        }
    }

    /// A new variable of `f`.
    fn bind(&mut self, name: Source<'gc>, check: bool, f: &mut Function<'gc>) -> Result<u32, SourceError> {
        let variable = Variable { level: self.functions.len(), index: f.variable(), check };
        self.scope.bind(self.symbol(name)?, variable);
        Ok(variable.index)
    }

    /// The address of the symbol that `name` is.
    fn symbol(&self, name: Source<'gc>) -> Result<usize, SourceError> {
        match (name_of(name.datum), name.datum.as_object()) {
            (Some(_), Some(symbol)) => Ok(symbol.as_addr()),
            _ => error(name.place, "a name is expected here"),
        }
    }

    /// The elements of a list and their places.
    fn elements(&self, list: Source<'gc>) -> Result<Vec<Source<'gc>>, SourceError> {
        let mut elements = Vec::new();
        let mut rest = list.datum;
        while let Some(cell) = pair(rest) {
            let place = self.place_of(rest, list.place);
            elements.push(Source { datum: cell.car.load(self.m), place });
            rest = cell.cdr.load(self.m);
        }
        match rest.is_nil() {
            true => Ok(elements),
            false => error(list.place, "a list is expected here, without a dot"),
        }
    }

    /// The place of the `car` of a pair; `otherwise` if it did not come from the text.
    fn place_of(&self, cell: Value<'gc>, otherwise: Place) -> Place {
        let place = cell.as_object().and_then(|cell| self.places.get(&cell.as_addr()));
        place.copied().unwrap_or(otherwise)
    }

    /// A part of `whole` whose own place is not known.
    fn part(&self, whole: Source<'gc>, datum: Value<'gc>) -> Source<'gc> {
        Source { datum, place: self.place_of(whole.datum, whole.place) }
    }
}
