//! The special forms. Each plans its tasks in the order in which they are to run.

use super::super::value::pair;
use super::{Compiler, Op, Place, Source, SourceError, Task, Value, error, name_of};

type Done = Result<(), SourceError>;

/// What plans a form: from its place, its parts without the keyword, and whether it is in tail position.
type Handler<'a, 'gc> = fn(&mut Compiler<'a, 'gc>, Place, &[Source<'gc>], bool) -> Done;

/// The special form of that name.
pub(super) fn by_name<'a, 'gc>(name: &str) -> Option<Handler<'a, 'gc>> {
    let form: Handler<'a, 'gc> = match name {
        "quote" => Compiler::quote,
        "if" => Compiler::branch,
        "define" => Compiler::define,
        "set!" => Compiler::set,
        "lambda" => Compiler::lambda,
        "let" => Compiler::plain_let,
        "let*" => Compiler::let_star,
        "letrec" | "letrec*" => Compiler::letrec,
        "begin" => Compiler::begin,
        "cond" => Compiler::cond,
        "and" => Compiler::and,
        "or" => Compiler::or,
        "when" => Compiler::when,
        "unless" => Compiler::unless,
        "try" => Compiler::catch,
        _ => return None,
    };
    Some(form)
}

impl<'gc> Compiler<'_, 'gc> {
    /// Plans tasks that are to run in the order given, before all that are planned already.
    fn plan(&mut self, tasks: impl IntoIterator<Item = Task<'gc>, IntoIter: DoubleEndedIterator>) {
        self.tasks.extend(tasks.into_iter().rev());
    }

    fn quote(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let [datum] = parts else { return error(at, "write (quote datum) or 'datum") };
        self.plan([Task::Constant(datum.datum, tail, at)]);
        Ok(())
    }

    fn branch(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let (test, then, otherwise) = match *parts {
            [test, then] => (test, then, Task::Constant(Value::nil(), tail, at)),
            [test, then, otherwise] => (test, then, Task::Expression(otherwise, tail)),
            _ => return error(at, "write (if test then) or (if test then else)"),
        };
        self.choice(test, Task::Expression(then, tail), otherwise, at, tail);
        Ok(())
    }

    /// One of two branches, by a test.
    fn choice(&mut self, test: Source<'gc>, then: Task<'gc>, otherwise: Task<'gc>, at: Place, tail: bool) {
        // In tail position the branches leave by themselves, so there is no jump over the second.
        let end = (!tail).then_some(Task::PatchJump);
        self.tasks.extend(end);
        self.plan([
            Task::Expression(test, false),
            Task::Jump(Op::JumpIfFalse, at),
            then,
            Task::Else(tail, at),
            otherwise,
        ]);
    }

    fn define(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let usage = "write (define name value) or (define (name parameter ...) body ...)";
        let Some((&target, rest)) = parts.split_first() else { return error(at, usage) };
        let (name, value) = match pair(target.datum) {
            Some(head) => {
                let name = self.part(target, head.car.load(self.m));
                let parameters = Source { datum: head.cdr.load(self.m), place: target.place };
                (name, self.lambda_task(name.datum, parameters, rest, at)?)
            }
            None => match rest {
                &[value] => (target, Task::Expression(value, false)),
                _ => return error(at, usage),
            },
        };
        self.symbol(name)?;
        self.plan([value, Task::Define(name), Task::Constant(Value::nil(), tail, at)]);
        Ok(())
    }

    fn set(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let &[name, value] = parts else { return error(at, "write (set! name value)") };
        let nothing = Task::Constant(Value::nil(), tail, at);
        self.plan([Task::Expression(value, false), Task::Assign(name), nothing]);
        Ok(())
    }

    fn lambda(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let Some((&parameters, body)) = parts.split_first() else {
            return error(at, "write (lambda (parameter ...) body ...)");
        };
        let task = self.lambda_task(Value::nil(), parameters, body, at)?;
        self.tasks.extend(tail.then_some(Task::Emit(Op::Return, at)));
        self.plan([task]);
        Ok(())
    }

    /// The task of making a closure, from the source of its parameters: a list, a list with a dot, or one name for all.
    fn lambda_task(
        &self,
        name: Value<'gc>,
        parameters: Source<'gc>,
        body: &[Source<'gc>],
        at: Place,
    ) -> Result<Task<'gc>, SourceError> {
        let mut names = Vec::new();
        let mut rest = parameters.datum;
        while let Some(cell) = pair(rest) {
            let place = self.place_of(rest, parameters.place);
            names.push(Source { datum: cell.car.load(self.m), place });
            rest = cell.cdr.load(self.m);
        }
        let rest = (!rest.is_nil()).then_some(Source { datum: rest, place: parameters.place });
        for name in names.iter().chain(&rest) {
            self.symbol(*name)?;
        }
        Ok(Task::Lambda { name, names, rest, body: body.to_vec(), place: at })
    }

    fn plain_let(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        match parts {
            [name, bindings, body @ ..] if name_of(name.datum).is_some() => {
                self.named_let(at, *name, *bindings, body, tail)
            }
            [bindings, body @ ..] => {
                let (names, values) = self.bindings(*bindings)?;
                let unbind = Task::Unbind(names.len());
                self.plan([Task::Bind(names), Task::Body(body.to_vec(), tail, at), unbind]);
                self.plan(values.into_iter().map(|value| Task::Expression(value, false)));
                Ok(())
            }
            [] => error(at, "write (let ((name value) ...) body ...)"),
        }
    }

    /// `(let loop ((name value) ...) body ...)`: the name is known in the body, not in the values.
    fn named_let(
        &mut self,
        at: Place,
        name: Source<'gc>,
        bindings: Source<'gc>,
        body: &[Source<'gc>],
        tail: bool,
    ) -> Done {
        let (names, values) = self.bindings(bindings)?;
        for name in &names {
            self.symbol(*name)?;
        }
        self.call(values.len(), tail, at)?;
        let lambda = Task::Lambda { name: name.datum, names, rest: None, body: body.to_vec(), place: at };
        self.plan(values.into_iter().map(|value| Task::Expression(value, false)));
        let load = Task::Expression(name, false);
        self.plan([Task::Declare(name), lambda, Task::Assign(name), load, Task::Unbind(1)]);
        Ok(())
    }

    fn let_star(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let Some((&bindings, body)) = parts.split_first() else {
            return error(at, "write (let* ((name value) ...) body ...)");
        };
        let (names, values) = self.bindings(bindings)?;
        self.plan([Task::Body(body.to_vec(), tail, at), Task::Unbind(names.len())]);
        for (name, value) in names.into_iter().zip(values).rev() {
            self.plan([Task::Expression(value, false), Task::Bind(vec![name])]);
        }
        Ok(())
    }

    fn letrec(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let Some((&bindings, body)) = parts.split_first() else {
            return error(at, "write (letrec ((name value) ...) body ...)");
        };
        let (names, values) = self.bindings(bindings)?;
        self.plan([Task::Body(body.to_vec(), tail, at), Task::Unbind(names.len())]);
        for (name, value) in names.iter().zip(values).rev() {
            self.plan([Task::Expression(value, false), Task::Assign(*name)]);
        }
        self.plan(names.into_iter().map(Task::Declare));
        Ok(())
    }

    /// The names and the values of `((name value) ...)`.
    fn bindings(&self, list: Source<'gc>) -> Result<(Vec<Source<'gc>>, Vec<Source<'gc>>), SourceError> {
        let mut split = (Vec::new(), Vec::new());
        for binding in self.elements(list)? {
            match self.elements(binding)?[..] {
                [name, value] => {
                    split.0.push(name);
                    split.1.push(value);
                }
                _ => return error(binding.place, "a binding is written (name value)"),
            }
        }
        Ok(split)
    }

    fn begin(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        self.plan([match parts {
            [] => Task::Constant(Value::nil(), tail, at),
            _ => Task::Sequence(parts.to_vec(), tail),
        }]);
        Ok(())
    }

    /// Expressions for the value of the last.
    pub(super) fn sequence(&mut self, mut sources: Vec<Source<'gc>>, tail: bool) {
        let Some(last) = sources.pop() else { return };
        self.plan([Task::Expression(last, tail)]);
        self.plan(
            sources
                .into_iter()
                .flat_map(|source| [Task::Expression(source, false), Task::Emit(Op::Pop, source.place)]),
        );
    }

    /// A sequence with variables of its own: those it defines. They are all in scope from the beginning.
    pub(super) fn body(&mut self, sources: Vec<Source<'gc>>, tail: bool, at: Place) -> Done {
        if sources.is_empty() {
            return error(at, "a body has one expression at least");
        }
        let mut names = Vec::new();
        for source in &sources {
            if let Some(name) = self.defined_by(*source) {
                self.symbol(name)?;
                names.push(name);
            }
        }
        self.plan([Task::Sequence(sources, tail), Task::Unbind(names.len())]);
        self.plan(names.into_iter().map(Task::Declare));
        Ok(())
    }

    /// What an expression defines, if it is a definition.
    fn defined_by(&self, source: Source<'gc>) -> Option<Source<'gc>> {
        let cell = pair(source.datum)?;
        if name_of(cell.car.load(self.m))? != "define" {
            return None;
        }
        let target = pair(cell.cdr.load(self.m))?.car.load(self.m);
        let name = pair(target).map_or(target, |head| head.car.load(self.m));
        Some(self.part(source, name))
    }

    fn cond(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        self.plan([Task::Clauses(parts.iter().rev().copied().collect(), tail, at)]);
        Ok(())
    }

    /// The clauses of a `cond` that are left, the next one last.
    pub(super) fn clauses(&mut self, mut clauses: Vec<Source<'gc>>, tail: bool, at: Place) -> Done {
        let Some(clause) = clauses.pop() else {
            self.plan([Task::Constant(Value::nil(), tail, at)]);
            return Ok(());
        };
        let parts = self.elements(clause)?;
        match &parts[..] {
            [] => return error(clause.place, "a clause is written (test expression ...)"),
            [test] => {
                let rest = Task::Clauses(clauses, false, at);
                self.tasks.extend(tail.then_some(Task::Emit(Op::Return, at)));
                let jump = Task::Jump(Op::OrJump, clause.place);
                self.plan([Task::Expression(*test, false), jump, rest, Task::PatchJump]);
            }
            [test, body @ ..] if name_of(test.datum) == Some("else") => {
                if !clauses.is_empty() {
                    return error(clause.place, "else is the last clause");
                }
                self.plan([Task::Sequence(body.to_vec(), tail)]);
            }
            [test, body @ ..] => {
                let rest = Task::Clauses(clauses, tail, at);
                self.choice(*test, Task::Sequence(body.to_vec(), tail), rest, clause.place, tail);
            }
        }
        Ok(())
    }

    fn and(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        self.chain(at, parts, tail, Op::AndJump, Value::bool(true))
    }

    fn or(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        self.chain(at, parts, tail, Op::OrJump, Value::bool(false))
    }

    /// `and` and `or`: each part but the last may be the value and end it.
    fn chain(
        &mut self,
        at: Place,
        parts: &[Source<'gc>],
        tail: bool,
        jump: fn(u32) -> Op,
        empty: Value<'gc>,
    ) -> Done {
        let Some((last, others)) = parts.split_last() else {
            self.plan([Task::Constant(empty, tail, at)]);
            return Ok(());
        };
        self.tasks.extend(tail.then_some(Task::Emit(Op::Return, at)));
        self.plan(others.iter().map(|_| Task::PatchJump));
        self.plan([Task::Expression(*last, tail)]);
        self.plan(
            others.iter().flat_map(|part| [Task::Expression(*part, false), Task::Jump(jump, part.place)]),
        );
        Ok(())
    }

    fn when(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let [test, body @ ..] = parts else { return error(at, "write (when test expression ...)") };
        let nothing = Task::Constant(Value::nil(), tail, at);
        let body = Task::Body(body.to_vec(), tail, at);
        self.choice(*test, body, nothing, at, tail);
        Ok(())
    }

    fn unless(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let [test, body @ ..] = parts else { return error(at, "write (unless test expression ...)") };
        let nothing = Task::Constant(Value::nil(), tail, at);
        let body = Task::Body(body.to_vec(), tail, at);
        self.choice(*test, nothing, body, at, tail);
        Ok(())
    }

    /// `(try expression handler)`: the expression becomes a procedure, so that it can be left from anywhere inside.
    ///
    /// Behind `Try` comes what the machine does when the procedure has returned (go on behind), and what it does when the
    /// handler and an error have been put on the stack (call it).
    fn catch(&mut self, at: Place, parts: &[Source<'gc>], tail: bool) -> Done {
        let &[body, handler] = parts else { return error(at, "write (try expression handler)") };
        let lambda =
            Task::Lambda { name: Value::nil(), names: Vec::new(), rest: None, body: vec![body], place: at };
        self.tasks.extend(tail.then_some(Task::Emit(Op::Return, at)));
        self.plan([Task::Expression(handler, false), lambda, Task::EndTry(at)]);
        Ok(())
    }
}
