//! Strings and symbols. A position in a string counts characters.

use super::super::printer::{Style, print};
use super::super::reader::number;
use super::super::trap::{Trap, kind};
use super::super::value::{Obj, Value, place, text};
use super::{ANY, Answer, Args, Primitive, primitive};

pub(super) const ALL: &[Primitive] = &[
    primitive("string?", 1, 1, |args| Ok(Value::bool(matches!(args.object(0), Some(Obj::Text(_)))))),
    primitive("symbol?", 1, 1, |args| Ok(Value::bool(matches!(args.object(0), Some(Obj::Symbol(_)))))),
    primitive("string-length", 1, 1, length),
    primitive("string-append", 0, ANY, append),
    primitive("substring", 3, 3, substring),
    primitive("string=?", 2, 2, |args| Ok(Value::bool(args.text(0)? == args.text(1)?))),
    primitive("string<?", 2, 2, |args| Ok(Value::bool(args.text(0)? < args.text(1)?))),
    primitive("symbol->string", 1, 1, symbol_to_string),
    primitive("string->symbol", 1, 1, |args| Ok(Value::object(args.world.symbol(args.m, args.text(0)?)?))),
    primitive("number->string", 1, 1, number_to_string),
    primitive(
        "string->number",
        1,
        1,
        |args| Ok(number(args.m, args.text(0)?)?.unwrap_or(Value::bool(false))),
    ),
];

fn length<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Ok(Value::int(args.text(0)?.chars().count() as i64).unwrap_or_default())
}

fn append<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let mut joined = String::new();
    for index in 0..args.len() {
        joined.push_str(args.text(index)?);
    }
    Ok(text(args.m, &joined)?)
}

fn substring<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let (whole, start, end) = (args.text(0)?, args.size(1)?, args.size(2)?);
    let offset = |at: usize| whole.char_indices().map(|(offset, _)| offset).chain([whole.len()]).nth(at);
    match (offset(start), offset(end)) {
        (Some(start), Some(end)) if start <= end => Ok(text(args.m, &whole[start..end])?),
        _ => Err(Trap::fault(
            kind::RANGE,
            format!("substring: {start} to {end} is no part of {} characters", whole.chars().count()),
        )),
    }
}

fn symbol_to_string<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match args.object(0) {
        Some(Obj::Symbol(symbol)) => Ok(place(args.m, Obj::Text(symbol.name))?),
        _ => Err(args.wrong(0, "a symbol")),
    }
}

fn number_to_string<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let mut printed = String::new();
    print(args.m, args.get(0), Style::Display, &mut printed);
    match number(args.m, &printed)? {
        Some(_) => Ok(text(args.m, &printed)?),
        None => Err(args.wrong(0, "a number")),
    }
}
