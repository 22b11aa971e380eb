//! From heap objects to text, in the form that `serde_json` gives a value: no spaces, the fewest escapes.
use super::STEPS;
use super::value::{Document, Members, Value};
use greyset::{Array, Gc, Lock, Mutator, Root, Trace};

/// Appends the document to `out`. Like parsing it keeps its place in a heap object and passes safepoints on the way.
pub fn print(m: &mut Mutator, document: &Root<Document<'static>>, out: &mut String) {
    let workspace = m.alloc(Workspace { open: Lock::new(Vec::new()) }).root(m);
    let mut value = Some(());
    loop {
        let document = document.get(m);
        let mut open = workspace.get(m).get().open.write(m);
        if value.take().is_some() {
            begin(m, document.value, &mut open, out);
        }
        for _ in 0..STEPS {
            advance(m, &mut open, out);
        }
        let done = open.is_empty();
        drop(open);
        if done {
            return;
        }
        m.safepoint();
    }
}

/// Keeps the open containers alive over safepoints.
#[derive(Trace)]
struct Workspace<'gc> {
    open: Lock<'gc, Vec<Open<'gc>>>,
}

/// A container that is being written, and the number of the next element.
#[derive(Trace)]
enum Open<'gc> {
    List(Gc<'gc, Array<'gc, Value<'gc>>>, usize),
    Object(Gc<'gc, Members<'gc>>, usize),
}

/// Writes a simple value, or the beginning of a container.
fn begin<'gc>(m: &'gc Mutator, value: Value<'gc>, open: &mut Vec<Open<'gc>>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if truth { "true" } else { "false" }),
        Value::Number(text) => number(text.as_str(), out),
        Value::Text(text) => quote(text.as_str(), out),
        Value::List(items) => {
            out.push('[');
            open.push(Open::List(items, 0));
        }
        Value::Object(object) => {
            out.push('{');
            open.extend(object.now(m).map(|members| Open::Object(members, 0)));
        }
    }
}

/// Writes the next element of the innermost container, or its end.
fn advance<'gc>(m: &'gc Mutator, open: &mut Vec<Open<'gc>>, out: &mut String) {
    let (value, end) = match open.last_mut() {
        None => return,
        Some(Open::List(items, next)) => (element(items.as_slice(), next, out).copied(), ']'),
        Some(Open::Object(members, next)) => {
            let member = element(members.entries.as_slice(), next, out);
            let value = member.map(|member| {
                quote(member.key.as_str(), out);
                out.push(':');
                member.value
            });
            (value, '}')
        }
    };
    match value {
        Some(value) => begin(m, value, open, out),
        None => {
            out.push(end);
            open.pop();
        }
    }
}

/// The next element, after a comma unless it is the first.
fn element<'a, T>(elements: &'a [T], next: &mut usize, out: &mut String) -> Option<&'a T> {
    let element = elements.get(*next)?;
    if *next > 0 {
        out.push(',');
    }
    *next += 1;
    Some(element)
}

/// Writes a number as it was read, but for its exponent, which gets a small `e` and a sign.
fn number(text: &str, out: &mut String) {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return out.push_str(text) };
    out.push_str(mantissa);
    out.push_str(if exponent.starts_with(['+', '-']) { "e" } else { "e+" });
    out.push_str(exponent);
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut written = 0;
    for (i, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x0c => "\\f",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "\\u00",
            _ => continue,
        };
        out.push_str(&text[written..i]);
        out.push_str(escape);
        if escape == "\\u00" {
            out.extend(
                [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)),
            );
        }
        written = i + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}
