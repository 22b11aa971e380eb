//! `WeakMap`: a table of ephemerons. An entry's value counts as referred to only while its key is reachable otherwise.
//!
//! The entries lie in a table of their own (`weak_table`), because a map can be moved. The barrier works entry by entry, not by
//! capture: shading all contents on the first change of a cycle would keep every entry alive. With the table's lock held, and
//! so atomically for everyone else:
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
use crate::handle::Gc;
use crate::handle::weak_table::WeakTable;
use crate::mutator::Mutator;
use crate::trace::{Branded, Invariant, Managed, Shape, Shaped, Trace, Tracer, hash_site, mix};
use greyset_sync::{Fault, fault};
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

/// A map from objects to objects, by identity, that does not keep its keys alive, nor a value whose key is gone: even if the
/// value refers to the key.
///
/// Entries of dead keys are removed by the collector. Ephemerons after Hayes (1997). Keys should have a slot of their own:
/// leaf values of at most 8 bytes share slots, and live as long as their neighbours.
///
/// Cost: 16 bytes in the object, and outside the heap a hash table, made with the first entry; each operation takes the map's
/// lock and looks the address up; a cycle looks at every entry. A map that is dropped while a cycle marks is freed at its end.
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
/// 1. The addresses in the table are those of a `Gc<'gc, K>` and a `Gc<'gc, V>` each: hence `K` and `V` are invariant.
/// 2. No other map has the same table.
pub struct WeakMap<'gc, K, V> {
    /// None before the first entry.
    table: OnceLock<Arc<WeakTable>>,
    brand: PhantomData<(Invariant<'gc>, *mut K, *mut V)>,
}

impl<'gc, K: Trace<'gc>, V: Trace<'gc>> WeakMap<'gc, K, V> {
    /// An empty map. Allocates nothing before the first entry.
    pub fn new() -> WeakMap<'gc, K, V> {
        WeakMap { table: OnceLock::new(), brand: PhantomData }
    }

    /// Maps `key` to `value`; returns the value it was mapped to before.
    pub fn insert(&self, m: &'gc Mutator, key: Gc<'gc, K>, value: Gc<'gc, V>) -> Option<Gc<'gc, V>> {
        // A new table needs no registering in any mode (docs/PROTOCOL.md, "Tables of ephemerons").
        let table = self.table.get_or_init(|| Arc::new(WeakTable::new()));
        let old = table.locked(m, |entries| {
            let old = entries.insert(key.as_addr(), value.as_addr());
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
        self.adopt(self.table.get()?.locked(m, |entries| entries.get(&key.as_addr()).copied()))
    }

    /// Removes the entry of `key`; returns its value.
    pub fn remove(&self, m: &'gc Mutator, key: Gc<'gc, K>) -> Option<Gc<'gc, V>> {
        let old = self.table.get()?.locked(m, |entries| {
            let old = entries.remove(&key.as_addr());
            shade_old(m, old);
            old
        });
        self.adopt(old)
    }

    /// A handle for a value of an entry whose key the caller holds.
    fn adopt(&self, value: Option<usize>) -> Option<Gc<'gc, V>> {
        // SAFETY: the address of a `Gc<'gc, V>` that was put in (invariant 1). The caller holds the map and the key, so the
        // value is reachable, or was until this operation removed (and shaded) it: it stays for the window.
        value.map(|addr| unsafe { Gc::from_addr(addr) })
    }

    /// Whether `key` has an entry.
    pub fn contains(&self, m: &'gc Mutator, key: Gc<'gc, K>) -> bool {
        self.get(m, key).is_some()
    }

    /// Entries now; those of keys that died since the last cycle are still counted.
    pub fn len(&self, m: &'gc Mutator) -> usize {
        self.table.get().map_or(0, |table| table.locked(m, |entries| entries.len()))
    }

    /// Whether there are no entries.
    pub fn is_empty(&self, m: &'gc Mutator) -> bool {
        self.len(m) == 0
    }
}

fn shade_old(m: &Mutator, old: Option<usize>) {
    if m.mode().marks() && !fault(Fault::MapOldUnshaded) {
        m.shade(old.unwrap_or(0));
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

// SAFETY: it reports its table, through which the collector gets at every value with a black key; keys are weak. Other threads
// see the entries under the table's lock only; its drop glue lets go of the table and looks at no entry.
unsafe impl<'gc, K: Trace<'gc>, V: Trace<'gc>> Trace<'gc> for WeakMap<'gc, K, V> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        if let Some(table) = self.table.get() {
            t.ephemerons(table);
        }
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
