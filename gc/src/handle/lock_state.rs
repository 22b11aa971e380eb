//! The state word of a [`Lock`](crate::Lock): who may look at its contents, and in which cycle they were captured.
//!
//! | bits | field | meaning |
//! | --- | --- | --- |
//! | 0–9 | visitors | readers that cannot forget to leave: markers, assists, closures of `Lock::with` |
//! | 10–11 | kind | 0: no owner; 1: an owner reads; 2: an owner writes |
//! | 12–63 | stamp | the owner's window; meaningless without an owner |
//!
//! | transition | from | to |
//! | --- | --- | --- |
//! | [`try_visit`](LockState::try_visit) | owner none, reading, or writing and gone | one visitor more (and no owner, if gone) |
//! | [`leave`](LockState::leave) | a visitor | one visitor less |
//! | [`try_write`](LockState::try_write) | no visitor; owner none or gone | owner writes |
//! | [`unlock_write`](LockState::unlock_write) | own window writes | free |
//! | [`try_read`](LockState::try_read) | owner none or gone, or own window reads | own window reads, `depth` one more or 1 |
//! | [`unlock_read`](LockState::unlock_read) | own window reads | `depth` one less; no owner at 0 |
//!
//! An owner holds a guard, and a guard can be forgotten (`mem::forget`). But no guard outlives its window, so a lock whose
//! owner's window is over is free: whoever comes next takes it over. Visitors are counted without a name, which is why
//! only those who cannot forget may be visitors.
//!
//! What this type never does: wait, panic for the caller, or touch the contents.

use greyset_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use greyset_sync::{Point, point};

const VISITORS: u64 = (1 << 10) - 1;
const READS: u64 = 1 << 10;
const WRITES: u64 = 2 << 10;
const KIND: u64 = 3 << 10;
const STAMP_SHIFT: u32 = 12;

/// Identity of a window of a mutator.
///
/// 20 bits of the mutator's number, its *seat*, and 32 bits of the window's. No two attached mutators have the same seat
/// (`Mutators::attach`), so two windows that are open at once never share a stamp; all exclusion rests on that. A window can
/// share its stamp with one that is over: a guard forgotten there then counts as a guard of this one, for as long as it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp(u64);

impl Stamp {
    const MUTATOR_BITS: u32 = 20;

    /// The collector itself, which clears entries of `WeakMap`s under their locks. Always live.
    pub(crate) const COLLECTOR: Stamp = Stamp(0);

    /// Seats for mutators: seat 0 is the collector's.
    pub(crate) const SEATS: usize = (1 << Stamp::MUTATOR_BITS) - 1;

    /// What a stamp tells of the mutator with this number.
    #[inline]
    pub(crate) const fn seat(mutator: u32) -> u32 {
        mutator & Stamp::SEATS as u32
    }

    /// The stamp of a mutator's window.
    #[inline]
    pub(crate) fn new(mutator: u32, window: u32) -> Stamp {
        Stamp(u64::from(Stamp::seat(mutator)) << 32 | u64::from(window))
    }

    /// Can this be the stamp of a window of the mutator with this number?
    pub(crate) fn could_be_of(self, mutator: u32) -> bool {
        self.0 >> 32 == u64::from(Stamp::seat(mutator))
    }
}

/// Why a lock is not to be had now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Busy {
    /// The asking window holds it itself, in a way that excludes the new one: waiting would never end.
    Own,
    /// Somebody else does.
    Other,
}

/// State word, depth of an owner's reading, and the capture mark.
///
/// # Invariants
/// 1. While a window's guard for writing is in use the word says `WRITES` with its stamp and no visitors.
/// 2. While a visitor or a window's guard for reading is in use, the word does not say `WRITES`.
/// 3. `depth` is written by the owner only, after the transition that made it the owner.
#[derive(Debug)]
pub(crate) struct LockState {
    word: AtomicU64,
    depth: AtomicU32,
    /// Number of the cycle in which the contents were last captured, 0 for never. Written while the lock is held, read at
    /// any time.
    captured: AtomicU32,
}

impl LockState {
    /// Free, not captured.
    pub(crate) fn new() -> LockState {
        LockState { word: AtomicU64::new(0), depth: AtomicU32::new(0), captured: AtomicU32::new(0) }
    }

