//! Entry tables: where `Root` and `Weak` handles keep the address they stand for.
//!
//! Entries live in chunks that never move and never go away before the heap does. An entry is free, in use, or *listed*:
//! its handle was dropped, by any thread, and it waits on a lock-free list until somebody frees it in a batch. For roots
//! the protocol says when that may be: at Prepare before the flip, or under the cycle lock while the phase is Idle; until
//! then a listed entry is still a root. Weak entries may be freed at any time.
//!
//! # Invariants
//! 1. A chunk, once made, stays where it is until the table is dropped.
//! 2. An entry's `next` is written only by the thread that lists it and read only by the thread that has taken the list, or what was left
//!    of it (`Free::taken`).
//! 3. The handle that owns an entry is dropped at most once, so an entry is listed at most once before it is freed.

use greyset_sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use greyset_sync::{Mutex, Point, Rank, point, tiny, told};
use std::ptr::{self, NonNull};

/// Entries a chunk.
pub(crate) const CHUNK: usize = 256;

/// One entry: an address (0 when free) and the link of the list of dropped entries.
pub(crate) struct Entry {
    addr: AtomicUsize,
    next: AtomicPtr<Entry>,
}

impl Entry {
    fn new() -> Entry {
        Entry { addr: AtomicUsize::new(0), next: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The address, 0 when free or cleared.
    #[inline]
    pub(crate) fn load(&self) -> usize {
        // ORDERING: pairs with the release in `store` and `replace`: the object is initialised before its address is seen.
        self.addr.load(Ordering::Acquire)
    }

    /// Fills the entry.
    #[inline]
    pub(crate) fn store(&self, addr: usize) {
        // ORDERING: pairs with the acquire in `load`.
        self.addr.store(addr, Ordering::Release);
    }

    /// Clears the entry if it still holds `addr`.
    pub(crate) fn clear_if(&self, addr: usize) -> bool {
        // ORDERING: acquire-release, pairs with `load` and `store`: a target stored meanwhile is not lost.
        self.addr.compare_exchange(addr, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// A borrowed entry of a table that the holder keeps alive.
#[derive(Clone, Copy)]
pub(crate) struct EntryRef(NonNull<Entry>);

// SAFETY: an entry is two atomics in a chunk that never moves (invariant 1); sharing it between threads is what it is for.
unsafe impl Send for EntryRef {}
// SAFETY: as for `Send`.
unsafe impl Sync for EntryRef {}

impl EntryRef {
    /// The entry.
    #[inline]
    pub(crate) fn get(&self) -> &Entry {
        // SAFETY: chunks live as long as their table (invariant 1), and every holder of an `EntryRef` keeps the heap that
        // owns the table alive, at least while it looks (`Weak`).
        unsafe { self.0.as_ref() }
    }
}

/// A chunk, owned by its table through a pointer so that entries may be shared while the list of chunks grows.
struct Chunk(NonNull<[Entry]>);

// SAFETY: a chunk is a row of atomics; only the table frees it, when nobody can hold an entry any more.
unsafe impl Send for Chunk {}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` in `new_chunk` and is freed only here, with the table; holders of
        // entries keep the table alive.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

struct Free {
    entries: Vec<EntryRef>,
    /// Listed entries that were taken from the list and are not freed yet.
    taken: *mut Entry,
}

// SAFETY: what `taken` leads to are entries, which may be shared (see `EntryRef`), of the table that owns this.
unsafe impl Send for Free {}

/// Clears an entry that was taken from a list; the next one in it.
fn clear(entry: NonNull<Entry>) -> *mut Entry {
    let entry = EntryRef(entry);
    told(|| format!("frees an entry that holds {:#x}", entry.get().load()));
    let next = entry.get().next.load(Ordering::Relaxed);
    entry.get().store(0);
    next
}

/// Chunks of entries, those that are free, and the list of dropped ones.
pub(crate) struct EntryTable {
    chunks: Mutex<Vec<Chunk>>,
    /// How many chunks there are, for who wants no more than that.
    count: AtomicUsize,
    free: Mutex<Free>,
    dropped: AtomicPtr<Entry>,
    /// Whether anything is taken and not freed yet.
    left: AtomicBool,
    in_use: AtomicUsize,
}

impl EntryTable {
    /// A table without chunks.
    pub(crate) fn new() -> EntryTable {
        EntryTable {
            chunks: Mutex::new(Rank::Roots, Vec::new()),
            count: AtomicUsize::new(0),
            free: Mutex::new(Rank::Roots, Free { entries: Vec::new(), taken: ptr::null_mut() }),
            dropped: AtomicPtr::new(ptr::null_mut()),
            left: AtomicBool::new(false),
            in_use: AtomicUsize::new(0),
        }
    }

    /// Takes up to `wanted` entries that are free now, at least one; a new chunk is made only when none is.
    pub(crate) fn take(&self, wanted: usize, into: &mut Vec<EntryRef>) {
        let mut free = self.free.lock();
        if free.entries.is_empty() {
            drop(free);
            let fresh = self.new_chunk();
            free = self.free.lock();
            free.entries.extend(fresh);
        }
        let keep = free.entries.len().saturating_sub(wanted);
        let before = into.len();
        into.extend(free.entries.drain(keep..));
        self.in_use.fetch_add(into.len() - before, Ordering::Relaxed);
    }

    /// One entry.
    pub(crate) fn take_one(&self) -> EntryRef {
        let mut one = Vec::with_capacity(1);
        loop {
            self.take(1, &mut one);
            if let Some(entry) = one.pop() {
                return entry;
            }
        }
    }

    /// Gives entries back that were never filled.
    pub(crate) fn give_back(&self, entries: &mut Vec<EntryRef>) {
        self.in_use.fetch_sub(entries.len(), Ordering::Relaxed);
        self.free.lock().entries.append(entries);
    }

    fn new_chunk(&self) -> Vec<EntryRef> {
        let chunk: Box<[Entry]> = (0..tiny(CHUNK, 4)).map(|_| Entry::new()).collect();
        let chunk = Chunk(NonNull::from(Box::leak(chunk)));
        // SAFETY: just made, and only the table frees it.
        let entries = unsafe { chunk.0.as_ref() };
        let fresh = entries.iter().rev().map(|entry| EntryRef(NonNull::from(entry))).collect();
        self.chunks.lock().push(chunk);
        self.count.fetch_add(1, Ordering::Relaxed);
        fresh
    }

    /// Whether a free entry is at hand without a new chunk.
    pub(crate) fn has_free(&self) -> bool {
        !self.free.lock().entries.is_empty()
    }

    /// Lists a dropped entry: no barrier, no clearing; lock-free, on any thread.
    pub(crate) fn list(&self, entry: EntryRef) {
        point(Point::RootDrop);
        let mut head = self.dropped.load(Ordering::Relaxed);
        loop {
            entry.get().next.store(head, Ordering::Relaxed);
            point(Point::RootDrop);
            // ORDERING: release pairs with the acquire in `free_listed` and `free_some`: `next` is visible to who takes the list.
            let swap = self.dropped.compare_exchange_weak(
                head,
                entry.0.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return told(|| format!("lists a dropped root of {:#x}", entry.get().load())),
                Err(now) => head = now,
            }
        }
    }

    /// Whether entries wait to be freed.
    pub(crate) fn any_listed(&self) -> bool {
        !self.dropped.load(Ordering::Relaxed).is_null() || self.left.load(Ordering::Relaxed)
    }

    /// Frees all listed entries; returns how many. The caller keeps the rule of the table about when. Who takes entries meanwhile
    /// does not wait for the walk over them.
    pub(crate) fn free_listed(&self) -> usize {
        point(Point::RootFree);
        let left = {
            let mut free = self.free.lock();
            self.left.store(false, Ordering::Relaxed);
            std::mem::replace(&mut free.taken, ptr::null_mut())
        };
        // ORDERING: acquire pairs with the release in `list`.
        let listed = self.dropped.swap(ptr::null_mut(), Ordering::Acquire);
        let mut freed = Vec::new();
        for mut head in [left, listed] {
            while let Some(entry) = NonNull::new(head) {
                head = clear(entry);
                freed.push(EntryRef(entry));
            }
        }
        let count = freed.len();
        self.in_use.fetch_sub(count, Ordering::Relaxed);
        self.free.lock().entries.append(&mut freed);
        count
    }

    /// Frees at most `limit` entries, a few, of those that were listed when the last such call had freed all; returns how many. The caller
    /// keeps the rule of the table about when.
    pub(crate) fn free_some(&self, limit: usize) -> usize {
        point(Point::RootFree);
        let mut free = self.free.lock();
        if free.taken.is_null() {
            // ORDERING: acquire pairs with the release in `list`.
            free.taken = self.dropped.swap(ptr::null_mut(), Ordering::Acquire);
        }
        let mut count = 0;
        while count < limit
            && let Some(entry) = NonNull::new(free.taken)
        {
            free.taken = clear(entry);
            free.entries.push(EntryRef(entry));
            count += 1;
        }
        self.left.store(!free.taken.is_null(), Ordering::Relaxed);
        self.in_use.fetch_sub(count, Ordering::Relaxed);
        count
    }

    /// Number of chunks now; a later chunk has a higher number.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.lock().len()
    }

    /// Calls `f` for each entry of chunk `index` that is not free; false when there is no such chunk.
    pub(crate) fn for_each_in(&self, index: usize, mut f: impl FnMut(&Entry, usize)) -> bool {
        let chunk: NonNull<[Entry]> = {
            let chunks = self.chunks.lock();
            match chunks.get(index) {
                Some(chunk) => chunk.0,
                None => return false,
            }
        };
        // SAFETY: the chunk never moves nor goes away while `self` is borrowed (invariant 1); entries are atomics.
        for entry in unsafe { chunk.as_ref() } {
            let addr = entry.load();
            if addr != 0 {
                f(entry, addr);
            }
        }
        true
    }

    /// Entries filled or handed to mutators.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes of all chunks.
    pub(crate) fn bytes(&self) -> usize {
        self.count.load(Ordering::Relaxed) * CHUNK * size_of::<Entry>()
    }
}

#[cfg(all(test, loom))]
#[path = "table_loom.rs"]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn listed_entries_stay_filled_until_freed() {
        let table = EntryTable::new();
        let entry = table.take_one();
        entry.get().store(0x40);
        table.list(entry);
        assert_eq!(entry.get().load(), 0x40);
        assert_eq!(table.free_listed(), 1);
        assert_eq!(entry.get().load(), 0);
        assert_eq!(table.in_use(), 0);
    }

    #[test]
    fn a_few_are_freed_and_the_rest_is_not_forgotten() {
        let table = EntryTable::new();
        let mut taken = Vec::new();
        table.take(5, &mut taken);
        taken.iter().for_each(|entry| table.list(*entry));
        assert_eq!((table.free_some(2), table.in_use(), table.any_listed()), (2, 3, true));
        // One of those freed is used and listed again, behind the three that are left.
        let again = table.take_one();
        again.get().store(0x40);
        table.list(again);
        assert_eq!((table.free_some(3), again.get().load(), table.any_listed()), (3, 0x40, true));
        assert_eq!((table.free_listed(), again.get().load(), table.any_listed()), (1, 0, false));
        table.list(table.take_one());
        table.list(table.take_one());
        assert_eq!(table.free_some(1), 1);
        table.list(table.take_one());
        assert_eq!((table.free_listed(), table.in_use(), table.any_listed()), (2, 0, false));
    }

    #[test]
    fn freed_entries_are_used_again_before_a_new_chunk() {
        let table = EntryTable::new();
        let mut taken = Vec::new();
        table.take(CHUNK, &mut taken);
        assert_eq!((taken.len(), table.chunks()), (CHUNK, 1));
        for entry in taken.drain(..) {
            entry.get().store(8);
            table.list(entry);
        }
        assert_eq!(table.free_listed(), CHUNK);
        table.take(CHUNK, &mut taken);
        assert_eq!((taken.len(), table.chunks()), (CHUNK, 1));
    }

    #[test]
    fn every_filled_entry_is_visited_once() {
        let table = EntryTable::new();
        for i in 1..=CHUNK + 3 {
            table.take_one().get().store(i);
        }
        let mut seen = Vec::new();
        let mut chunk = 0;
        while table.for_each_in(chunk, |_, addr| seen.push(addr)) {
            chunk += 1;
        }
        seen.sort_unstable();
        assert_eq!(seen, (1..=CHUNK + 3).collect::<Vec<_>>());
    }

    #[test]
    fn clearing_spares_a_target_stored_meanwhile() {
        let table = EntryTable::new();
        let entry = table.take_one();
        entry.get().store(16);
        entry.get().store(32);
        assert!(!entry.get().clear_if(16));
        assert_eq!(entry.get().load(), 32);
        assert!(entry.get().clear_if(32));
        assert_eq!(entry.get().load(), 0);
    }
}
