//! `WeakMap`: a table of ephemerons. An entry's value counts as referred to only while its key is reachable otherwise.
//!
//! The barrier works entry by entry, not by capture of the whole table: shading all contents on the first change of a cycle
//! would keep every entry alive. With the table's lock held, and so atomically for everyone else:
//!
//! | mode | insert | remove |
//! | --- | --- | --- |
//! | Off | nothing | nothing |
//! | Both | shade key, new value, old value | shade old value |
//! | Deletion | shade old value | shade old value |
//!
//! Why reading needs no barrier: a mutator that reads a value holds the map and the key, so both are or will be black, and the
//! fixpoint shades the value as long as the entry is there; if the entry goes, the value is shaded by who removes it.

use crate::barrier::Mode;
use crate::handle::{Busy, Gc, LockState, Stamp};
use crate::mutator::Mutator;
use crate::trace::{
    Branded, EphemeronTable, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site, mix,
};
use greyset_sync::{Backoff, Fault, Point, fault, point, thread};
use std::cell::UnsafeCell;
// Ordered in the simulator, so that a run can be repeated.
#[cfg(feature = "sim")]
use std::collections::BTreeMap as Table;
#[cfg(not(feature = "sim"))]
use std::collections::HashMap as Table;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A map from objects to objects, by identity, that does not keep its keys alive, nor a value whose key is gone: even if the
/// value refers to the key.
///
/// Entries of dead keys are removed by the collector. Ephemerons after Hayes (1997). Keys should have a slot of their own:
/// leaf values of at most 8 bytes share slots, and live as long as their neighbours.
///
/// Cost: each operation takes the map's lock and looks the address up in a hash table; a cycle looks at every entry.
///
/// ```
/// use greyset::{Heap, Trace, WeakMap};
///
/// #[derive(Trace)]
/// struct World<'gc> {
///     names: WeakMap<'gc, String, String>,
/// }
///
/// # fn main() -> Result<(), greyset::HeapError> {
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let world = m.alloc(World { names: WeakMap::new() }).root(m);
///     let key = m.alloc("7".to_owned()).root(m);
///     world.get(m).names.insert(m, key.get(m), m.alloc("seven".to_owned()));
///     m.collect();
///     assert_eq!(world.get(m).names.get(m, key.get(m)).map(|s| s.len()), Some(5));
///     drop(key);
///     m.collect();
///     assert_eq!(world.get(m).names.len(m), 0);
/// });
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
/// `table` is touched only with `state` held for writing, or as a visitor of `state` without changing it.
pub struct WeakMap<'gc, K, V> {
    state: LockState,
    table: UnsafeCell<Table<usize, usize>>,
    brand: PhantomData<(Invariant<'gc>, *const K, *const V)>,
}

impl<'gc, K: Trace<'gc>, V: Trace<'gc>> WeakMap<'gc, K, V> {
    /// An empty map.
    pub fn new() -> WeakMap<'gc, K, V> {
        WeakMap { state: LockState::new(), table: UnsafeCell::new(Table::new()), brand: PhantomData }
    }

    /// Maps `key` to `value`; returns the value it was mapped to before.
    pub fn insert(&self, m: &'gc Mutator, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Option<Gc<'gc, V>> {
        let old = self.locked(m, |table| {
            let old = table.insert(key.as_addr(), value.as_addr());
            shade_old(m, old);
            if m.mode() == Mode::Both && !fault(Fault::MapInsertUnshaded) {
                m.shade(key.as_addr());
                m.shade(value.as_addr());
            }
            old
        });
        self.adopt(old)
    }

    /// The value `key` is mapped to.
    pub fn get(&self, m: &'gc Mutator, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        self.adopt(self.locked(m, |table| table.get(&key.as_addr()).copied()))
    }

    /// Removes the entry of `key`; returns its value.
    pub fn remove(&self, m: &'gc Mutator, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let old = self.locked(m, |table| {
            let old = table.remove(&key.as_addr());
            shade_old(m, old);
            old
        });
        self.adopt(old)
    }

    /// A handle for a value of an entry whose key the caller holds.
    fn adopt(&self, value: Option<usize>) -> Option<Gc<'gc, V>> {
        // SAFETY: the address of a `Gc<'gc, V>` that was put in. The caller holds the map and the key, so the value is
        // reachable, or was until this operation removed (and shaded) it: it stays for the window.
        value.map(|addr| unsafe { Gc::from_addr(addr) })
    }

    /// Whether `key` has an entry.
    pub fn contains(&self, m: &'gc Mutator, key: Gc<'gc, K>) -> bool {
        self.get(m, key).is_some()
    }

    /// Entries now; those of keys that died since the last cycle are still counted.
    pub fn len(&self, m: &'gc Mutator) -> usize {
        self.locked(m, |table| table.len())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self, m: &'gc Mutator) -> bool {
        self.len(m) == 0
    }

    /// Runs `f` with the table locked. No code of the embedder runs inside: keys and values are addresses.
    fn locked<R>(&self, m: &Mutator, f: impl FnOnce(&mut Table<usize, usize>) -> R) -> R {
        let backoff = Backoff::new();
        loop {
            point(Point::LockAcquire);
            match self.state.try_write(m.stamp(), |stamp| m.stamp_is_live(stamp)) {
                Ok(()) => break,
                Err(Busy::Own) => unreachable!("no code of the embedder runs while the map is locked"),
                Err(Busy::Other) if backoff.is_completed() => thread::yield_now(),
                Err(Busy::Other) => backoff.snooze(),
            }
        }
        let _unlock = Unlock(&self.state);
        // SAFETY: the type's invariant: held for writing until `_unlock` drops, after `f` has returned.
        f(unsafe { &mut *self.table.get() })
    }
}