    /// Joins the visitors, unless somebody writes.
    pub(crate) fn try_visit(&self, is_live: impl Fn(Stamp) -> bool) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = match word & KIND {
                _ if word & VISITORS == VISITORS => return false,
                WRITES if is_live(stamp_of(word)) => return false,
                // A forgotten guard: nobody owns the lock, and (invariant 1) nobody visits it.
                WRITES => 1,
                _ => word + 1,
            };
            match self.change(word, next) {
                Ok(()) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Leaves the visitors. The caller has joined and not left yet.
    pub(crate) fn leave(&self) {
        // ORDERING: release pairs with the acquire in `change`: a later writer comes after all reading done here. The
        // visitors' changes are all read-modify-writes, so it comes after every one of them.
        let before = self.word.fetch_sub(1, Ordering::Release);
        debug_assert!(before & VISITORS != 0, "a visitor left that had not come");
    }

    /// Makes the window `own` the writing owner.
    pub(crate) fn try_write(&self, own: Stamp, is_live: impl Fn(Stamp) -> bool) -> Result<(), Busy> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word & KIND != 0 {
                let owner = stamp_of(word);
                if owner == own {
                    return Err(Busy::Own);
                }
                if is_live(owner) {
                    return Err(Busy::Other);
                }
            }
            if word & VISITORS != 0 {
                return Err(Busy::Other);
            }
            match self.change(word, own.0 << STAMP_SHIFT | WRITES) {
                Ok(()) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// Is this window the writing owner?
    pub(crate) fn is_written_by(&self, own: Stamp) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word & KIND == WRITES && stamp_of(word) == own
    }

    /// Gives up writing. The caller is the writing owner.
    pub(crate) fn unlock_write(&self) {
        // ORDERING: release pairs with the acquire in `change`: whoever comes next sees what was written.
        self.word.store(0, Ordering::Release);
    }

    /// Makes the window `own` the reading owner, or lets it read once more.
    pub(crate) fn try_read(&self, own: Stamp, is_live: impl Fn(Stamp) -> bool) -> Result<(), Busy> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let visitors = match word & KIND {
                0 => word & VISITORS,
                kind if stamp_of(word) == own => {
                    return if kind == READS && self.deepen() { Ok(()) } else { Err(Busy::Own) };
                }
                _ if is_live(stamp_of(word)) => return Err(Busy::Other),
                // A forgotten guard.
                _ => word & VISITORS,
            };
            match self.change(word, own.0 << STAMP_SHIFT | READS | visitors) {
                Ok(()) => {
                    self.depth.store(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(now) => word = now,
            }
        }
    }

    /// Gives up one reading. The caller is the reading owner.
    pub(crate) fn unlock_read(&self) {
        let depth = self.depth.load(Ordering::Relaxed) - 1;
        self.depth.store(depth, Ordering::Relaxed);
        if depth == 0 {
            // ORDERING: release pairs with the acquire in `change`: a later writer comes after what was read here.
            self.word.fetch_and(VISITORS, Ordering::Release);
        }
    }

    /// Were the contents captured in this cycle? Anybody may ask.
    pub(crate) fn is_captured(&self, cycle: u32) -> bool {
        // ORDERING: acquire pairs with the release in `set_captured`: what was shaded comes before what follows from it.
        self.captured.load(Ordering::Acquire) == cycle
    }

    /// The contents have been captured in this cycle. The caller holds the lock in some way.
    pub(crate) fn set_captured(&self, cycle: u32) {
        // ORDERING: release pairs with the acquire in `is_captured`. Visitors may race here, all with one number.
        self.captured.store(cycle, Ordering::Release);
    }

    /// One more reading by the owner; false at the end of the counter's range.
    fn deepen(&self) -> bool {
        match self.depth.load(Ordering::Relaxed).checked_add(1) {
            Some(depth) => {
                self.depth.store(depth, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// The one way into the lock.
    fn change(&self, from: u64, to: u64) -> Result<(), u64> {
        // ORDERING: acquire pairs with the releases in `leave`, `unlock_write` and `unlock_read`. An owner that is gone has
        // not released; there `is_live` has acquired what it did.
        let swap = self.word.compare_exchange_weak(from, to, Ordering::Acquire, Ordering::Relaxed);
        swap.map(drop)
    }
}

/// Gives up writing when dropped, also by a panic. Made by the writing owner.
pub(crate) struct Unlock<'a>(pub(crate) &'a LockState);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        point(Point::LockRelease);
        self.0.unlock_write();
    }
}

/// Leaves the visitors when dropped, also by a panic. Made by a visitor.
pub(crate) struct Leave<'a>(pub(crate) &'a LockState);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

fn stamp_of(word: u64) -> Stamp {
    Stamp(word >> STAMP_SHIFT)
}

#[cfg(all(test, loom))]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LIVE: fn(Stamp) -> bool = |_| true;
    const GONE: fn(Stamp) -> bool = |_| false;

