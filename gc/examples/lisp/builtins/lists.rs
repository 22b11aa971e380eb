//! Pairs and lists, and the three kinds of sameness.

use super::super::trap::{Trap, kind};
use super::super::value::{Elements, Obj, Value, cons, list, object};
use super::{ANY, Answer, Args, Primitive, primitive};
use greyset::Mutator;

pub(super) const ALL: &[Primitive] = &[
    primitive("cons", 2, 2, |args| Ok(cons(args.m, args.get(0), args.get(1))?)),
    primitive("car", 1, 1, |args| Ok(args.pair(0)?.car.load(args.m))),
    primitive("cdr", 1, 1, |args| Ok(args.pair(0)?.cdr.load(args.m))),
    primitive("set-car!", 2, 2, set_car),
    primitive("set-cdr!", 2, 2, set_cdr),
    primitive("pair?", 1, 1, |args| Ok(Value::bool(matches!(args.object(0), Some(Obj::Pair(_)))))),
    primitive("null?", 1, 1, |args| Ok(Value::bool(args.get(0).is_nil()))),
    primitive("list", 0, ANY, |args| Ok(list(args.m, &args.values().collect::<Vec<_>>())?)),
    primitive("length", 1, 1, length),
    primitive("reverse", 1, 1, reverse),
    primitive("append", 0, ANY, append),
    primitive("eq?", 2, 2, |args| Ok(Value::bool(args.get(0) == args.get(1)))),
    primitive("eqv?", 2, 2, |args| Ok(Value::bool(is_eqv(args.get(0), args.get(1))))),
    primitive("equal?", 2, 2, equal),
];

/// Comparisons that `equal?` makes at most, before it says that the data is circular.
const MOST_EQUAL: usize = 10_000_000;

fn set_car<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    args.pair(0)?.car.store(args.m, args.get(1));
    Ok(Value::nil())
}

fn set_cdr<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    args.pair(0)?.cdr.store(args.m, args.get(1));
    Ok(Value::nil())
}

/// The elements of the list that an argument is.
pub(super) fn elements<'gc>(args: &Args<'_, 'gc>, index: usize) -> Result<Vec<Value<'gc>>, Trap<'gc>> {
    let mut elements = Elements::of(args.m, args.get(index));
    let values = elements.by_ref().collect();
    if elements.is_proper() { Ok(values) } else { Err(args.wrong(index, "a list with an end")) }
}

fn length<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let mut elements = Elements::of(args.m, args.get(0));
    let count = elements.by_ref().count();
    match elements.is_proper() {
        true => Ok(Value::int(count as i64).unwrap_or_default()),
        false => Err(args.wrong(0, "a list with an end")),
    }
}

fn reverse<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let mut reversed = Value::nil();
    let mut elements = Elements::of(args.m, args.get(0));
    for value in elements.by_ref() {
        reversed = cons(args.m, value, reversed)?;
    }
    if elements.is_proper() { Ok(reversed) } else { Err(args.wrong(0, "a list with an end")) }
}

fn append<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let Some(last) = args.len().checked_sub(1) else { return Ok(Value::nil()) };
    let mut joined = args.get(last);
    for index in (0..last).rev() {
        for value in elements(args, index)?.into_iter().rev() {
            joined = cons(args.m, value, joined)?;
        }
    }
    Ok(joined)
}

/// The same object, or the same number.
pub(super) fn is_eqv<'gc>(a: Value<'gc>, b: Value<'gc>) -> bool {
    a == b
        || match (object(a), object(b)) {
            (Some(Obj::Float(a)), Some(Obj::Float(b))) => a.to_bits() == b.to_bits(),
            _ => false,
        }
}

fn equal<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match is_equal(args.m, args.get(0), args.get(1)) {
        Some(equal) => Ok(Value::bool(equal)),
        None => Err(Trap::fault(kind::RANGE, "equal?: the data is circular or too large to compare")),
    }
}

/// Do the values look the same when printed? `None` if that takes too long to find out.
fn is_equal<'gc>(m: &'gc Mutator, a: Value<'gc>, b: Value<'gc>) -> Option<bool> {
    let mut rest = vec![(a, b)];
    for _ in 0..MOST_EQUAL {
        let Some((a, b)) = rest.pop() else { return Some(true) };
        if is_eqv(a, b) {
            continue;
        }
        match (object(a), object(b)) {
            (Some(Obj::Pair(a)), Some(Obj::Pair(b))) => {
                rest.push((a.cdr.load(m), b.cdr.load(m)));
                rest.push((a.car.load(m), b.car.load(m)));
            }
            (Some(Obj::Vector(a)), Some(Obj::Vector(b))) if a.len() == b.len() => {
                let fields = a.as_slice().iter().zip(b.as_slice());
                rest.extend(fields.map(|(a, b)| (a.load(m), b.load(m))));
            }
            (Some(Obj::Text(a)), Some(Obj::Text(b))) if a.as_str() == b.as_str() => {}
            _ => return Some(false),
        }
    }
    None
}
