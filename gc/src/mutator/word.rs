//! The handshake word: one atomic word a mutator, through which it is asked and through which it parks.
//!
//! | bits | who sets | who clears |
//! | --- | --- | --- |
//! | `RUNNING` | the mutator, on unpark | the mutator, on park |
//! | `ASKED` | the collector, when it asks | the mutator when it has answered; the collector when it has answered in its stead |
//! | `STEP` | the mutator itself (inline driver, work is due at the next safepoint) | the mutator |
//! | `WORKED` | the mutator, on park: it marked since its last answer | whoever answers next |
//!
//! # Invariants
//! 1. While `ASKED` is set and `RUNNING` is set, only the mutator writes the word.
//! 2. A parked mutator (`RUNNING` clear) is answered for by a compare-and-swap that fails if the mutator has unparked
//!    meanwhile; unparking sees `ASKED` in the same word, so exactly one of the two answers.
//! 3. The mutator parks only when `ASKED` is clear (it answers first), so `ASKED` on a parked word was set after it
//!    parked.
//!
//! The word never says *what* is asked: that is the heap's current request, published before `ASKED` is set. Whoever is sent by
//! the word to answer has therefore acquired it: `is_asked`, `park` and `unpark` do, `poll` does not.

use greyset_sync::atomic::{AtomicU32, Ordering};
use greyset_sync::{Fault, fault};

const RUNNING: u32 = 1;
const ASKED: u32 = 2;
const STEP: u32 = 4;
const WORKED: u32 = 8;

/// The state word of a mutator.
#[derive(Debug)]
pub(crate) struct HandshakeWord(AtomicU32);

/// What the collector found when it asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Asked {
    /// The mutator runs and will answer at its next safepoint.
    Running,
    /// The mutator is parked: answer in its stead.
    Parked,
}

/// What a mutator found when it tried to park.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum ParkOutcome {
    /// It is parked.
    Parked,
    /// It has been asked meanwhile and must answer first.
    AnswerFirst,
}

/// What a mutator found when it unparked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) struct Unparked {
    /// A request is pending and nobody has answered it: the mutator must, before it opens a window.
    pub(crate) asked: bool,
    /// It had marked before it parked and no round has been answered since.
    pub(crate) worked: bool,
}

impl HandshakeWord {
    /// The word of a mutator that is parked and has not been asked.
    pub(crate) fn new() -> HandshakeWord {
        HandshakeWord(AtomicU32::new(0))
    }

    /// Whether the mutator has something to do at its safepoint: one relaxed load.
    #[inline(always)]
    pub(crate) fn poll(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (ASKED | STEP) != 0
    }

    /// Whether a request is pending.
    pub(crate) fn is_asked(&self) -> bool {
        // ORDERING: pairs with the release in `ask`: the request published before it is visible.
        self.0.load(Ordering::Acquire) & ASKED != 0
    }

    /// Whether the mutator is in a window, or was a moment ago.
    pub(crate) fn is_running(&self) -> bool {
        self.0.load(Ordering::Relaxed) & RUNNING != 0
    }

    /// Collector: sets `ASKED`.
    pub(crate) fn ask(&self) -> Asked {
        // ORDERING: release pairs with the acquire in `is_asked`, `park` and `unpark` (the request is visible to who answers);
        // acquire pairs with the release in `park` (what the mutator left is visible to the collector).
        let before = self.0.fetch_or(ASKED, Ordering::AcqRel);
        if before & RUNNING != 0 && !fault(Fault::AnsweredForRunning) {
            Asked::Running
        } else {
            Asked::Parked
        }
    }

    /// Mutator: it has answered.
    pub(crate) fn answered(&self) {
        // ORDERING: release pairs with the acquire in `is_answered`: what the answer did is visible to the collector.
        self.0.fetch_and(!(ASKED | WORKED), Ordering::Release);
    }

    /// Collector: whether the request has been answered.
    #[cfg(all(test, loom))]
    pub(crate) fn is_answered(&self) -> bool {
        // ORDERING: pairs with the release in `answered`.
        self.0.load(Ordering::Acquire) & ASKED == 0
    }