    fn stamps() -> (Stamp, Stamp) {
        (Stamp::new(1, 7), Stamp::new(2, 7))
    }

    #[test]
    fn stamp_fits_beside_the_rest() {
        let top = Stamp::new(u32::MAX, u32::MAX);
        assert_eq!(stamp_of(top.0 << STAMP_SHIFT | WRITES | VISITORS), top);
        assert!(top.could_be_of(u32::MAX) && top.could_be_of((1 << 20) - 1) && !top.could_be_of(1));
    }

    #[test]
    fn writer_excludes_everybody() {
        let (a, b) = stamps();
        let state = LockState::new();
        assert_eq!(state.try_write(a, LIVE), Ok(()));
        assert_eq!(state.try_write(a, LIVE), Err(Busy::Own));
        assert_eq!(state.try_write(b, LIVE), Err(Busy::Other));
        assert_eq!(state.try_read(a, LIVE), Err(Busy::Own));
        assert_eq!(state.try_read(b, LIVE), Err(Busy::Other));
        assert!(!state.try_visit(LIVE));
        state.unlock_write();
        assert!(state.try_visit(LIVE));
    }

    #[test]
    fn visitors_share_with_a_reading_owner() {
        let (a, b) = stamps();
        let state = LockState::new();
        assert!(state.try_visit(LIVE));
        assert_eq!(state.try_read(a, LIVE), Ok(()));
        assert!(state.try_visit(LIVE));
        assert_eq!(state.try_write(b, LIVE), Err(Busy::Other));
        state.leave();
        state.leave();
        assert_eq!(state.try_write(b, LIVE), Err(Busy::Other));
        state.unlock_read();
        assert_eq!(state.try_write(b, LIVE), Ok(()));
    }

    #[test]
    fn owner_reads_again_and_again() {
        let (a, b) = stamps();
        let state = LockState::new();
        assert_eq!(state.try_read(a, LIVE), Ok(()));
        assert_eq!(state.try_read(a, LIVE), Ok(()));
        assert_eq!(state.try_write(a, LIVE), Err(Busy::Own));
        assert_eq!(state.try_read(b, LIVE), Err(Busy::Other));
        state.unlock_read();
        assert_eq!(state.try_read(b, LIVE), Err(Busy::Other));
        state.unlock_read();
        assert_eq!(state.try_read(b, LIVE), Ok(()));
    }

    #[test]
    fn forgotten_guards_are_taken_over() {
        let (a, b) = stamps();
        let state = LockState::new();
        assert_eq!(state.try_write(a, LIVE), Ok(()));
        assert!(state.try_visit(GONE));
        assert_eq!(state.try_write(b, GONE), Err(Busy::Other), "the visitor is real");
        state.leave();
        assert_eq!(state.try_read(a, LIVE), Ok(()));
        assert_eq!(state.try_read(a, LIVE), Ok(()));
        assert_eq!(state.try_read(b, GONE), Ok(()));
        state.unlock_read();
        assert_eq!(state.try_write(a, LIVE), Ok(()));
        assert_eq!(state.try_write(b, GONE), Ok(()));
    }

    #[test]
    fn visitors_are_bounded() {
        let state = LockState::new();
        for _ in 0..VISITORS {
            assert!(state.try_visit(LIVE));
        }
        assert!(!state.try_visit(LIVE));
        state.leave();
        assert!(state.try_visit(LIVE));
    }

    #[test]
    fn capture_is_of_one_cycle() {
        let state = LockState::new();
        assert!(!state.is_captured(1));
        state.set_captured(1);
        assert!(state.is_captured(1) && !state.is_captured(2));
    }
}
