//! Span classes by (type, size class): numbers in order of first appearance, and the table that finds them.
//!
//! Readers never block: they look the number up in an open-addressing table under an epoch pin. Writers, one at a time,
//! put a class into a free entry in place, or copy the table into one twice as long when it is half full; the old table
//! is reclaimed by the epoch scheme (K. Fraser, "Practical lock-freedom", 2004) when no reader can be in it.
//!
//! Never forgets a class: there are as many as (type, size class) pairs in the program's life.

use crate::sets::SpanStack;
use crate::size_class::SizeClass;
use crate::space::{Space, Table, Zeroed};
use crate::type_info::TypeInfo;
use crate::unit::SpanClassId;
use crossbeam_epoch::{self as epoch, Atomic, Owned};
use greyset_sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use greyset_sync::{Mutex, Rank};

/// A class's spans that are in no cache: the sets of the mcentral.
///
/// The index is the parity of the generation in which the spans in the set were last swept.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Central {
    /// Spans with Free slots.
    pub(crate) partial: [SpanStack; 2],
    /// Spans without.
    pub(crate) full: [SpanStack; 2],
    /// Spans in use; decides how long the next one is.
    pub(crate) spans: AtomicU32,
}

// SAFETY: atomics; zero is two empty stacks each and no span.
unsafe impl Zeroed for Central {}

/// What identifies a class.
#[derive(Clone, Copy)]
struct Key {
    info: usize,
    size_class: SizeClass,
}

impl Key {
    fn hash(self) -> usize {
        // Fibonacci hashing (D. Knuth): the high bits of the product are well mixed.
        let mixed = (self.info >> 3) ^ (self.size_class.index() << 40);
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(24)
    }
}

/// # Invariants
/// 1. `info` is 0 (free) or the address of a class's type; then `class` is its number and its size class is in the class
///    table. Once set neither changes.
/// 2. There is always a free entry.
struct Entry {
    info: AtomicUsize,
    class: AtomicU32,
}

struct Map {
    entries: Box<[Entry]>,
}

impl Map {
    fn with_len(len: usize) -> Map {
        let free = || Entry { info: AtomicUsize::new(0), class: AtomicU32::new(0) };
        Map { entries: (0..len).map(|_| free()).collect() }
    }

    fn find(&self, space: &Space, key: Key) -> Option<SpanClassId> {
        let mask = self.entries.len() - 1;
        let mut at = key.hash() & mask;
        loop {
            let entry = &self.entries[at];
            // ORDERING: pairs with the release store in `insert`: the number and the class's entry are read after they
            // were written.
            match entry.info.load(Ordering::Acquire) {
                0 => return None,
                info if info == key.info => {
                    let class = SpanClassId(entry.class.load(Ordering::Relaxed));
                    if space.class_info(class).size_class() == key.size_class {
                        return Some(class);
                    }
                }
                _ => {}
            }
            at = (at + 1) & mask;
        }
    }

    /// Puts a class that is not in it into a free entry. By the writer only.
    fn insert(&self, key: Key, class: SpanClassId) {
        let mask = self.entries.len() - 1;
        let mut at = key.hash() & mask;
        while self.entries[at].info.load(Ordering::Relaxed) != 0 {
            at = (at + 1) & mask;
        }
        self.entries[at].class.store(class.0, Ordering::Relaxed);
        // ORDERING: pairs with the acquire load in `find`.
        self.entries[at].info.store(key.info, Ordering::Release);
    }
}

/// All span classes of a heap.
///
/// # Invariants
/// Class numbers 1 to `classes` have an entry in the class table, written before the number appears in the map.
pub(crate) struct Registry {
    map: Atomic<Map>,
    writer: Mutex<()>,
    classes: AtomicU32,
    central: Table<Central>,
}

const FIRST_LEN: usize = 32;

impl Registry {
    pub(crate) fn new(central: Table<Central>) -> Registry {
        Registry {
            map: Atomic::new(Map::with_len(FIRST_LEN)),
            writer: Mutex::new(Rank::Classes, ()),
            classes: AtomicU32::new(0),
            central,
        }
    }

    /// The class of a type and size class, made if it is new; `None` when the class table is full.
    pub(crate) fn class(
        &self,
        space: &Space,
        info: &'static TypeInfo,
        size_class: SizeClass,
    ) -> Option<SpanClassId> {
        let key = Key { info: std::ptr::from_ref(info).addr(), size_class };
        self.find(space, key).or_else(|| self.make(space, info, key))
    }

    fn find(&self, space: &Space, key: Key) -> Option<SpanClassId> {
        let guard = epoch::pin();
        // ORDERING: pairs with the release store in `make`: a table is read after it was filled.
        let map = self.map.load(Ordering::Acquire, &guard);
        // SAFETY: `map` is never null, and what it points to is not reclaimed while `guard` lives.
        unsafe { map.deref() }.find(space, key)
    }

    #[cold]
    fn make(&self, space: &Space, info: &'static TypeInfo, key: Key) -> Option<SpanClassId> {
        let _writer = self.writer.lock();
        if let Some(class) = self.find(space, key) {
            return Some(class); // somebody else was faster
        }
        let made = self.classes.load(Ordering::Relaxed) as usize;
        if made + 1 >= space.max_classes() {
            return None;
        }
        let class = SpanClassId(made as u32 + 1);
        space.class_info(class).set(info, key.size_class);
        let guard = epoch::pin();
        let map = self.map.load(Ordering::Relaxed, &guard);
        // SAFETY: never null, and only this thread, holding the lock, could retire it.
        let current = unsafe { map.deref() };
        if (made + 1) * 2 <= current.entries.len() {
            current.insert(key, class);
        } else {
            let longer = Map::with_len(current.entries.len() * 2);
            for number in 1..=made as u32 {
                let old = space.class_info(SpanClassId(number));
                let info = std::ptr::from_ref(old.info()).addr();
                longer.insert(Key { info, size_class: old.size_class() }, SpanClassId(number));
            }
            longer.insert(key, class);
            // ORDERING: pairs with the acquire load in `find`.
            self.map.store(Owned::new(longer), Ordering::Release);
            // SAFETY: `map` has just been replaced, so no reader that pins from now on can reach it.
            unsafe { guard.defer_destroy(map) };
        }
        // ORDERING: pairs with the acquire load in `count`.
        self.classes.store(class.0, Ordering::Release);
        Some(class)
    }

    /// The highest class number given so far.
    pub(crate) fn count(&self) -> u32 {
        // ORDERING: pairs with the release store in `make`: entries up to this number are written.
        self.classes.load(Ordering::Acquire)
    }

    /// The sets of a class.
    #[inline]
    pub(crate) fn central(&self, class: SpanClassId) -> &Central {
        self.central.at(class.index())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let map = std::mem::replace(&mut self.map, Atomic::null());
        // SAFETY: `&mut self`: no reader is left; the map is never null, so there is one to own.
        drop(unsafe { map.into_owned() });
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
