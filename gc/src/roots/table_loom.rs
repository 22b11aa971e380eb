//! Models of the entry table under loom: what `list`, `free_listed`, `take`, `store` and `load` promise to threads that
//! know nothing of each other.
//!
//! Modelled with the table itself. Left out: the walk over all entries (`for_each_in`), which is a `load` for each of them, and
//! `clear_if` against `store`: that a compare-and-swap spares a value stored meanwhile is the order of modifications of one
//! word, which loom does not keep for two writes that nothing else orders.

use super::{CHUNK, EntryRef, EntryTable};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

/// A table, and for each of its first entries something only the entry's owner may touch.
struct Model {
    table: EntryTable,
    entries: Vec<EntryRef>,
    owned: [UnsafeCell<u32>; 2],
}

// SAFETY: `owned` is touched by an entry's owner only; loom reports any two accesses that nothing orders.
unsafe impl Sync for Model {}
// SAFETY: as for `Sync`.
unsafe impl Send for Model {}

impl Model {
    /// A table of which only two entries have ever been taken; all others are held back.
    fn new() -> Arc<Model> {
        let table = EntryTable::new();
        let mut entries = Vec::new();
        table.take(CHUNK, &mut entries);
        entries.truncate(2);
        for (entry, addr) in entries.iter().zip([0x40, 0x80]) {
            entry.get().store(addr);
        }
        Arc::new(Model { table, entries, owned: Default::default() })
    }

    /// Uses what the owner of an entry owns.
    fn touch(&self, entry: EntryRef) {
        let at = self.entries.iter().position(|known| std::ptr::eq(known.get(), entry.get()));
        let at = at.expect("one of the two");
        // SAFETY: the caller claims to own the entry; loom checks.
        self.owned[at].with_mut(|value| unsafe { *value += 1 });
    }

    /// A handle is dropped: the last use of its entry, then the list.
    fn drop_handle(&self, at: usize) {
        self.touch(self.entries[at]);
        self.table.list(self.entries[at]);
    }
}

#[test]
fn loom_table_every_listed_entry_is_freed_once_and_stays_filled_until_then() {
    loom::model(|| {
        let model = Model::new();
        let droppers = [0, 1].map(|at| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.drop_handle(at))
        });
        let early = model.table.free_listed();
        let filled = model.entries.iter().filter(|entry| entry.get().load() != 0).count();
        assert_eq!(filled, 2 - early);
        for dropper in droppers {
            dropper.join().expect("no panic");
        }
        assert_eq!(early + model.table.free_listed(), 2);
        assert!(!model.table.any_listed());
        assert!(model.entries.iter().all(|entry| entry.get().load() == 0));
        let mut again = Vec::new();
        model.table.take(2, &mut again);
        assert_eq!(again.len(), 2);
        assert!(!std::ptr::eq(again[0].get(), again[1].get()));
    });
}

#[test]
fn loom_table_what_a_few_at_a_time_leave_is_freed_once_by_somebody() {
    loom::model(|| {
        let model = Model::new();
        model.drop_handle(0);
        let other = Arc::clone(&model);
        let dropper = thread::spawn(move || other.drop_handle(1));
        let other = Arc::clone(&model);
        let freer = thread::spawn(move || other.table.free_some(1));
        let mine = model.table.free_listed();
        dropper.join().expect("no panic");
        let theirs = freer.join().expect("no panic");
        assert_eq!(mine + theirs + model.table.free_listed(), 2);
        assert!(!model.table.any_listed());
        assert_eq!(model.table.in_use(), CHUNK - 2);
    });
}

#[test]
fn loom_table_a_freed_entry_has_a_new_owner_who_sees_what_the_old_one_did() {
    loom::model(|| {
        let model = Model::new();
        let other = Arc::clone(&model);
        let dropper = thread::spawn(move || other.drop_handle(0));
        let other = Arc::clone(&model);
        let user = thread::spawn(move || {
            if other.table.has_free() {
                let mut one = Vec::new();
                other.table.take(1, &mut one);
                for &entry in &one {
                    other.touch(entry);
                    entry.get().store(0x100);
                }
            }
        });
        model.table.free_listed();
        dropper.join().expect("no panic");
        user.join().expect("no panic");
    });
}

#[test]
fn loom_table_the_object_is_seen_by_who_loads_its_address() {
    loom::model(|| {
        let model = Model::new();
        let entry = model.entries[0];
        entry.get().store(0);
        let other = Arc::clone(&model);
        let creator = thread::spawn(move || {
            // SAFETY: the object is not reachable yet; loom checks.
            other.owned[0].with_mut(|object| unsafe { *object = 7 });
            entry.get().store(0x40);
        });
        if entry.get().load() == 0x40 {
            // SAFETY: nobody writes the object once it is reachable; loom checks.
            assert_eq!(model.owned[0].with(|object| unsafe { *object }), 7);
        }
        creator.join().expect("no panic");
    });
}
