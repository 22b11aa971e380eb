//! The reader: text to heap data.
//!
//! It keeps the lists that are still open in a `Vec` of its own instead of calling itself, so that no nesting is too deep
//! for Rust's stack. The references in that `Vec` are plain `Gc`s: the whole of a form is read in one window.

use super::value::{Obj, Place, Value, cons, place, text};
use super::world::World;
use greyset::{Gc, Mutator, OutOfMemory};
use std::collections::HashMap;

/// Where the elements of the lists of a form stand: for each pair, by its address, the place of what its `car` is.
///
/// Addresses are keys as long as the window lasts: objects do not move, and what a `Gc` refers to is not freed meanwhile.
pub type Places = HashMap<usize, Place>;

/// A form, and where it is.
pub struct Form<'gc> {
    pub datum: Value<'gc>,
    pub place: Place,
    pub places: Places,
}

/// Reading or compiling failed.
#[derive(Debug)]
pub enum SourceError {
    /// The text is wrong.
    Syntax(Place, String),
    /// There was no memory; it can be tried again from the same position.
    Memory(OutOfMemory),
}

impl From<OutOfMemory> for SourceError {
    fn from(cause: OutOfMemory) -> SourceError {
        SourceError::Memory(cause)
    }
}

/// A position in a text. `Clone`, so that a form can be read again from its beginning.
#[derive(Clone)]
pub struct Reader<'t> {
    rest: &'t str,
    at: Place,
}

/// Something begun and not ended.
enum Open<'gc> {
    List {
        start: Place,
        items: Vec<(Value<'gc>, Place)>,
        tail: Tail<'gc>,
    },
    /// After `'`.
    Quote {
        start: Place,
    },
}

/// What stands behind the dot of `(a . b)`.
enum Tail<'gc> {
    None,
    Expected,
    Is(Value<'gc>),
}

enum Token {
    Open,
    Close,
    Quote,
    Dot,
    Text(String),
    Atom(String),
}

impl<'t> Reader<'t> {
    /// At the beginning of a text.
    pub fn new(text: &'t str) -> Reader<'t> {
        Reader { rest: text, at: Place { line: 1, column: 1 } }
    }

    /// The next form; `None` at the end of the text.
    pub fn read<'gc>(
        &mut self,
        m: &'gc Mutator,
        world: Gc<'gc, World<'gc>>,
    ) -> Result<Option<Form<'gc>>, SourceError> {
        let mut places = Places::new();
        let mut open: Vec<Open<'gc>> = Vec::new();
        loop {
            let Some((token, start)) = self.token()? else {
                return match open.pop() {
                    None => Ok(None),
                    Some(Open::List { start, .. }) => syntax(start, "this ( is never closed"),
                    Some(Open::Quote { start }) => syntax(start, "nothing follows this quote"),
                };
            };
            let (mut datum, mut start) = match token {
                Token::Open => {
                    open.push(Open::List { start, items: Vec::new(), tail: Tail::None });
                    continue;
                }
                Token::Quote => {
                    open.push(Open::Quote { start });
                    continue;
                }
                Token::Dot => {
                    dot(&mut open, start)?;
                    continue;
                }
                Token::Close => close(m, &mut open, start, &mut places)?,
                Token::Text(string) => (text(m, &string)?, start),
                Token::Atom(name) => (atom(m, world, &name, start)?, start),
            };
            while let Some(Open::Quote { start: quote }) = open.last() {
                start = *quote;
                open.pop();
                let quoted = cons(m, datum, Value::nil())?;
                let quote = Value::object(world.symbol(m, "quote")?);
                datum = cons(m, quote, quoted)?;
            }
            match open.last_mut() {
                None => return Ok(Some(Form { datum, place: start, places })),
                Some(Open::List { items, tail, .. }) => add(items, tail, datum, start)?,
                Some(Open::Quote { .. }) => {}
            }
        }
    }

    /// The next token and its place.
    fn token(&mut self) -> Result<Option<(Token, Place)>, SourceError> {
        self.skip_blanks();
        let start = self.at;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '(' => self.single(Token::Open),
            ')' => self.single(Token::Close),
            '\'' => self.single(Token::Quote),
            '"' => Token::Text(self.string(start)?),
            _ => {
                let end = self.rest.find(is_delimiter).unwrap_or(self.rest.len());
                let name = self.rest[..end].to_string();
                name.chars().for_each(|_| self.advance());
                if name == "." { Token::Dot } else { Token::Atom(name) }
            }
        };
        Ok(Some((token, start)))
    }

    fn single(&mut self, token: Token) -> Token {
        self.advance();
        token
    }

    fn skip_blanks(&mut self) {
        let mut comment = false;
        while let Some(c) = self.rest.chars().next() {
            comment = (comment || c == ';') && c != '\n';
            if !comment && !c.is_whitespace() {
                return;
            }
            self.advance();
        }
    }

    /// The rest of a string, whose first quotation mark is next.
    fn string(&mut self, start: Place) -> Result<String, SourceError> {
        let mut string = String::new();
        loop {
            self.advance();
            match self.rest.chars().next() {
                None => return syntax(start, "this string is never closed"),
                Some('"') => break,
                Some('\\') => {
                    let escape = self.at;
                    self.advance();
                    string.push(match self.rest.chars().next() {
                        Some('n') => '\n',
                        Some('t') => '\t',
                        Some(c @ ('"' | '\\')) => c,
                        _ => return syntax(escape, "after \\ in a string comes one of n t \" \\"),
                    });
                }
                Some(c) => string.push(c),
            }
        }
        self.advance();
        Ok(string)
    }

    /// Steps over a character.
    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        match chars.next() {
            Some('\n') => self.at = Place { line: self.at.line.saturating_add(1), column: 1 },
            Some(_) => self.at.column = self.at.column.saturating_add(1),
            None => {}
        }
        self.rest = chars.as_str();
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '\'' | '"' | ';')
}

