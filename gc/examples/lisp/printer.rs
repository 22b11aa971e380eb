//! The printer: values to text, as the reader would read them (`write`) or as people would (`display`).
//!
//! What remains to be printed is a list, like in the reader and the compiler. Circular data is cut off where it gets long.

use super::value::{Obj, Value, object};
use greyset::{Mutator, TaggedView};
use std::fmt::Write;

/// Things printed of one value at most.
const MOST: usize = 1_000_000;

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Strings as they are.
    Display,
    /// Strings in quotation marks.
    Write,
}

enum Task<'gc> {
    Value(Value<'gc>),
    /// The rest of a list, behind its first element.
    Rest(Value<'gc>),
    /// The elements of a vector from this one on.
    Vector(Value<'gc>, usize),
}

/// Appends `value` to `out`.
pub fn print<'gc>(m: &'gc Mutator, value: Value<'gc>, style: Style, out: &mut String) {
    print_some(m, value, style, MOST, out);
}

/// A value in an error message: at most a few dozen characters.
pub fn brief<'gc>(m: &'gc Mutator, value: Value<'gc>) -> String {
    let mut text = String::new();
    print_some(m, value, Style::Write, 10, &mut text);
    if text.chars().count() > 60 {
        text = text.chars().take(57).chain("...".chars()).collect();
    }
    text
}

fn print_some<'gc>(m: &'gc Mutator, value: Value<'gc>, style: Style, most: usize, out: &mut String) {
    let mut tasks = vec![Task::Value(value)];
    let mut printed = 0;
    while let Some(task) = tasks.pop() {
        printed += 1;
        if printed > most {
            out.push_str("...");
            return;
        }
        match task {
            Task::Value(value) => match object(value) {
                Some(Obj::Pair(pair)) => {
                    out.push('(');
                    tasks.push(Task::Rest(pair.cdr.load(m)));
                    tasks.push(Task::Value(pair.car.load(m)));
                }
                Some(Obj::Vector(_)) => {
                    out.push_str("#(");
                    tasks.push(Task::Vector(value, 0));
                }
                _ => atom(value, style, out),
            },
            Task::Rest(value) => match object(value) {
                Some(Obj::Pair(pair)) => {
                    out.push(' ');
                    tasks.push(Task::Rest(pair.cdr.load(m)));
                    tasks.push(Task::Value(pair.car.load(m)));
                }
                _ if value.is_nil() => out.push(')'),
                _ => {
                    out.push_str(" . ");
                    tasks.push(Task::Rest(Value::nil()));
                    tasks.push(Task::Value(value));
                }
            },
            Task::Vector(value, index) => {
                let Some(Obj::Vector(vector)) = object(value) else { continue };
                match vector.as_slice().get(index) {
                    Some(field) => {
                        out.push_str(if index == 0 { "" } else { " " });
                        tasks.push(Task::Vector(value, index + 1));
                        tasks.push(Task::Value(field.load(m)));
                    }
                    None => out.push(')'),
                }
            }
        }
    }
}

/// What has no parts that are printed.
fn atom(value: Value<'_>, style: Style, out: &mut String) {
    let obj = match value.view() {
        TaggedView::Int(int) => return append(out, format_args!("{int}")),
        TaggedView::Bool(bool) => return out.push_str(if bool { "#t" } else { "#f" }),
        TaggedView::Nil => return out.push_str("()"),
        TaggedView::Object(obj) => obj.get(),
    };
    match obj {
        Obj::Symbol(symbol) => out.push_str(&symbol.name),
        Obj::Float(float) => append(out, format_args!("{float:?}")),
        Obj::Text(text) if style == Style::Display => out.push_str(text),
        Obj::Text(text) => quoted(text, out),
        Obj::Closure(closure) if closure.code.name.is_nil() => out.push_str("#<procedure>"),
        Obj::Closure(closure) => {
            out.push_str("#<procedure ");
            atom(closure.code.name, style, out);
            out.push('>');
        }
        Obj::Primitive(primitive) => append(out, format_args!("#<procedure {}>", primitive.name)),
        Obj::Condition(condition) => append(out, format_args!("#<error {}>", &**condition.message)),
        Obj::Table(_) => out.push_str("#<table>"),
        Obj::Weak(_) => out.push_str("#<weak>"),
        Obj::Code(_) => out.push_str("#<code>"),
        Obj::Unbound => out.push_str("#<unbound>"),
        Obj::Pair(_) | Obj::Vector(_) => out.push_str("#<...>"),
    }
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Writing to a `String` does not fail.
fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
