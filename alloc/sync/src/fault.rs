//! Fault switches: each breaks one rule of the protocol, the allocator or the sweep, so that the simulator can show that it
//! would find the mistake.
//!
//! [`fault`] is `false`, a constant, unless feature `sim` is on and a scheduler has broken that rule on its thread: in
//! production every switch and what hangs on it is compiled away.

macro_rules! faults {
    ($($variant:ident $name:literal $what:literal $(harmless $why:literal)?;)*) => {
        /// A rule that can be broken.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = $what] $variant,)*
        }

        impl Fault {
            /// All of them, in the order of the protocol's text.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant),*];

            /// Name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name),* }
            }

            /// What it breaks.
            pub fn what(self) -> &'static str {
                match self { $(Fault::$variant => $what),* }
            }

            /// Why it does no harm, for the few that cannot be found because there is nothing to find.
            pub fn harmless(self) -> Option<&'static str> {
                match self { $(Fault::$variant => faults!(@why $($why)?)),* }
            }
        }
    };
    (@why $why:literal) => { Some($why) };
    (@why) => { None };
}

faults! {
    // Barrier and allocation.
    NoInsertionShade "no-insertion-shade" "mode Both does not shade the new value";
    NoOldShadeInBoth "no-old-shade-in-both" "mode Both does not shade the old value";
    NoDeletionShade "no-deletion-shade" "mode Deletion does not shade the old value";
    LoadThenStore "load-then-store" "a slot write while marking is a load and a store, not one swap";
    LoadThenStoreInBoth "load-then-store-in-both" "the same in mode Both only";
    LoadThenStoreInDeletion "load-then-store-in-deletion" "the same in mode Deletion only"
        harmless "the model's row 'load, then store, in mode Deletion, to fields only' is safe: root entries are never overwritten";
    ExchangeUnshaded "exchange-unshaded" "compare_exchange of a slot has no barrier";
    NewWhiteInDeletion "new-white-in-deletion" "new objects are white in mode Deletion";
    NewBlackInBoth "new-black-in-both" "new objects are black in mode Both";
    RunsNotRecoloured "runs-not-recoloured" "handshake 2 does not recolour the mutator's runs";
    ParkedRunsKept "parked-runs-kept" "handshake 2 leaves the runs of a parked mutator as they are";
    ParkedRunsLate "parked-runs-late" "handshakes leave the runs of a parked mutator, which recolours them when it unparks";
    BulkUnshaded "bulk-unshaded" "copying and filling an array shades nothing";
    InteriorUnresolved "interior-unresolved" "an address inside an object does not find its object";
    // Handshakes, phases, termination.
    OneHandshake "one-handshake" "mutators go from Off to Deletion in one handshake";
    TraceFromT1 "trace-from-t1" "tracing begins at T1, while root creation does not shade";
    NextBeforeT3 "next-before-t3" "the next cycle begins before all have answered handshake 3";
    NoRound "no-round" "marking ends without a termination round";
    OneCleanRound "one-clean-round" "one clean round ends marking";
    BlackThenQueue "black-then-queue" "one round; in Terminate objects turn black first and go to the queue then";
    AssistSilent "assist-silent" "marking work of an assist leaves the round clean";
    FullBufferSilent "full-buffer-silent" "pushing a full buffer leaves the round clean";
    LeafSilent "leaf-silent" "shading a leaf, which may be the key of an ephemeron, leaves the round clean";
    DecideBlind "decide-blind" "Decide does not look at the queue";
    PokeLost "poke-lost" "an upgrade of a leaf in Terminate is not told to Decide";
    AnswerKeepsBuffer "answer-keeps-buffer" "an answer does not hand the buffer over";
    ParkKeepsBuffer "park-keeps-buffer" "parking does not hand the buffer over";
    ParkForgetsWork "park-forgets-work" "parking forgets that the mutator has marked";
    DetachKeepsBuffer "detach-keeps-buffer" "neither detaching nor the parking before it hands the buffer over";
    DetachForgetsWork "detach-forgets-work" "detaching forgets that the mutator has marked";
    DetachSaysLate "detach-says-late" "detaching says that the mutator has marked only after it has left the list";
    AttachInOff "attach-in-off" "attaching takes mode Off whatever the phase";
    UnparkKeepsMode "unpark-keeps-mode" "unparking does not take over the mode the collector left";
    AnsweredForRunning "answered-for-running" "the collector answers for running mutators, too";
    MarkerIdleEarly "marker-idle-early" "a marker counts as idle while it holds grey objects";
    MarkerBusyLate "marker-busy-late" "a marker counts as busy only after it has taken work";
    LateBlind "late-blind" "a marker that comes late does not look whether tracing is open";
    LateTunedFirst "late-tuned-first" "a marker that comes late takes the colours over before it looks whether tracing is open";
    LateClose "late-close" "Decide counts who is busy before it closes tracing";
    // Roots and weak slots.
    DropUnshaded "drop-unshaded" "dropping a root clears its entry at once, unshaded, under the cycle lock";
    DropClearsFirst "drop-clears-first" "dropping a root clears its entry, then shades, under the cycle lock";
    DropBarrier "drop-barrier" "dropping a root shades, then clears, without the cycle lock";
    DropFlip "drop-flip" "the flip does not take the cycle lock: who frees listed root entries while Idle may sleep over it";
    RootsFreedAnyTime "roots-freed-any-time" "listed root entries are freed in every phase";
    RootsFreedAtT2 "roots-freed-at-t2" "listed root entries are freed at T2 instead of before the flip";
    UpgradeUnshaded "upgrade-unshaded" "a weak upgrade does not shade";
    UpgradeUnlocked "upgrade-unlocked" "a weak upgrade in Terminate shades without the lock and a second look";
    UpgradeNotAgain "upgrade-not-again" "a weak upgrade that finds Mark again takes marking for over and does not shade";
    UpgradeOnce "upgrade-once" "a weak upgrade that finds a black target does not look for it in its slot again";
    SweepBeforeT3 "sweep-before-t3" "sweeping opens before all have answered handshake 3";
    WeakClearedByStore "weak-cleared-by-store" "a weak slot is cleared by a plain store";
    WeakCopied "weak-copied" "a weak slot is copied without an upgrade";
    SweepBeforeClear "sweep-before-clear" "sweeping begins without phase Clear: weak slots keep dead targets";
    // Cells, ephemerons, finalizable objects.
    CellNotShadedOnLock "cell-not-shaded-on-lock" "a cell's contents are not shaded on lock in mode Both";
    CellNotShadedOnUnlock "cell-not-shaded-on-unlock" "a cell's contents are not shaded on unlock in mode Both";
    CellNotCaptured "cell-not-captured" "a cell's contents are not captured in mode Deletion";
    CellCapturedLate "cell-captured-late" "a cell's contents are captured on unlock instead of on lock in mode Deletion";
    CapturedTableUnregistered "captured-table-unregistered" "shading a cell's contents does not register the tables of ephemerons among them";
    CellCapturedInBoth "cell-captured-in-both" "a cell written in mode Both counts as captured";
    ForgottenGuardIgnored "forgotten-guard-ignored" "a guard forgotten in mode Both does not make the cycle keep everything";
    DeferredNotRetried "deferred-not-retried" "an object whose lock was taken is never scanned again";
    TracePanicIgnored "trace-panic-ignored" "a cycle goes on as if nothing were wrong when a trace has panicked";
    GivenUpUnseen "given-up-unseen" "in a cycle that is given up a weak handle gives no white object, and gives it later";
    EphemeronsOnce "ephemerons-once" "ephemerons are traced once and not run to a fixpoint";
    EphemeronsNotCleared "ephemerons-not-cleared" "entries of ephemerons with dead keys stay";
    MapInsertUnshaded "map-insert-unshaded" "inserting into a WeakMap in mode Both does not shade key and value";
    MapOldUnshaded "map-old-unshaded" "inserting into and removing from a WeakMap does not shade the old value";
    FinalizableNotMarked "finalizable-not-marked" "what a finalizable object reaches is not marked through";
    FinalizedEarly "finalized-early" "a finalizable object is delivered before all that it reaches is black";
    WeakClearedLate "weak-cleared-late" "weak slots are cleared after finalizable objects have been marked through";
    FinalizedTwice "finalized-twice" "a finalizable object stays registered when it is handed over";
    CleanupEarly "cleanup-early" "cleanups become due although their object has been handed to a finalizer queue";
    // Allocator and sweep.
    HandedOutUnswept "handed-out-unswept" "a span is handed out without being swept";
    RunNotReturned "run-not-returned" "a flush leaves what remains of a run coloured";
    NotFlushed "not-flushed" "handshake 3 does not flush the mutator's runs";
    DroppedTwice "dropped-twice" "drop glue runs twice";
    NeverDropped "never-dropped" "drop glue does not run";
    FreedBeforeGlue "freed-before-glue" "a span's dead slots are free before drop glue has run for them";
    SweepKeepsOne "sweep-keeps-one" "sweeping takes the first dead object of a span for alive";
    ReturnedNotAccounted "returned-not-accounted" "what a flush gives back is not taken off the account";
}

/// Whether this rule is broken here. Constant `false` in production.
#[cfg(not(feature = "sim"))]
#[inline(always)]
pub const fn fault(_: Fault) -> bool {
    false
}

/// Whether this rule is broken on this thread.
#[cfg(feature = "sim")]
#[inline]
pub fn fault(fault: Fault) -> bool {
    crate::sim::is_broken(fault)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_words_with_hyphens_and_differ() {
        let names: HashSet<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        assert!(
            names
                .iter()
                .all(|name| name.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()))
        );
    }

    #[test]
    fn nothing_is_broken_by_itself() {
        assert!(Fault::ALL.len() >= 36 && Fault::ALL.len() <= 128);
        assert!(Fault::ALL.iter().all(|&broken| !fault(broken)));
    }
}