fn syntax<T>(at: Place, message: impl Into<String>) -> Result<T, SourceError> {
    Err(SourceError::Syntax(at, message.into()))
}

/// A dot.
fn dot(open: &mut [Open<'_>], at: Place) -> Result<(), SourceError> {
    match open.last_mut() {
        Some(Open::List { items, tail: tail @ Tail::None, .. }) if !items.is_empty() => {
            *tail = Tail::Expected;
            Ok(())
        }
        _ => syntax(at, "a dot stands before the last part of a list only, as in (a . b)"),
    }
}

/// A datum inside a list.
fn add<'gc>(
    items: &mut Vec<(Value<'gc>, Place)>,
    tail: &mut Tail<'gc>,
    datum: Value<'gc>,
    at: Place,
) -> Result<(), SourceError> {
    match tail {
        Tail::None => items.push((datum, at)),
        Tail::Expected => *tail = Tail::Is(datum),
        Tail::Is(_) => return syntax(at, "only one thing can follow the dot of a list"),
    }
    Ok(())
}

/// A closing parenthesis: the list that it ends.
fn close<'gc>(
    m: &'gc Mutator,
    open: &mut Vec<Open<'gc>>,
    at: Place,
    places: &mut Places,
) -> Result<(Value<'gc>, Place), SourceError> {
    let (start, items, tail) = match open.pop() {
        Some(Open::List { start, items, tail }) => (start, items, tail),
        Some(Open::Quote { start }) => return syntax(start, "nothing follows this quote"),
        None => return syntax(at, "this ) closes nothing"),
    };
    let mut list = match tail {
        Tail::None => Value::nil(),
        Tail::Is(value) => value,
        Tail::Expected => return syntax(at, "something must stand between the dot and this )"),
    };
    for (item, place) in items.into_iter().rev() {
        list = cons(m, item, list)?;
        if let Some(pair) = list.as_object() {
            places.insert(pair.as_addr(), place);
        }
    }
    Ok((list, start))
}

/// A number, a boolean or a symbol.
fn atom<'gc>(
    m: &'gc Mutator,
    world: Gc<'gc, World<'gc>>,
    name: &str,
    at: Place,
) -> Result<Value<'gc>, SourceError> {
    match name {
        "#t" => return Ok(Value::bool(true)),
        "#f" => return Ok(Value::bool(false)),
        _ if name.starts_with('#') => {
            return syntax(at, format!("{name} means nothing: of what begins with # there are #t and #f"));
        }
        _ => {}
    }
    match number(m, name)? {
        Some(number) => Ok(number),
        None => Ok(Value::object(world.symbol(m, name)?)),
    }
}

/// The number that `name` is, if it is one. An integer of more than 63 bits is read as a float.
pub fn number<'gc>(m: &'gc Mutator, name: &str) -> Result<Option<Value<'gc>>, OutOfMemory> {
    let digits = name.strip_prefix(['-', '+']).unwrap_or(name);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.starts_with('.') {
        return Ok(None);
    }
    if let Some(int) = name.parse().ok().and_then(Value::int) {
        return Ok(Some(int));
    }
    match name.parse() {
        Ok(float) => place(m, Obj::Float(float)).map(Some),
        Err(_) => Ok(None),
    }
}
