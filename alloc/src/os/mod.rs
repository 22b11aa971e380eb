//! The operating system as the allocator sees it: reserve, commit, release, advise.
//!
//! One trait, [`Os`], with a real implementation ([`RealOs`]) and one for tests that counts calls and fails on demand
//! ([`FakeOs`]). Nothing else in the crate asks the system for memory that objects live in. Never knows what a page is
//! used for.

mod fake;
mod memory;
mod real;

pub use fake::{Call, FakeOs};
pub use memory::physical_memory;
pub use real::RealOs;

use crate::asan;
use memmap2::{Advice, MmapOptions, MmapRaw, UncheckedAdvice};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::any::Any;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

/// What the allocator asks of the system. Ranges are in bytes from the start of the reservation, multiples of 4 KiB.
pub trait Os: Send + Sync {
    /// Reserves at least `len` bytes of zeroed, readable and writable address space that costs no memory until touched.
    ///
    /// # Errors
    /// Whatever the system says; the caller tries again with less.
    fn reserve(&self, len: usize) -> io::Result<Reservation>;

    /// Says that `range` is about to be used. The memory is mapped already; the call exists so that it can be refused.
    ///
    /// # Errors
    /// When the range must not be used now; the allocation that needs it fails.
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()>;

    /// Gives the memory behind `range` back, as far as it is whole pages of the system; what was in it is lost.
    ///
    /// # Errors
    /// When the system refuses; the memory then counts as committed still.
    ///
    /// # Safety
    /// Nobody reads or writes `range` during the call, and nobody relies on what is in it.
    unsafe fn release(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()>;

    /// Asks for huge pages in `range`, or for none.
    ///
    /// # Errors
    /// When the system has no such thing; huge pages are a wish, so the caller only takes note.
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()>;
}

impl<T: Os + ?Sized> Os for Arc<T> {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        (**self).reserve(len)
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        (**self).commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { (**self).release(memory, range) }
    }
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        (**self).advise_huge(memory, range, wanted)
    }
}

/// As [`Os::reserve`], and an error if the system gives less than that, which everything about addresses relies on.
pub(crate) fn reserve(os: &dyn Os, len: usize) -> io::Result<Reservation> {
    let memory = os.reserve(len)?;
    if memory.len() < len {
        let given = memory.len();
        return Err(io::Error::other(format!("{len} bytes of addresses asked of the system, {given} given")));
    }
    Ok(memory)
}

/// The largest page the system may have: what is given back must not reach into a neighbour's.
const SYSTEM_PAGE: usize = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };

/// Zeroed address space, given back to the system when dropped.
///
/// # Invariants
/// 1. `start` to `start + len` is one allocation, readable and writable, owned by this value, zero when made.
/// 2. It is aligned to 4 KiB or more.
pub struct Reservation {
    start: NonNull<u8>,
    len: usize,
    backing: Backing,
}

enum Backing {
    /// Anonymous private memory without swap reservation.
    Mapped(MmapRaw),
    /// The global allocator's, for tests and where nothing can be mapped.
    Allocated(Layout),
    /// Somebody else's, who has it back when this is dropped.
    Lent(#[allow(dead_code, reason = "for its drop")] Arc<dyn Any + Send + Sync>),
}

// SAFETY: a `Reservation` is the unique owner of plain memory (invariant 1) that belongs to no thread.
unsafe impl Send for Reservation {}
// SAFETY: shared references give out the address and length; what is done with the memory is the users' proof.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Maps `len` bytes.
    ///
    /// # Errors
    /// What the system says.
    pub fn map(len: usize) -> io::Result<Reservation> {
        let raw = MmapRaw::from(MmapOptions::new().len(len).no_reserve_swap().map_anon()?);
        let Some(start) = NonNull::new(raw.as_mut_ptr()) else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        // INVARIANT: 1 and 2, a fresh anonymous mapping is zero, page aligned and ours.
        Ok(Reservation { start, len, backing: Backing::Mapped(raw) })
    }

    /// Takes `len` zeroed bytes from the global allocator.
    ///
    /// # Errors
    /// `OutOfMemory` when it has none; `InvalidInput` when `len` is 0 or no length at all.
    pub fn allocate(len: usize) -> io::Result<Reservation> {
        let layout = Layout::from_size_align(len, 8192).map_err(|_| io::ErrorKind::InvalidInput)?;
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the layout's size is not 0, checked just above.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
        // INVARIANT: 1 and 2, zeroed, aligned to 8 KiB, ours.
        Ok(Reservation { start, len, backing: Backing::Allocated(layout) })
    }

    /// Memory that `owner` lends until this drops it: for a program that makes heaps by the million, where mapping anew would
    /// cost more than what is done with them.
    ///
    /// # Safety
    /// `start` to `start + len` is one allocation, readable, writable, zero and aligned to 4 KiB, and nobody uses it as long as
    /// `owner` is not dropped.
    #[doc(hidden)]
    pub unsafe fn lent(start: NonNull<u8>, len: usize, owner: Arc<dyn Any + Send + Sync>) -> Reservation {
        // INVARIANT: 1 and 2 are the caller's promise.
        Reservation { start, len, backing: Backing::Lent(owner) }
    }

    /// First byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.len
    }

    /// Gives the memory behind `range` back to the system, as far as it is whole pages of the system; what was in it is
    /// lost.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` when the range lies outside.
    ///
    /// # Safety
    /// As for [`Os::release`].
    pub unsafe fn discard(&self, range: Range<usize>) -> io::Result<()> {
        if range.start > range.end || range.end > self.len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match &self.backing {
            Backing::Mapped(raw) => {
                let address = self.start.addr().get();
                let first = (address + range.start).next_multiple_of(SYSTEM_PAGE) - address;
                let end = (address + range.end) / SYSTEM_PAGE * SYSTEM_PAGE - address;
                if first >= end {
                    return Ok(());
                }
                // SAFETY: the range lies inside the one checked above, and begins and ends with a page of the system, so
                // that the call does not widen it; by the caller's promise nobody misses its contents.
                unsafe { raw.unchecked_advise_range(UncheckedAdvice::DontNeed, first, end - first) }
            }
            Backing::Allocated(_) | Backing::Lent(_) => {
                // SAFETY: inside by the check above and invariant 1.
                let first = unsafe { self.start.as_ptr().add(range.start) };
                // SAFETY: inside likewise; by the caller's promise nobody else uses the range now.
                unsafe { first.write_bytes(0, range.len()) };
                Ok(())
            }
        }
    }

    /// Asks for huge pages in `range`, or for none.
    ///
    /// # Errors
    /// What the system says, for one that knows of huge pages; `Unsupported` otherwise.
    pub fn advise_huge(&self, range: Range<usize>, wanted: bool) -> io::Result<()> {
        match &self.backing {
            #[cfg(target_os = "linux")]
            Backing::Mapped(raw) => {
                let advice = if wanted { Advice::HugePage } else { Advice::NoHugePage };
                raw.advise_range(advice, range.start, range.len())
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Not what is mapped: the sanitizer forgets that with munmap, while unpoisoning writes an eighth of it to memory.
        if !matches!(self.backing, Backing::Mapped(_)) {
            asan::unpoison(self.start.as_ptr(), self.len);
        }
        if let Backing::Allocated(layout) = self.backing {
            // SAFETY: invariant 1, `start` came from `alloc_zeroed` with this very layout and is ours.
            unsafe { dealloc(self.start.as_ptr(), layout) };
        }
    }
}
