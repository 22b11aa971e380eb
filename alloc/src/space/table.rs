//! Tables that are indexed, never searched, and only touched where used; a heap's all in one reservation ([`Carver`]).
//!
//! Entries never move and are never dropped; they are made of atomics, so a shared reference is all anybody needs.

use crate::os::{self, Os, Reservation};
use std::io;
use std::mem::{align_of, size_of};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// Types whose value of all zero bytes is a valid, empty entry.
///
/// # Safety
/// Zero bytes are a valid value; there is no drop glue; nothing in it may be written except through atomics.
pub(crate) unsafe trait Zeroed: Sync {}

// SAFETY: an atomic number; zero is a number. (Not so under loom, where no table is ever made.)
unsafe impl Zeroed for greyset_sync::atomic::AtomicU8 {}
// SAFETY: as above.
unsafe impl Zeroed for greyset_sync::atomic::AtomicU32 {}

/// Tables begin at a multiple of this many bytes.
const ALIGN: usize = 4096;

/// A reservation from which tables are cut: a call of the system costs more than a small heap's whole tables.
///
/// # Invariants
/// 1. `used` is a multiple of [`ALIGN`], at most the length of `memory`.
/// 2. No table has a byte of `memory` from `used` on.
pub(crate) struct Carver {
    memory: Arc<Reservation>,
    used: usize,
}

impl Carver {
    /// Reserves room for tables of so many bytes together, the sum of their [`Table::size`]s.
    pub(crate) fn reserve(os: &dyn Os, bytes: usize) -> io::Result<Carver> {
        let memory = os::reserve(os, bytes)?;
        // Where the system gives huge pages unasked, a table of which little is used would take megabytes. Only a wish.
        let _ = os.advise_huge(&memory, 0..memory.len(), false);
        Ok(Carver { memory: Arc::new(memory), used: 0 })
    }

    /// A table of `entries`, rounded up as [`Table::size`] says.
    ///
    /// # Panics
    /// If it does not fit into what is left.
    pub(crate) fn carve<T: Zeroed>(&mut self, entries: usize) -> Table<T> {
        const { assert!(align_of::<T>() <= ALIGN && size_of::<T>() > 0) };
        let size = Table::<T>::size(entries);
        assert!(size <= self.memory.len() - self.used, "a table that was not reckoned with");
        // SAFETY: inside the reservation, by the assertion.
        let first = unsafe { self.memory.start().add(self.used) };
        self.used += size;
        // INVARIANT: inside (assertion), zero and aligned to 4 KiB by `Reservation` 1 and 2 and `Carver` 1, nobody else's by
        // `Carver` 2.
        Table {
            first: first.cast(),
            mask: Table::<T>::rounded(entries) - 1,
            memory: Arc::clone(&self.memory),
        }
    }
}

/// A power of two of entries, all zero at first.
///
/// # Invariants
/// `first` points to `mask + 1` entries of `T` (a power of two) inside `memory`, aligned, zero when made, and reached
/// through shared references only. No other table has any of these bytes.
pub(crate) struct Table<T> {
    first: NonNull<T>,
    mask: usize,
    memory: Arc<Reservation>,
}

// SAFETY: by `Zeroed`, `T` is `Sync` and only reached through shared references; the memory belongs to no thread.
unsafe impl<T: Zeroed> Send for Table<T> {}
// SAFETY: as above.
unsafe impl<T: Zeroed> Sync for Table<T> {}

impl<T> Table<T> {
    /// How many entries a table has of which so many are asked for: a power of two, at least a memory page of them.
    pub(crate) const fn rounded(entries: usize) -> usize {
        let least = ALIGN / size_of::<T>();
        if entries > least { entries.next_power_of_two() } else { least.next_power_of_two() }
    }

    /// Bytes of such a table, a multiple of [`ALIGN`].
    pub(crate) const fn size(entries: usize) -> usize {
        (Table::<T>::rounded(entries) * size_of::<T>()).next_multiple_of(ALIGN)
    }
}

impl<T: Zeroed> Table<T> {
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

    /// The reservation it lies in.
    pub(crate) fn memory(&self) -> &Reservation {
        &self.memory
    }

    /// Where in that these of its bytes are.
    ///
    /// # Panics
    /// If they reach beyond the table.
    pub(crate) fn place_of(&self, bytes: Range<usize>) -> Range<usize> {
        assert!(bytes.start <= bytes.end && bytes.end <= self.bytes(), "bytes out of the table's bounds");
        let lead = self.first.addr().get() - self.memory.start().addr().get();
        lead + bytes.start..lead + bytes.end
    }

    /// Bytes of its entries.
    pub(crate) fn bytes(&self) -> usize {
        self.entries() * size_of::<T>()
    }
}