    /// Collector: whether the parked mutator did marking work since its last answer.
    pub(crate) fn parked_worked(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WORKED != 0
    }

    /// Collector: it has answered for a parked mutator. False: the mutator has unparked and answers itself.
    #[must_use]
    pub(crate) fn answer_parked(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & RUNNING != 0 && !fault(Fault::AnsweredForRunning) || word & ASKED == 0 {
                return false;
            }
            // ORDERING: release pairs with the acquire in `unpark`: mode and cache the collector left are visible.
            let swap =
                self.0.compare_exchange(word, word & (STEP | RUNNING), Ordering::Release, Ordering::Relaxed);
            match swap {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Mutator: leaves its window, if nothing is asked.
    pub(crate) fn park(&self, worked: bool) -> ParkOutcome {
        // ORDERING: acquire pairs with the release in `ask`: who finds that it is asked reads the request next.
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            if word & ASKED != 0 {
                return ParkOutcome::AnswerFirst;
            }
            let parked = (word & STEP) | if worked { WORKED } else { 0 };
            // ORDERING: release pairs with the acquire in `ask`: buffer, cache and mode are handed over. Acquire on failure: as in
            // the load above.
            match self.0.compare_exchange(word, parked, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return ParkOutcome::Parked,
                Err(now) => word = now,
            }
        }
    }

    /// Verifier: whether the mutator is parked. If so, it sees what was done before this when it unparks.
    pub(crate) fn is_parked(&self) -> bool {
        // ORDERING: a change of the word, if not of its value. Release pairs with the acquire in `unpark`, acquire with the
        // release in `park`.
        self.0.fetch_or(0, Ordering::AcqRel) & RUNNING == 0
    }

    /// Mutator: opens a window. Never waits.
    pub(crate) fn unpark(&self) -> Unparked {
        // ORDERING: acquire pairs with the release in `answer_parked`, in `ask` and in `is_parked`.
        let before = self.0.fetch_or(RUNNING, Ordering::AcqRel);
        Unparked { asked: before & ASKED != 0, worked: before & WORKED != 0 }
    }

    /// Mutator: work of the inline driver is due at the next safepoint.
    pub(crate) fn set_step(&self) {
        self.0.fetch_or(STEP, Ordering::Relaxed);
    }

    /// Mutator: takes the note that work is due.
    pub(crate) fn take_step(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STEP != 0 && self.0.fetch_and(!STEP, Ordering::Relaxed) & STEP != 0
    }
}

#[cfg(all(test, loom))]
#[path = "word_loom.rs"]
mod loom_tests;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_parked_mutator_is_answered_for_exactly_once() {
        let word = HandshakeWord::new();
        assert_eq!(word.ask(), Asked::Parked);
        assert!(word.answer_parked());
        assert!(!word.answer_parked());
        assert_eq!(word.unpark(), Unparked { asked: false, worked: false });
    }

    #[test]
    fn unparking_first_takes_the_answer_over() {
        let word = HandshakeWord::new();
        assert_eq!(word.ask(), Asked::Parked);
        assert!(word.unpark().asked);
        assert!(!word.answer_parked());
        assert_eq!(word.park(false), ParkOutcome::AnswerFirst);
        word.answered();
        assert_eq!(word.park(false), ParkOutcome::Parked);
    }

    #[test]
    fn work_before_parking_is_remembered_until_an_answer() {
        let word = HandshakeWord::new();
        let _ = word.unpark();
        assert_eq!(word.park(true), ParkOutcome::Parked);
        assert!(word.parked_worked());
        assert!(word.unpark().worked);
        assert_eq!(word.park(true), ParkOutcome::Parked);
        assert_eq!(word.ask(), Asked::Parked);
        assert!(word.answer_parked());
        assert!(!word.parked_worked());
    }

    #[test]
    fn polling_sees_requests_and_due_steps() {
        let word = HandshakeWord::new();
        let _ = word.unpark();
        assert!(!word.poll());
        word.set_step();
        assert!(word.poll());
        assert!(word.take_step());
        assert!(!word.take_step());
        assert_eq!(word.ask(), Asked::Running);
        assert!(word.poll());
        word.answered();
        assert!(!word.poll());
    }
}
