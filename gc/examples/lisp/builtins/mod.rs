//! The primitives: procedures written in Rust.
//!
//! A primitive gets the mutator shared (`&'gc Mutator`), so it can allocate and store but not pass a safepoint, and may hold
//! as many plain references as it likes. It returns the value, or a [`Trap`]. If it runs out of memory it is called again,
//! so it allocates before it changes anything the script can see.

mod control;
mod lists;
mod numbers;
mod tables;
mod texts;
mod vectors;

use super::printer::brief;
use super::trap::{Trap, kind};
use super::value::{Field, Obj, Pair, Value, integer, object, pair};
use super::world::World;
use greyset::{Gc, Mutator};

/// What a primitive returns.
pub type Answer<'gc> = Result<Value<'gc>, Trap<'gc>>;

/// A procedure written in Rust.
pub struct Primitive {
    pub name: &'static str,
    /// Fewest and most arguments.
    least: usize,
    most: usize,
    run: for<'gc> fn(&mut Args<'_, 'gc>) -> Answer<'gc>,
}

/// No upper bound on the number of arguments.
const ANY: usize = usize::MAX;

/// An entry of a table of primitives.
const fn primitive(
    name: &'static str,
    least: usize,
    most: usize,
    run: for<'gc> fn(&mut Args<'_, 'gc>) -> Answer<'gc>,
) -> Primitive {
    Primitive { name, least, most, run }
}

/// All primitives.
pub fn all() -> impl Iterator<Item = &'static Primitive> {
    let tables = [control::ALL, lists::ALL, numbers::ALL, tables::ALL, texts::ALL, vectors::ALL];
    tables.into_iter().flatten()
}

impl Primitive {
    /// Calls it.
    #[inline]
    pub fn call<'gc>(&self, args: &mut Args<'_, 'gc>) -> Answer<'gc> {
        if args.len() < self.least || args.len() > self.most {
            return Err(self.arity(args.len()));
        }
        (self.run)(args)
    }

    #[cold]
    fn arity<'gc>(&self, count: usize) -> Trap<'gc> {
        let expected = match (self.least, self.most) {
            (least, ANY) => format!("at least {least}"),
            (least, most) if least == most => format!("{least}"),
            (least, most) => format!("{least} to {most}"),
        };
        let noun = if expected.ends_with('1') { "argument" } else { "arguments" };
        Trap::fault(kind::ARITY, format!("{} takes {expected} {noun}, not {count}", self.name))
    }
}

/// What a primitive is called with.
pub struct Args<'a, 'gc> {
    pub m: &'gc Mutator,
    pub world: Gc<'gc, World<'gc>>,
    pub primitive: &'static Primitive,
    /// The arguments: a part of the machine's stack.
    pub fields: &'gc [Field<'gc>],
    /// What the script prints goes here.
    pub out: &'a mut String,
}

impl<'gc> Args<'_, 'gc> {
    fn len(&self) -> usize {
        self.fields.len()
    }

    /// An argument.
    #[inline]
    fn get(&self, index: usize) -> Value<'gc> {
        self.fields[index].load(self.m)
    }

    /// All arguments.
    fn values(&self) -> impl DoubleEndedIterator<Item = Value<'gc>> + use<'gc> {
        let m = self.m;
        self.fields.iter().map(move |field| field.load(m))
    }

    /// The error that an argument is not what it must be.
    #[cold]
    fn wrong(&self, index: usize, expected: &str) -> Trap<'gc> {
        let name = self.primitive.name;
        let found = brief(self.m, self.get(index));
        Trap::fault(kind::TYPE, format!("{name}: argument {} must be {expected}, not {found}", index + 1))
    }

    #[inline]
    fn object(&self, index: usize) -> Option<&'gc Obj<'gc>> {
        object(self.get(index))
    }

    #[inline]
    fn pair(&self, index: usize) -> Result<&'gc Pair<'gc>, Trap<'gc>> {
        pair(self.get(index)).ok_or_else(|| self.wrong(index, "a pair"))
    }

    fn text(&self, index: usize) -> Result<&'gc str, Trap<'gc>> {
        match self.object(index) {
            Some(Obj::Text(text)) => Ok(text.as_str()),
            _ => Err(self.wrong(index, "a string")),
        }
    }

    fn integer(&self, index: usize) -> Result<i64, Trap<'gc>> {
        integer(self.get(index)).ok_or_else(|| self.wrong(index, "an integer"))
    }

    /// An argument that counts something.
    fn size(&self, index: usize) -> Result<usize, Trap<'gc>> {
        let size = integer(self.get(index)).and_then(|int| usize::try_from(int).ok());
        size.ok_or_else(|| self.wrong(index, "an integer not below 0"))
    }
}
