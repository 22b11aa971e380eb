//! The operating system as the allocator sees it: reserve, commit, release, advise.
//!
//! One trait, [`Os`], with a real implementation ([`RealOs`]) and one for tests that counts calls and fails on demand
//! ([`FakeOs`]). Nothing else in the crate asks the system for memory that objects live in. Never knows what a page is
//! used for.

mod fake;
mod memory;
mod real;
mod together;

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

    /// Gives the memory behind `ranges` back, as far as it is whole pages of the system; what was in it is lost.
    ///
    /// # Errors
    /// When the system refuses one of them; that and those after it then count as committed still.
    ///
    /// # Safety
    /// Nobody reads or writes the ranges during the call, and nobody relies on what is in them.
    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError>;

    /// How many ranges a call of [`Os::release`] is to have at most that must not last long: few where each is a call of the system.
    fn ranges_at_once(&self) -> usize {
        usize::MAX
    }

    /// Asks for huge pages in `range`, or for none.
    ///
    /// # Errors
    /// When the system has no such thing; huge pages are a wish, so the caller only takes note.
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()>;
}

/// The system has refused to take memory back.
#[derive(Debug)]
pub struct ReleaseError {
    /// How many of the ranges, in their order, it had taken before.
    pub released: usize,
    /// What it said.
    pub source: io::Error,
}

impl<T: Os + ?Sized> Os for Arc<T> {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        (**self).reserve(len)
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        (**self).commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { (**self).release(memory, ranges) }
    }
    fn ranges_at_once(&self) -> usize {
        (**self).ranges_at_once()
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

    /// Gives the memory behind `ranges` back to the system, as far as it is whole pages of the system; what was in it is lost.
    ///
    /// Of a mapping many ranges are one call where the system has such a one: what a call costs is for the most part that all
    /// processors forget their addresses, which is then done once.
    ///
    /// # Errors
    /// What the system says; `InvalidInput` when a range lies outside. The ranges before it are gone.
    ///
    /// # Safety
    /// As for [`Os::release`].
    pub unsafe fn discard(&self, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        let inside = |range: &Range<usize>| range.start <= range.end && range.end <= self.len;
        let valid = ranges.iter().take_while(|range| inside(range)).count();
        match &self.backing {
            Backing::Mapped(raw) => {
                // SAFETY: these ranges lie inside, and by the caller's promise nobody misses their contents.
                unsafe { self.unmap(raw, &ranges[..valid]) }?;
            }
            Backing::Allocated(_) | Backing::Lent(_) => {
                for range in &ranges[..valid] {
                    // SAFETY: inside by the check above and invariant 1.
                    let first = unsafe { self.start.as_ptr().add(range.start) };
                    // SAFETY: inside likewise; by the caller's promise nobody else uses the range now.
                    unsafe { first.write_bytes(0, range.len()) };
                }
            }
        }
        match valid == ranges.len() {
            true => Ok(()),
            false => Err(ReleaseError { released: valid, source: io::ErrorKind::InvalidInput.into() }),
        }
    }

    /// Gives back what lies behind ranges of a mapping.
    ///
    /// # Safety
    /// The ranges lie inside, and nobody uses what is in them, now or later.
    unsafe fn unmap(&self, raw: &MmapRaw, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        let address = self.start.addr().get();
        let whole = |range: &Range<usize>| {
            let first = (address + range.start).next_multiple_of(SYSTEM_PAGE) - address;
            let end = (address + range.end) / SYSTEM_PAGE * SYSTEM_PAGE - address;
            first..end.max(first)
        };
        let mut done = 0;
        while done < ranges.len() {
            let rest = ranges[done..].iter().map(whole);
            // SAFETY: parts of the ranges, which begin and end with pages of the system; the caller's promise.
            done += unsafe { together::discard(self.start.as_ptr(), rest) };
            let Some(range) = ranges.get(done).map(whole) else { break };
            if !range.is_empty() {
                // SAFETY: as above: the call does not widen the range.
                unsafe { raw.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) }
                    .map_err(|source| ReleaseError { released: done, source })?;
            }
            done += 1;
        }
        Ok(())
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PAGE: usize = 8192;

    /// The byte at `at`.
    fn byte(memory: &Reservation, at: usize) -> u8 {
        assert!(at < memory.len());
        // SAFETY: inside, checked just above.
        let byte = unsafe { memory.start().add(at) };
        // SAFETY: readable and written by invariant 1, and this test's alone.
        unsafe { byte.read() }
    }

    fn filled(memory: Reservation) -> Reservation {
        // SAFETY: all of it is ours by invariant 1.
        unsafe { memory.start().write_bytes(1, memory.len()) };
        memory
    }

    /// Every other of 200 pages is given back, with one call and more: those are zero, and the others as they were.
    #[test]
    fn ranges_given_back_are_zero_and_no_others() {
        let len = 200 * PAGE;
        for memory in [Reservation::map(len), Reservation::allocate(len)] {
            let memory = filled(memory.expect("memory"));
            let ranges: Vec<_> = (0..100).map(|at| 2 * at * PAGE..(2 * at + 1) * PAGE).collect();
            // SAFETY: nobody else knows of the memory.
            unsafe { memory.discard(&ranges) }.expect("the system takes it");
            for page in 0..200 {
                let ends = [page * PAGE, (page + 1) * PAGE - 1].map(|at| byte(&memory, at));
                assert_eq!(ends, [(page % 2) as u8; 2], "page {page}");
            }
        }
    }

    #[test]
    fn a_range_outside_ends_the_call() {
        let memory = filled(Reservation::map(4 * PAGE).expect("memory"));
        #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        for wrong in [3 * PAGE..5 * PAGE, PAGE..0, usize::MAX - PAGE..usize::MAX] {
            // SAFETY: nobody else knows of the memory.
            let error = unsafe { memory.discard(&[0..PAGE, wrong, 2 * PAGE..3 * PAGE]) };
            let error = error.expect_err("it is no range of this");
            assert_eq!((error.released, error.source.kind()), (1, io::ErrorKind::InvalidInput));
        }
        assert_eq!([0, PAGE, 2 * PAGE].map(|at| byte(&memory, at)), [0, 1, 1]);
    }

    /// Where the system has no call for many ranges they go one by one; a part of a page of the system stays.
    #[test]
    fn one_range_after_the_other_and_parts_of_pages() {
        let memory = filled(Reservation::map(8 * PAGE).expect("memory"));
        let Backing::Mapped(raw) = &memory.backing else { unreachable!("mapped just above") };
        for at in [0, 4] {
            // SAFETY: inside, and nobody else knows of the memory.
            unsafe { memory.unmap(raw, std::slice::from_ref(&(at * PAGE..(at + 1) * PAGE))) }
                .expect("the system takes it");
        }
        // SAFETY: as above.
        unsafe { memory.discard(&[2 * PAGE + 1..3 * PAGE, 5 * PAGE..5 * PAGE + 1]) }
            .expect("whole pages of it");
        let zero = |at: usize| byte(&memory, at) == 0;
        assert!(zero(0) && zero(5 * PAGE - 1) && !zero(PAGE) && !zero(2 * PAGE) && !zero(5 * PAGE));
        assert_eq!(zero(3 * PAGE - 1), SYSTEM_PAGE <= PAGE);
    }
}
