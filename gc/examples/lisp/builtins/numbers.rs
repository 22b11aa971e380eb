//! Numbers: integers of 63 bits that become floats when they overflow, and floats.

use super::super::trap::{Trap, kind};
use super::super::value::{Obj, Value, place};
use super::{ANY, Answer, Args, Primitive, primitive};
use greyset::TaggedView;
use std::cmp::Ordering;

pub(super) const ALL: &[Primitive] = &[
    primitive("+", 0, ANY, |args| fold(args, 0, i64::checked_add, |a, b| a + b)),
    primitive("*", 0, ANY, |args| fold(args, 1, i64::checked_mul, |a, b| a * b)),
    primitive("-", 1, ANY, |args| fold_from_first(args, 0, i64::checked_sub, |a, b| a - b)),
    primitive("/", 1, ANY, quotient),
    primitive("quotient", 2, 2, |args| divide(args, i64::checked_div)),
    primitive("remainder", 2, 2, |args| divide(args, i64::checked_rem)),
    primitive("modulo", 2, 2, |args| divide(args, modulo)),
    primitive("=", 1, ANY, |args| compare(args, Ordering::is_eq)),
    primitive("<", 1, ANY, |args| compare(args, Ordering::is_lt)),
    primitive(">", 1, ANY, |args| compare(args, Ordering::is_gt)),
    primitive("<=", 1, ANY, |args| compare(args, Ordering::is_le)),
    primitive(">=", 1, ANY, |args| compare(args, Ordering::is_ge)),
    primitive("number?", 1, 1, |args| Ok(Value::bool(Number::of(args.get(0)).is_some()))),
    primitive("integer?", 1, 1, |args| Ok(Value::bool(matches!(args.get(0).view(), TaggedView::Int(_))))),
    primitive("exact->inexact", 1, 1, |args| Number::Float(number(args, 0)?.float()).value(args)),
    primitive("floor", 1, 1, |args| rounded(args, f64::floor)),
    primitive("round", 1, 1, |args| rounded(args, f64::round_ties_even)),
    primitive("sqrt", 1, 1, |args| Number::Float(number(args, 0)?.float().sqrt()).value(args)),
];

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    #[inline]
    fn of(value: Value<'_>) -> Option<Number> {
        match value.view() {
            TaggedView::Int(int) => Some(Number::Int(int)),
            TaggedView::Object(obj) => match *obj {
                Obj::Float(float) => Some(Number::Float(float)),
                _ => None,
            },
            _ => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }

    /// The number as a value. An integer of 64 bits does not fit, so it becomes a float.
    #[inline]
    fn value<'gc>(self, args: &Args<'_, 'gc>) -> Answer<'gc> {
        if let Number::Int(int) = self
            && let Some(value) = Value::int(int)
        {
            return Ok(value);
        }
        Ok(place(args.m, Obj::Float(self.float()))?)
    }
}

#[inline]
fn number<'gc>(args: &Args<'_, 'gc>, index: usize) -> Result<Number, Trap<'gc>> {
    Number::of(args.get(index)).ok_or_else(|| args.wrong(index, "a number"))
}

type Exact = fn(i64, i64) -> Option<i64>;
type Inexact = fn(f64, f64) -> f64;

#[inline]
fn combine(a: Number, b: Number, exact: Exact, inexact: Inexact) -> Number {
    if let (Number::Int(a), Number::Int(b)) = (a, b)
        && let Some(int) = exact(a, b)
    {
        return Number::Int(int);
    }
    Number::Float(inexact(a.float(), b.float()))
}

#[inline]
fn fold<'gc>(args: &Args<'_, 'gc>, start: i64, exact: Exact, inexact: Inexact) -> Answer<'gc> {
    fold_on(args, Number::Int(start), 0, exact, inexact)
}

/// `(- a b c)` is a - b - c, but `(- a)` is 0 - a.
#[inline]
fn fold_from_first<'gc>(args: &Args<'_, 'gc>, start: i64, exact: Exact, inexact: Inexact) -> Answer<'gc> {
    match args.len() {
        1 => fold_on(args, Number::Int(start), 0, exact, inexact),
        _ => fold_on(args, number(args, 0)?, 1, exact, inexact),
    }
}

#[inline]
fn fold_on<'gc>(
    args: &Args<'_, 'gc>,
    mut result: Number,
    first: usize,
    exact: Exact,
    inexact: Inexact,
) -> Answer<'gc> {
    for index in first..args.len() {
        result = combine(result, number(args, index)?, exact, inexact);
    }
    result.value(args)
}

/// An integer if it can be. What is divided by the integer zero is an error; by the float it is infinite.
fn quotient<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let divisors = if args.len() == 1 { 0..1 } else { 1..args.len() };
    for index in divisors {
        if matches!(number(args, index)?, Number::Int(0)) {
            return Err(Trap::fault(kind::DIVISION, "/: division by zero"));
        }
    }
    fold_from_first(args, 1, exact_quotient, |a, b| a / b)
}

/// The quotient, if there is one without a remainder.
fn exact_quotient(a: i64, b: i64) -> Option<i64> {
    (a.checked_rem(b)? == 0).then(|| a / b)
}

fn modulo(a: i64, b: i64) -> Option<i64> {
    let remainder = a.checked_rem(b)?;
    Some(if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
}

fn divide<'gc>(args: &Args<'_, 'gc>, operation: Exact) -> Answer<'gc> {
    let (a, b) = (args.integer(0)?, args.integer(1)?);
    match operation(a, b) {
        Some(int) => Number::Int(int).value(args),
        None => Err(Trap::fault(kind::DIVISION, format!("{}: division by zero", args.primitive.name))),
    }
}

#[inline]
fn compare<'gc>(args: &Args<'_, 'gc>, holds: fn(Ordering) -> bool) -> Answer<'gc> {
    let mut all = true;
    let mut left = number(args, 0)?;
    for index in 1..args.len() {
        let right = number(args, index)?;
        let order = match (left, right) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.float().partial_cmp(&b.float()),
        };
        all &= order.is_some_and(holds);
        left = right;
    }
    Ok(Value::bool(all))
}

/// Rounded to an integer; stays a float if it is too large for one.
fn rounded<'gc>(args: &Args<'_, 'gc>, round: fn(f64) -> f64) -> Answer<'gc> {
    let rounded = match number(args, 0)? {
        Number::Int(int) => return Number::Int(int).value(args),
        Number::Float(float) => round(float),
    };
    let fits = rounded.abs() <= Value::MAX as f64;
    if fits { Number::Int(rounded as i64).value(args) } else { Number::Float(rounded).value(args) }
}