struct Unlock<'a>(&'a LockState);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        point(Point::LockRelease);
        self.0.unlock_write();
    }
}

fn shade_old(m: &Mutator, old: Option<usize>) {
    if m.mode().marks() && !fault(Fault::MapOldUnshaded) {
        m.shade(old.unwrap_or(0));
    }
}

impl<'gc, K: Trace<'gc>, V: Trace<'gc>> EphemeronTable for WeakMap<'gc, K, V> {
    fn trace_values(&self, is_marked: &dyn Fn(usize) -> bool, t: &mut Tracer<'static>) {
        // Never noted as captured: new black keys may turn up in the next pass.
        let Some(_look) = t.look(&self.state) else { return };
        // SAFETY: the type's invariant: a visitor until `_look` drops, and only read.
        let table = unsafe { &*self.table.get() };
        for (_, &value) in table.iter().filter(|(key, _)| is_marked(**key)) {
            t.address(value);
        }
    }

    fn clear_dead(&self, is_marked: &dyn Fn(usize) -> bool, is_live: &dyn Fn(Stamp) -> bool) -> bool {
        if self.state.try_write(Stamp::COLLECTOR, is_live).is_err() {
            return false;
        }
        let _unlock = Unlock(&self.state);
        point(Point::WeakClear);
        // SAFETY: the type's invariant: held for writing until `_unlock` drops.
        let table = unsafe { &mut *self.table.get() };
        table.retain(|key, _| is_marked(*key));
        true
    }
}

impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Default for WeakMap<'gc, K, V> {
    fn default() -> Self {
        WeakMap::new()
    }
}

impl<K, V> fmt::Debug for WeakMap<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakMap(..)")
    }
}

// SAFETY: it reports itself as a table of ephemerons, through which the collector gets at every value with a black key; keys
// are weak. Other threads see the table under its lock only; its drop glue frees the table and looks at no entry.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Trace<'gc> for WeakMap<'gc, K, V> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        let table: &dyn EphemeronTable = self;
        let table = NonNull::from(table);
        // SAFETY: only the lifetime bound of the `dyn` type changes; the sink keeps the pointer no longer than the object is
        // sure to stay (`Ephemerons`).
        let table = unsafe {
            std::mem::transmute::<NonNull<dyn EphemeronTable + '_>, NonNull<dyn EphemeronTable>>(table)
        };
        t.ephemerons(table);
    }
}

// SAFETY: traced by a call.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Shaped<'gc> for WeakMap<'gc, K, V> {
    const SHAPE: Shape = Shape::Call;
    const HASH: u64 = mix(hash_site("greyset", "WeakMap", 0, 0), size_of::<*const K>() as u64);
}

// SAFETY: `K` and `V` stand for their families by the contract of `Managed`.
unsafe impl<K: Managed, V: Managed> Managed for WeakMap<'static, K, V> {
    type At<'gc> = WeakMap<'gc, K::At<'gc>, V::At<'gc>>;
}

// SAFETY: as above.
unsafe impl<'gc, K: Branded<'gc>, V: Branded<'gc>> Branded<'gc> for WeakMap<'gc, K, V> {
    type Static = WeakMap<'static, K::Static, V::Static>;
}
