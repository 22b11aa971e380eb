//! Procedures, errors, output, the collector.

use super::super::printer::{Style, print};
use super::super::trap::Trap;
use super::super::value::{Obj, Value, WeakRef, is_true, list, place};
use super::{ANY, Answer, Args, Primitive, primitive};

pub(super) const ALL: &[Primitive] = &[
    primitive("procedure?", 1, 1, is_procedure),
    primitive("boolean?", 1, 1, is_boolean),
    primitive("not", 1, 1, not),
    primitive("apply", 2, 2, apply),
    primitive("raise", 1, 1, raise),
    primitive("error", 1, ANY, error),
    primitive("error?", 1, 1, is_error),
    primitive("error-kind", 1, 1, error_kind),
    primitive("error-message", 1, 1, error_message),
    primitive("error-irritants", 1, 1, error_irritants),
    primitive("display", 1, 1, display),
    primitive("write", 1, 1, write),
    primitive("newline", 0, 0, newline),
    primitive("gc", 0, 0, gc),
    primitive("gc-stats", 0, 0, gc_stats),
    primitive("make-weak", 1, 1, make_weak),
    primitive("weak-value", 1, 1, weak_value),
];

fn is_procedure<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Ok(Value::bool(matches!(args.object(0), Some(Obj::Closure(_) | Obj::Primitive(_)))))
}

fn is_boolean<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Ok(Value::bool([Value::bool(true), Value::bool(false)].contains(&args.get(0))))
}

fn not<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Ok(Value::bool(!is_true(args.get(0))))
}

fn apply<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Err(Trap::Apply(args.get(0), args.get(1)))
}

fn raise<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Err(Trap::Raise(args.get(0)))
}

fn error<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let Some(Obj::Text(message)) = args.object(0) else { return Err(args.wrong(0, "a string")) };
    let irritants: Vec<_> = args.values().skip(1).collect();
    Err(Trap::Error(*message, list(args.m, &irritants)?))
}

fn is_error<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Ok(Value::bool(matches!(args.object(0), Some(Obj::Condition(_)))))
}

fn error_kind<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match args.object(0) {
        Some(Obj::Condition(condition)) => Ok(Value::object(condition.kind)),
        _ => Err(args.wrong(0, "an error")),
    }
}

fn error_message<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match args.object(0) {
        Some(Obj::Condition(condition)) => Ok(place(args.m, Obj::Text(condition.message))?),
        _ => Err(args.wrong(0, "an error")),
    }
}

fn error_irritants<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match args.object(0) {
        Some(Obj::Condition(condition)) => Ok(condition.irritants),
        _ => Err(args.wrong(0, "an error")),
    }
}

fn display<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    print(args.m, args.get(0), Style::Display, args.out);
    Ok(Value::nil())
}

fn write<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    print(args.m, args.get(0), Style::Write, args.out);
    Ok(Value::nil())
}

fn newline<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    args.out.push('\n');
    Ok(Value::nil())
}

fn gc<'gc>(_: &mut Args<'_, 'gc>) -> Answer<'gc> {
    Err(Trap::Collect)
}

/// `((cycles . 3) (live-bytes . 4096) ...)`
fn gc_stats<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let stats = args.m.heap().stats();
    let rows = [
        ("cycles", stats.cycles),
        ("heap-bytes", stats.heap_bytes),
        ("live-bytes", stats.live_bytes),
        ("peak-bytes", stats.peak_bytes),
        ("allocated-bytes", stats.allocated_bytes),
        ("allocated-objects", stats.allocated_objects),
    ];
    let mut entries = Vec::new();
    for (name, number) in rows {
        let name = Value::object(args.world.symbol(args.m, name)?);
        let number = i64::try_from(number).ok().and_then(Value::int).unwrap_or_default();
        entries.push(super::super::value::cons(args.m, name, number)?);
    }
    Ok(list(args.m, &entries)?)
}

/// A reference that does not keep its object alive.
fn make_weak<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let Some(target) = args.get(0).as_object() else {
        return Err(args.wrong(0, "an object, which numbers and the like are not"));
    };
    let weak = args.m.try_alloc(WeakRef { target: target.downgrade(args.m) })?;
    Ok(place(args.m, Obj::Weak(weak))?)
}

/// The object, or `#f` when it is gone.
fn weak_value<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    match args.object(0) {
        Some(Obj::Weak(weak)) => Ok(weak.target.upgrade(args.m).map_or(Value::bool(false), Value::object)),
        _ => Err(args.wrong(0, "a weak reference")),
    }
}
