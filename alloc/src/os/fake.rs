//! A system for tests: counts calls, remembers nothing else, and fails the calls it is told to fail.

use super::{Os, ReleaseError, Reservation};
use greyset_sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::io;
use std::ops::Range;

/// The kinds of call an [`Os`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// [`Os::reserve`]
    Reserve,
    /// [`Os::commit`]
    Commit,
    /// [`Os::release`]: each range counts, and one that fails ends the call.
    GiveBack,
    /// [`Os::advise_huge`]
    AdviseHuge,
}

impl Call {
    /// All of them.
    pub const ALL: [Call; 4] = [Call::Reserve, Call::Commit, Call::GiveBack, Call::AdviseHuge];
}

/// A system on top of the real one (or of the global allocator) that fails on demand. Share it with the heap through an
/// `Arc` to look at its counters.
#[derive(Debug)]
pub struct FakeOs {
    made: [AtomicUsize; 4],
    /// Calls from `fail_from` (counted from 1) up to `fail_to` fail.
    fail_from: [AtomicUsize; 4],
    fail_to: [AtomicUsize; 4],
    /// Reservations above this many bytes fail.
    most: AtomicUsize,
    mapped: bool,
}

impl Default for FakeOs {
    fn default() -> Self {
        FakeOs::new()
    }
}

impl FakeOs {
    /// A system that maps real memory and never fails until told to.
    pub fn new() -> FakeOs {
        FakeOs::with_backing(true)
    }

    /// A system that takes its memory from the global allocator: for interpreters and sanitizers.
    pub fn allocated() -> FakeOs {
        FakeOs::with_backing(false)
    }

    fn with_backing(mapped: bool) -> FakeOs {
        let counters = || std::array::from_fn(|_| AtomicUsize::new(0));
        FakeOs {
            made: counters(),
            fail_from: counters(),
            fail_to: counters(),
            most: AtomicUsize::new(usize::MAX),
            mapped,
        }
    }

    /// The `nth` call of this kind from now on (1 is the next) fails, and only that.
    pub fn fail_nth(&self, kind: Call, nth: usize) {
        self.fail_row(kind, nth, 1);
    }

    /// `count` calls of this kind in a row fail, the first of them the `nth` from now on, and only those.
    pub fn fail_row(&self, kind: Call, nth: usize, count: usize) {
        let first = self.calls(kind) + nth;
        self.fail_from[kind as usize].store(first, Relaxed);
        self.fail_to[kind as usize].store(first + count - 1, Relaxed);
    }

    /// All calls of this kind fail from now on.
    pub fn fail_all(&self, kind: Call) {
        self.fail_from[kind as usize].store(self.calls(kind) + 1, Relaxed);
        self.fail_to[kind as usize].store(usize::MAX, Relaxed);
    }

    /// No call of this kind fails from now on.
    pub fn fail_none(&self, kind: Call) {
        self.fail_from[kind as usize].store(0, Relaxed);
        self.fail_to[kind as usize].store(0, Relaxed);
    }

    /// Reservations of more than `bytes` fail from now on.
    pub fn refuse_above(&self, bytes: usize) {
        self.most.store(bytes, Relaxed);
    }

    /// Calls of this kind so far, failed ones too.
    pub fn calls(&self, kind: Call) -> usize {
        self.made[kind as usize].load(Relaxed)
    }

    fn count(&self, kind: Call) -> io::Result<()> {
        let (made, at) = (self.made[kind as usize].fetch_add(1, Relaxed) + 1, kind as usize);
        if (self.fail_from[at].load(Relaxed)..=self.fail_to[at].load(Relaxed)).contains(&made) {
            return Err(io::Error::other(format!("{kind:?} refused by the fake system")));
        }
        Ok(())
    }
}

impl Os for FakeOs {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        self.count(Call::Reserve)?;
        if len > self.most.load(Relaxed) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if self.mapped { Reservation::map(len) } else { Reservation::allocate(len) }
    }

    fn commit(&self, _: &Reservation, _: Range<usize>) -> io::Result<()> {
        self.count(Call::Commit)
    }

    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        let mut refused = None;
        let taken = ranges.iter().take_while(|_| match self.count(Call::GiveBack) {
            Ok(()) => true,
            Err(source) => {
                refused = Some(source);
                false
            }
        });
        let released = taken.count();
        // SAFETY: the caller's promise is the one asked for.
        unsafe { memory.discard(&ranges[..released]) }?;
        match refused {
            Some(source) => Err(ReleaseError { released, source }),
            None => Ok(()),
        }
    }

    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        self.count(Call::AdviseHuge)?;
        memory.advise_huge(range, wanted)
    }
}
