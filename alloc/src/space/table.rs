//! A table in a reservation of its own: indexed, never searched, only touched where used.
//!
//! Entries never move and are never dropped; they are made of atomics, so a shared reference is all anybody needs.

use crate::os::{self, Os, Reservation};
use std::io;
use std::mem::{align_of, size_of};
use std::ptr::NonNull;

/// Types whose value of all zero bytes is a valid, empty entry.
///
/// # Safety
/// Zero bytes are a valid value; there is no drop glue; nothing in it may be written except through atomics.
pub(crate) unsafe trait Zeroed: Sync {}

// SAFETY: an atomic number; zero is a number. (Not so under loom, where no table is ever made.)
unsafe impl Zeroed for greyset_sync::atomic::AtomicU8 {}
// SAFETY: as above.
unsafe impl Zeroed for greyset_sync::atomic::AtomicU32 {}

/// A power of two of entries, all zero at first.
///
/// # Invariants
/// `first` points to `mask + 1` entries of `T` (a power of two) inside `memory`, aligned, zero when made, and reached
/// through shared references only.
pub(crate) struct Table<T> {
    first: NonNull<T>,
    mask: usize,
    memory: Reservation,
}

// SAFETY: by `Zeroed`, `T` is `Sync` and only reached through shared references; the memory belongs to no thread.
unsafe impl<T: Zeroed> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroed> Sync for Table<T> {}

impl<T: Zeroed> Table<T> {
    /// Reserves a table of `entries`, rounded up to a power of two, at least a memory page of them.
    pub(crate) fn reserve(os: &dyn Os, entries: usize) -> io::Result<Table<T>> {
        const { assert!(align_of::<T>() <= 4096 && size_of::<T>() > 0) };
        let entries = entries.max(4096 / size_of::<T>()).next_power_of_two();
        let memory = os::reserve(os, entries * size_of::<T>())?;
        // Where the system gives huge pages unasked, a table of which little is used would take megabytes. Only a wish.
        let _ = os.advise_huge(&memory, 0..memory.len(), false);
        // INVARIANT: zero and aligned to 4 KiB by `Reservation` 1 and 2, and at least as long as asked for by `os::reserve`.
        Ok(Table { first: memory.start().cast(), mask: entries - 1, memory })
    }

    /// The entry at `index`, modulo the table's length: no index is out of bounds, so this is safe without a branch.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> &T {
        debug_assert!(index <= self.mask, "table index {index} above {}", self.mask);
        // SAFETY: masked, the index is inside (invariant), so the offset stays inside one allocation.
        let entry = unsafe { self.first.add(index & self.mask) };
        // SAFETY: the entry is valid as `T` (zero at first, only ever written as `T`'s atomics), shared, and lives as long
        // as `self` (invariant, `Zeroed`).
        unsafe { entry.as_ref() }
    }

    /// Pointer to the first entry, and the mask that keeps an index inside.
    pub(crate) fn parts(&self) -> (NonNull<T>, usize) {
        (self.first, self.mask)
    }

    /// The entries from `start` on.
    ///
    /// # Panics
    /// If they reach beyond the table.
    #[inline]
    pub(crate) fn slice(&self, start: usize, len: usize) -> &[T] {
        assert!(start <= self.entries() && len <= self.entries() - start, "table slice out of bounds");
        // SAFETY: inside by the assertion and the invariant.
        let first = unsafe { self.first.add(start) };
        // SAFETY: `len` entries from there are inside (assertion), valid and shared (invariant, `Zeroed`).
        unsafe { std::slice::from_raw_parts(first.as_ptr(), len) }
    }

    /// Number of entries.
    #[inline]
    pub(crate) fn entries(&self) -> usize {
        self.mask + 1
    }

    /// The memory it lies in.
    pub(crate) fn memory(&self) -> &Reservation {
        &self.memory
    }
}
