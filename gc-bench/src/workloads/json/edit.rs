//! Edits of every object of a document, and their undoing. Each object gets a member, has one replaced and loses one;
//! the edits are looked up by key as soon as they are made.
use super::STEPS;
use super::value::{Document, Edit, Member, Members, Object, Value};
use crate::failure::Failure;
use greyset::{Gc, Mutator, Root};

/// Key of the added member; underscores are appended as long as the object has such a key.
const ADDED: &str = "added";

/// Makes three edits in every object that has members, one in each empty one, and looks them up.
pub fn edit_all(m: &mut Mutator, document: &Root<Document<'static>>) -> Result<(), Failure> {
    let count = document.get(m).objects.as_slice().len();
    for i in 0..count {
        edit(m, document.get(m), i)?;
        if i % STEPS == 0 {
            m.safepoint();
        }
    }
    Ok(())
}

/// Undoes all edits, the last one first.
pub fn undo_all(m: &mut Mutator, document: &Root<Document<'static>>) {
    let mut undone = 0usize;
    while let Some(edit) = document.get(m).edits.load(m) {
        edit.object.members.store(m, Some(edit.before));
        document.get(m).edits.store(m, edit.earlier);
        undone += 1;
        if undone.is_multiple_of(STEPS) {
            m.safepoint();
        }
    }
}

fn edit<'gc>(m: &'gc Mutator, document: Gc<'gc, Document<'gc>>, i: usize) -> Result<(), Failure> {
    let object = document.objects.as_slice()[i];
    let Some(before) = object.now(m) else { return Err(lost("its members")) };
    let members = before.entries.as_slice();

    let key = m.alloc_str(&free_key(&before));
    let mut edited = members.to_vec();
    edited.push(Member { key, value: Value::Null });
    change(m, document, object, &edited);
    must_find(m, object, key.as_str(), |value| matches!(value, Value::Null))?;

    let Some(last) = members.len().checked_sub(1) else { return Ok(()) };
    let replaced = i % members.len();
    edited[replaced].value = Value::Bool(true);
    change(m, document, object, &edited);
    must_find(m, object, edited[replaced].key.as_str(), |value| matches!(value, Value::Bool(true)))?;

    edited.remove(last - replaced);
    change(m, document, object, &edited);
    let deleted = members[last - replaced].key;
    let still_there = object.now(m).and_then(|members| members.find(deleted.as_str()));
    still_there.map_or(Ok(()), |_| {
        Err(Failure::Check(format!("member {:?} was deleted and is found", deleted.as_str())))
    })
}

/// Gives the object new members and notes what it had.
fn change<'gc>(
    m: &'gc Mutator,
    document: Gc<'gc, Document<'gc>>,
    object: Gc<'gc, Object<'gc>>,
    members: &[Member<'gc>],
) {
    if let Some(before) = object.now(m) {
        let edit = m.alloc(Edit { object, before, earlier: document.edits.load(m) });
        document.edits.store(m, Some(edit));
    }
    object.members.store(m, Some(Members::new(m, members)));
}

fn must_find<'gc>(
    m: &'gc Mutator,
    object: Gc<'gc, Object<'gc>>,
    key: &str,
    is_right: impl Fn(Value<'gc>) -> bool,
) -> Result<(), Failure> {
    let found = object.now(m).and_then(|members| {
        let i = members.find(key)?;
        Some(members.entries.as_slice()[i].value)
    });
    found.filter(|value| is_right(*value)).map_or_else(|| Err(lost(key)), |_| Ok(()))
}

fn lost(what: &str) -> Failure {
    Failure::Check(format!("an object has lost {what:?}"))
}

fn free_key(members: &Members<'_>) -> String {
    let mut key = ADDED.to_owned();
    while members.find(&key).is_some() {
        key.push('_');
    }
    key
}
