//! The real system: anonymous private mappings, given back with `madvise`.

use super::{Os, ReleaseError, Reservation, together};
use std::io;
use std::ops::Range;

/// Ranges of a short call where each is one of the system: some 30 us.
const ONE_BY_ONE: usize = 2;

/// The operating system this program runs on.
#[derive(Clone, Copy, Default, Debug)]
pub struct RealOs;

impl Os for RealOs {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        Reservation::map(len)
    }

    fn commit(&self, _: &Reservation, _: Range<usize>) -> io::Result<()> {
        Ok(()) // mapped readable and writable from the start; the system finds memory at the first touch
    }

    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { memory.discard(ranges) }
    }

    fn ranges_at_once(&self) -> usize {
        if together::is_possible() { usize::MAX } else { ONE_BY_ONE }
    }

    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        memory.advise_huge(range, wanted)
    }
}
