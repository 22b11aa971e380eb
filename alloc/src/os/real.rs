//! The real system: anonymous private mappings, given back with `madvise`.

use super::{Os, ReleaseError, Reservation};
use std::io;
use std::ops::Range;

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

    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        memory.advise_huge(range, wanted)
    }
}
