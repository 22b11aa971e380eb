//! Vectors: rows of fields in one object.

use super::super::trap::{Trap, kind};
use super::super::value::{Field, Fields, Obj, Value, list, place};
use super::lists::elements;
use super::{ANY, Answer, Args, Primitive, primitive};
use greyset::Gc;

pub(super) const ALL: &[Primitive] = &[
    primitive("vector?", 1, 1, |args| Ok(Value::bool(matches!(args.object(0), Some(Obj::Vector(_)))))),
    primitive("make-vector", 1, 2, make),
    primitive("vector", 0, ANY, |args| filled(args, &args.values().collect::<Vec<_>>())),
    primitive("vector-length", 1, 1, |args| Ok(Value::int(vector(args)?.len() as i64).unwrap_or_default())),
    primitive("vector-ref", 2, 2, |args| Ok(element(args)?.load(args.m))),
    primitive("vector-set!", 3, 3, set),
    primitive("vector-fill!", 2, 2, fill),
    primitive("list->vector", 1, 1, |args| filled(args, &elements(args, 0)?)),
    primitive("vector->list", 1, 1, to_list),
];

fn vector<'gc>(args: &Args<'_, 'gc>) -> Result<Gc<'gc, Fields<'gc>>, Trap<'gc>> {
    match args.object(0) {
        Some(Obj::Vector(vector)) => Ok(*vector),
        _ => Err(args.wrong(0, "a vector")),
    }
}

/// The element that the second argument counts out.
fn element<'gc>(args: &Args<'_, 'gc>) -> Result<&'gc Field<'gc>, Trap<'gc>> {
    let (fields, index) = (vector(args)?.as_slice(), args.integer(1)?);
    usize::try_from(index).ok().and_then(|index| fields.get(index)).ok_or_else(|| {
        let (name, len) = (args.primitive.name, fields.len());
        Trap::fault(kind::RANGE, format!("{name}: there is no element {index} in a vector of {len}"))
    })
}

fn make<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let len = args.size(0)?;
    let value = if args.len() == 2 { args.get(1) } else { Value::nil() };
    let vector = args.m.try_alloc_array(len, |_| Field::new(value))?;
    Ok(place(args.m, Obj::Vector(vector))?)
}

fn filled<'gc>(args: &Args<'_, 'gc>, values: &[Value<'gc>]) -> Answer<'gc> {
    let vector = args.m.try_alloc_array(values.len(), |index| Field::new(values[index]))?;
    Ok(place(args.m, Obj::Vector(vector))?)
}

fn set<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    element(args)?.store(args.m, args.get(2));
    Ok(Value::nil())
}

fn fill<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    vector(args)?.fill(args.m, args.get(1));
    Ok(Value::nil())
}

fn to_list<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let values: Vec<_> = vector(args)?.as_slice().iter().map(|field| field.load(args.m)).collect();
    Ok(list(args.m, &values)?)
}
