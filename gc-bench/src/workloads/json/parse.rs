//! From text to heap objects. The containers that are still open are kept in a heap object of their own, so the parser
//! can pass a safepoint between any two values, and nesting does not use the thread's stack.
use super::STEPS;
use super::scan::{Malformed, Scanner, Token};
use super::value::{Document, KeyIndex, Member, Members, Object, Value};
use greyset::{Gc, Lock, Mutator, Root, Slot, Str, Trace};

/// Containers inside each other, at most.
pub const MAX_DEPTH: usize = 1000;

/// Parses a document.
pub fn parse(m: &mut Mutator, text: &str) -> Result<Root<Document<'static>>, Malformed> {
    let workspace = m.alloc(Workspace { pending: Lock::new(Pending::default()) }).root(m);
    let mut parser = Parser { scanner: Scanner::new(text), open: Vec::new(), index: KeyIndex::default() };
    let mut expect = Expect::Value;
    while expect != Expect::End {
        let mut pending = workspace.get(m).get().pending.write(m);
        for _ in 0..STEPS {
            expect = parser.step(m, &mut pending, expect)?;
            if expect == Expect::End {
                break;
            }
        }
        drop(pending);
        m.safepoint();
    }
    let pending = workspace.get(m).get().pending.write(m);
    let objects = m.alloc_slice(&pending.objects);
    let value = pending.values.last().copied().unwrap_or(Value::Null);
    Ok(m.alloc(Document { value, objects, edits: Slot::empty() }).root(m))
}

/// Keeps what is pending alive over safepoints.
#[derive(Trace)]
struct Workspace<'gc> {
    pending: Lock<'gc, Pending<'gc>>,
}

/// Finished values whose container is still open, and the keys of those in objects.
#[derive(Default, Trace)]
struct Pending<'gc> {
    values: Vec<Value<'gc>>,
    keys: Vec<Gc<'gc, Str<'gc>>>,
    objects: Vec<Gc<'gc, Object<'gc>>>,
}

/// A container that is still open: where its values, and its keys, begin among the pending ones.
enum Open {
    List { values: usize },
    Object { values: usize, keys: usize },
}

/// What must come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value or the end of the list that has just been opened.
    FirstItem,
    Key,
    /// A key or the end of the object that has just been opened.
    FirstKey,
    /// A comma or the end of the container; the end of the text if none is open.
    More,
    End,
}

struct Parser<'t> {
    scanner: Scanner<'t>,
    open: Vec<Open>,
    index: KeyIndex,
}

impl Parser<'_> {
    /// Reads one value, one key, or what follows a value.
    fn step<'gc>(
        &mut self,
        m: &'gc Mutator,
        p: &mut Pending<'gc>,
        expect: Expect,
    ) -> Result<Expect, Malformed> {
        let token = self.scanner.token()?;
        match (expect, token) {
            (Expect::FirstItem, Token::Mark(b']')) | (Expect::FirstKey, Token::Mark(b'}')) => {
                Ok(self.close(m, p))
            }
            (Expect::Value | Expect::FirstItem, _) => self.value(m, p, token),
            (Expect::Key | Expect::FirstKey, Token::Text) => {
                p.keys.push(m.alloc_str(self.scanner.text()));
                match self.scanner.token()? {
                    Token::Mark(b':') => Ok(Expect::Value),
                    _ => Err(self.scanner.unexpected("':'")),
                }
            }
            (Expect::FirstKey, _) => Err(self.scanner.unexpected("'\"' or '}'")),
            (Expect::Key, _) => Err(self.scanner.unexpected("'\"'")),
            (Expect::More | Expect::End, _) => self.more(m, p, token),
        }
    }

    fn value<'gc>(
        &mut self,
        m: &'gc Mutator,
        p: &mut Pending<'gc>,
        token: Token<'_>,
    ) -> Result<Expect, Malformed> {
        let value = match token {
            Token::Mark(b'[') => return self.open(Open::List { values: p.values.len() }, Expect::FirstItem),
            Token::Mark(b'{') => {
                let object = Open::Object { values: p.values.len(), keys: p.keys.len() };
                return self.open(object, Expect::FirstKey);
            }
            Token::Number(text) => Value::Number(m.alloc_str(text)),
            Token::Text => Value::Text(m.alloc_str(self.scanner.text())),
            Token::Word("null") => Value::Null,
            Token::Word(word) => Value::Bool(word == "true"),
            Token::Mark(_) | Token::End | Token::Unknown => return Err(self.scanner.unexpected("a value")),
        };
        p.values.push(value);
        Ok(Expect::More)
    }

    fn open(&mut self, container: Open, expect: Expect) -> Result<Expect, Malformed> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.scanner.error_here(format!("nested more than {MAX_DEPTH} deep")));
        }
        self.open.push(container);
        Ok(expect)
    }

    fn more<'gc>(
        &mut self,
        m: &'gc Mutator,
        p: &mut Pending<'gc>,
        token: Token<'_>,
    ) -> Result<Expect, Malformed> {
        match (self.open.last(), token) {
            (None, Token::End) => Ok(Expect::End),
            (None, _) => Err(self.scanner.unexpected("the end")),
            (Some(Open::List { .. }), Token::Mark(b',')) => Ok(Expect::Value),
            (Some(Open::Object { .. }), Token::Mark(b',')) => Ok(Expect::Key),
            (Some(Open::List { .. }), Token::Mark(b']')) => Ok(self.close(m, p)),
            (Some(Open::Object { .. }), Token::Mark(b'}')) => Ok(self.close(m, p)),
            (Some(Open::List { .. }), _) => Err(self.scanner.unexpected("',' or ']'")),
            (Some(Open::Object { .. }), _) => Err(self.scanner.unexpected("',' or '}'")),
        }
    }

    /// The innermost container is complete: its pending values become a heap object.
    fn close<'gc>(&mut self, m: &'gc Mutator, p: &mut Pending<'gc>) -> Expect {
        let (value, start) = match self.open.pop() {
            Some(Open::List { values }) => (Value::List(m.alloc_slice(&p.values[values..])), values),
            Some(Open::Object { values, keys }) => {
                let members = self.members(p, values, keys);
                let object = m.alloc(Object { members: Slot::new(Some(Members::new(m, &members))) });
                p.keys.truncate(keys);
                p.objects.push(object);
                (Value::Object(object), values)
            }
            None => return Expect::More,
        };
        p.values.truncate(start);
        p.values.push(value);
        Expect::More
    }

    /// The members of an object. Of equal keys the last value stands in the place of the first.
    fn members<'gc>(&mut self, p: &Pending<'gc>, values: usize, keys: usize) -> Vec<Member<'gc>> {
        let (keys, values) = (&p.keys[keys..], &p.values[values..]);
        let mut members: Vec<Member<'gc>> = Vec::with_capacity(keys.len());
        self.index.reset(keys.len());
        for (&key, &value) in keys.iter().zip(values) {
            let text = key.as_str();
            let is_equal = |i: usize| members[i].key.as_str() == text;
            let earlier = if self.index.is_used() {
                self.index.insert(members.len(), text, is_equal)
            } else {
                (0..members.len()).find(|&i| is_equal(i))
            };
            match earlier {
                Some(i) => members[i].value = value,
                None => members.push(Member { key, value }),
            }
        }
        members
    }
}
