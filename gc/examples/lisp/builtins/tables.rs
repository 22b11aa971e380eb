//! Hash tables, made of heap objects throughout: a row of buckets, each a list of `(key . value)`.
//!
//! Keys are the same if `eqv?`, or strings with the same characters. Objects are hashed by their address, which never
//! changes.

use super::super::trap::Trap;
use super::super::value::{
    Elements, Field, Fields, Obj, Pair, Table, Value, cons, list, object, pair, place,
};
use super::lists::is_eqv;
use super::{Answer, Args, Primitive, primitive};
use greyset::{Gc, Mutator, OutOfMemory, Slot, Word};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

pub(super) const ALL: &[Primitive] = &[
    primitive("make-table", 0, 0, make),
    primitive("table?", 1, 1, |args| Ok(Value::bool(matches!(args.object(0), Some(Obj::Table(_)))))),
    primitive("table-count", 1, 1, |args| {
        Ok(Value::int(table(args)?.count.load(Relaxed) as i64).unwrap_or_default())
    }),
    primitive("table-ref", 3, 3, get),
    primitive("table-set!", 3, 3, set),
    primitive("table-remove!", 2, 2, remove),
    primitive("table->list", 1, 1, to_list),
];

const FIRST_BUCKETS: usize = 8;

fn make<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let buckets = args.m.try_alloc_array(FIRST_BUCKETS, |_| Field::new(Value::nil()))?;
    let table = Table { buckets: Slot::new(Some(buckets)), count: AtomicUsize::new(0) };
    let table = args.m.try_alloc(table)?;
    Ok(place(args.m, Obj::Table(table))?)
}

fn table<'gc>(args: &Args<'_, 'gc>) -> Result<&'gc Table<'gc>, Trap<'gc>> {
    match args.object(0) {
        Some(Obj::Table(table)) => Ok(table.get()),
        _ => Err(args.wrong(0, "a table")),
    }
}

fn hash(key: Value<'_>) -> u64 {
    match object(key) {
        Some(Obj::Float(float)) => float.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15),
        Some(Obj::Text(text)) => {
            let mut hasher = DefaultHasher::new();
            text.as_str().hash(&mut hasher);
            hasher.finish()
        }
        _ => key.to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15),
    }
}

fn is_same_key<'gc>(a: Value<'gc>, b: Value<'gc>) -> bool {
    is_eqv(a, b)
        || match (object(a), object(b)) {
            (Some(Obj::Text(a)), Some(Obj::Text(b))) => a.as_str() == b.as_str(),
            _ => false,
        }
}

/// The bucket of a key in a row of buckets.
fn bucket<'gc>(buckets: &'gc Fields<'gc>, key: Value<'gc>) -> &'gc Field<'gc> {
    // The number of buckets is a power of two; the upper bits of the hash are the better ones.
    &buckets[(hash(key) >> 32) as usize & (buckets.len() - 1)]
}

/// The row of buckets of a table; it always has one.
fn buckets<'gc>(m: &'gc Mutator, table: &Table<'gc>) -> Result<Gc<'gc, Fields<'gc>>, OutOfMemory> {
    match table.buckets.load(m) {
        Some(buckets) => Ok(buckets),
        None => m.try_alloc_array(FIRST_BUCKETS, |_| Field::new(Value::nil())),
    }
}

/// The `(key . value)` of a key.
fn find<'gc>(m: &'gc Mutator, bucket: &Field<'gc>, key: Value<'gc>) -> Option<&'gc Pair<'gc>> {
    Elements::of(m, bucket.load(m)).filter_map(pair).find(|entry| is_same_key(entry.car.load(m), key))
}

/// `(table-ref table key otherwise)`
fn get<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let buckets = buckets(args.m, table(args)?)?;
    let entry = find(args.m, bucket(buckets.get(), args.get(1)), args.get(1));
    Ok(entry.map_or(args.get(2), |entry| entry.cdr.load(args.m)))
}

fn set<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let (m, table, key, value) = (args.m, table(args)?, args.get(1), args.get(2));
    let mut row = buckets(m, table)?;
    if let Some(entry) = find(m, bucket(row.get(), key), key) {
        entry.cdr.store(m, value);
        return Ok(Value::nil());
    }
    let count = table.count.load(Relaxed);
    if count >= row.len() {
        row = grown(m, row.get())?;
    }
    let bucket = bucket(row.get(), key);
    let chain = cons(m, cons(m, key, value)?, bucket.load(m))?;
    bucket.store(m, chain);
    table.buckets.store(m, Some(row));
    table.count.store(count + 1, Relaxed);
    Ok(Value::nil())
}

/// A row of twice as many buckets with the same entries.
fn grown<'gc>(m: &'gc Mutator, old: &'gc Fields<'gc>) -> Result<Gc<'gc, Fields<'gc>>, OutOfMemory> {
    let row = m.try_alloc_array(2 * old.len(), |_| Field::new(Value::nil()))?;
    for entry in old.iter().flat_map(|bucket| Elements::of(m, bucket.load(m))) {
        if let Some(pair) = pair(entry) {
            let bucket = bucket(row.get(), pair.car.load(m));
            bucket.store(m, cons(m, entry, bucket.load(m))?);
        }
    }
    Ok(row)
}

/// Whether the key was there.
fn remove<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let (m, table, key) = (args.m, table(args)?, args.get(1));
    let row = buckets(m, table)?;
    let mut field = bucket(row.get(), key);
    while let Some(cell) = pair(field.load(m)) {
        let entry = pair(cell.car.load(m));
        if entry.is_some_and(|entry| is_same_key(entry.car.load(m), key)) {
            field.store(m, cell.cdr.load(m));
            table.count.store(table.count.load(Relaxed).saturating_sub(1), Relaxed);
            return Ok(Value::bool(true));
        }
        field = &cell.cdr;
    }
    Ok(Value::bool(false))
}

/// All `(key . value)`, in no particular order. The pairs are copies.
fn to_list<'gc>(args: &mut Args<'_, 'gc>) -> Answer<'gc> {
    let m = args.m;
    let row = buckets(m, table(args)?)?;
    let mut entries = Vec::new();
    for entry in row.as_slice().iter().flat_map(|bucket| Elements::of(m, bucket.load(m))) {
        if let Some(pair) = pair(entry) {
            entries.push(cons(m, pair.car.load(m), pair.cdr.load(m))?);
        }
    }
    Ok(list(m, &entries)?)
}
