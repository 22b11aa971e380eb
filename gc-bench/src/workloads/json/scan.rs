//! Tokens of JSON text (RFC 8259), one at a time, with the place of every error. Never touches the heap.
use std::fmt;

/// What stands next in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'t> {
    /// `{`, `}`, `[`, `]`, `,` or `:`.
    Mark(u8),
    /// A number as it is written.
    Number(&'t str),
    /// A string; what it says is in [`Scanner::text`].
    Text,
    /// `true`, `false` or `null`.
    Word(&'static str),
    /// Nothing follows.
    End,
    /// Something that begins no token.
    Unknown,
}

/// Why the text is not a JSON document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} column {}: {}", self.line, self.column, self.what)
    }
}

impl Malformed {
    /// An error at byte `at` of `text`, which need not be UTF-8 from there on.
    pub fn at(text: &[u8], at: usize, what: impl Into<String>) -> Malformed {
        let before = String::from_utf8_lossy(&text[..at.min(text.len())]);
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Malformed {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.into(),
        }
    }
}

/// Reads tokens from a text.
pub struct Scanner<'t> {
    input: &'t str,
    at: usize,
    start: usize,
    text: String,
}

impl<'t> Scanner<'t> {
    /// A scanner at the beginning of the text.
    pub fn new(input: &'t str) -> Scanner<'t> {
        Scanner { input, at: 0, start: 0, text: String::new() }
    }

    /// What the last [`Token::Text`] says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The next token.
    pub fn token(&mut self) -> Result<Token<'t>, Malformed> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.start = self.at;
        match self.peek() {
            None => Ok(Token::End),
            Some(mark @ (b'{' | b'}' | b'[' | b']' | b',' | b':')) => {
                self.at += 1;
                Ok(Token::Mark(mark))
            }
            Some(b'"') => self.string().map(|()| Token::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Token::Number),
            Some(_) => Ok(self.word()),
        }
    }

    /// The error that the last token is not what may stand here.
    pub fn unexpected(&self, expected: &str) -> Malformed {
        let found = match self.input[self.start..].chars().next() {
            // What nobody can see is named by its number: a byte order mark, an escape of a terminal.
            Some(c @ ('\'' | '"' | '\\')) => format!("'{c}'"),
            Some(c) => format!("'{}'", c.escape_debug()),
            None => "the end".to_owned(),
        };
        self.error_at(self.start, format!("expected {expected}, found {found}"))
    }

    /// An error at the last token.
    pub fn error_here(&self, what: impl Into<String>) -> Malformed {
        self.error_at(self.start, what)
    }

    fn error_at(&self, at: usize, what: impl Into<String>) -> Malformed {
        Malformed::at(self.input.as_bytes(), at, what)
    }

    fn peek(&self) -> Option<u8> {
        self.input.as_bytes().get(self.at).copied()
    }

    fn word(&mut self) -> Token<'t> {
        let found =
            ["true", "false", "null"].into_iter().find(|word| self.input[self.at..].starts_with(word));
        found.map_or(Token::Unknown, |word| {
            self.at += word.len();
            Token::Word(word)
        })
    }

    fn number(&mut self) -> Result<&'t str, Malformed> {
        self.skip(b"-");
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Ok(&self.input[self.start..self.at])
    }

    fn skip(&mut self, any_of: &[u8]) -> bool {
        let found = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(self.error_at(from, "expected a digit")) }
    }

    /// Reads a string into `self.text`; `self.at` is at its opening quote.
    fn string(&mut self) -> Result<(), Malformed> {
        self.text.clear();
        self.at += 1;
        loop {
            let from = self.at;
            while self.peek().is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            self.text.push_str(&self.input[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.error_at(self.at, "control character in a string")),
                None => return Err(self.error_at(self.at, "string without an end")),
            }
        }
    }

    /// Reads an escape; `self.at` is at its backslash.
    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        let escape = self.peek();
        let c = match escape {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let c = self.unicode()?;
                self.text.push(c);
                return Ok(());
            }
            _ => return Err(self.error_at(self.at, "no such escape")),
        };
        self.at += 1;
        self.text.push(c);
        Ok(())
    }

    /// Reads the four digits after `\u`, and a second such escape where the first is half of a pair.
    fn unicode(&mut self) -> Result<char, Malformed> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..0xdc00 => {
                let after_first = self.at;
                let second = if self.skip(b"\\") && self.skip(b"u") { self.four_digits()? } else { 0 };
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.error_at(after_first, "lone surrogate"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(|| self.error_at(self.at, "lone surrogate"))
    }

    fn four_digits(&mut self) -> Result<u32, Malformed> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.error_at(self.at, "not a hexadecimal digit"))?;
            self.at += 1;
        }
        Ok(code)
    }
}
