//! [`ZealReport`]: what the modes of a heap have done.

use crate::heap::{Heap, Shared};
use crate::zeal::ZealState;
use greyset_sync::atomic::Ordering::Relaxed;
use std::fmt;

/// What zeal has done in a heap so far. A mode that was not asked for has done nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ZealReport {
    /// The modes with the seed, as the variable that repeats them: `GREYSET_ZEAL=alloc:r7,seed:5`.
    pub variable: String,
    /// What random modes started from.
    pub seed: u64,
    /// Allocations seen, one by one: by `alloc`, `fail-alloc`, `oom-at` and `assist-all`.
    pub allocations: u64,
    /// Safepoints seen: by `every-safepoint`, `clear-weak-early` and `handles`.
    pub safepoints: u64,
    /// Cycles asked for: by `alloc`, `every-safepoint`, `continuous` and `clear-weak-early`. Those asked for while one was wanted already
    /// count, too, and become one.
    pub cycles_asked: u64,
    /// Steps cut short: `slices`.
    pub slices: u64,
    /// Phases before which others ran: `yield-before`.
    pub yields: u64,
    /// Marked heaps that were checked: `verify`.
    pub verifications: u64,
    /// Objects they held: `verify`.
    pub objects_verified: u64,
    /// Heaps that were checked as a whole when a cycle was over: `verify`.
    pub heaps_verified: u64,
    /// Times that this came to no result but for the re-mark, since mutators changed the tables all the time: `verify`.
    pub heaps_not_verified: u64,
    /// Spans of the heaps that were checked as a whole: `verify`.
    pub spans_verified: u64,
    /// Slots filled: `poison`.
    pub poisoned: u64,
    /// Slots looked at when they were handed out: `poison`.
    pub poison_checked: u64,
    /// Slots kept from reuse: `quarantine`.
    pub quarantined: u64,
    /// Of these, those that have been freed since: `quarantine`.
    pub quarantine_released: u64,
    /// Buffers handed over before they were full: `tiny-buffers`.
    pub small_buffers: u64,
    /// Segments that markers or mutators handed over, cut off from longer ones: `tiny-buffers`.
    pub segments_cut: u64,
    /// Times a marker shared: `steal-storm`; a few without it.
    pub shares: u64,
    /// Times a marker took from another one's deque: `steal-storm`; a few without it.
    pub steals: u64,
    /// Times a thread yielded: `jitter`.
    pub jitters: u64,
    /// Allocations made to fail: `fail-alloc` and `oom-at`.
    pub failed: u64,
    /// Assists left out: `no-assist`.
    pub assists_left_out: u64,
    /// Assists made for one allocation: `assist-all`.
    pub assists_added: u64,
    /// Weak handles cleared before phase Clear: `clear-weak-early`.
    pub weak_cleared: u64,
    /// Objects sent to their queues when the last mutator detached: `finalize-on-exit`.
    pub finalized: u64,
    /// Roots and weak handles checked: `handles`; and uses of handles checked: `quarantine`.
    pub handles_checked: u64,
    /// Slot writes noted: `blame`.
    pub writes_noted: u64,
}

impl Heap {
    /// What zeal has done so far; `None` without zeal. Cheap; any time, any thread.
    pub fn zeal(&self) -> Option<ZealReport> {
        report(self.owner().shared())
    }
}

fn report(shared: &Shared) -> Option<ZealReport> {
    let variable = shared.zeal_text()?;
    let ZealState { seed, done, .. } = &shared.zeal;
    let memory = shared.alloc.zeal_counts();
    Some(ZealReport {
        variable,
        seed: *seed,
        allocations: done.allocations.load(Relaxed),
        safepoints: done.safepoints.load(Relaxed),
        cycles_asked: done.cycles_asked.load(Relaxed),
        slices: done.slices.load(Relaxed),
        yields: done.yields.load(Relaxed),
        verifications: done.verifications.load(Relaxed),
        objects_verified: done.objects_verified.load(Relaxed),
        heaps_verified: done.heaps_verified.load(Relaxed),
        heaps_not_verified: done.heaps_not_verified.load(Relaxed),
        spans_verified: done.spans_verified.load(Relaxed),
        poisoned: memory.poisoned,
        poison_checked: memory.poison_checked,
        quarantined: memory.quarantined,
        quarantine_released: memory.released,
        small_buffers: done.small_buffers.load(Relaxed),
        segments_cut: shared.queue.cuts(),
        shares: shared.queue.shares(),
        steals: shared.queue.steals(),
        jitters: done.jitters.load(Relaxed),
        failed: done.failed.load(Relaxed),
        assists_left_out: done.assists_left_out.load(Relaxed),
        assists_added: done.assists_added.load(Relaxed),
        weak_cleared: done.weak_cleared.load(Relaxed),
        finalized: done.finalized.load(Relaxed),
        handles_checked: done.handles_checked.load(Relaxed),
        writes_noted: done.writes_noted.load(Relaxed),
    })
}

/// One line a count that is not 0, for a person to read.
impl fmt::Display for ZealReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.variable)?;
        let counts = [
            ("allocations seen", self.allocations),
            ("safepoints seen", self.safepoints),
            ("cycles asked for", self.cycles_asked),
            ("steps cut short", self.slices),
            ("phases held back", self.yields),
            ("markings verified", self.verifications),
            ("objects verified", self.objects_verified),
            ("heaps verified", self.heaps_verified),
            ("heaps that changed too fast", self.heaps_not_verified),
            ("spans verified", self.spans_verified),
            ("slots poisoned", self.poisoned),
            ("slots checked for poison", self.poison_checked),
            ("slots quarantined", self.quarantined),
            ("slots released from quarantine", self.quarantine_released),
            ("small buffers", self.small_buffers),
            ("segments cut", self.segments_cut),
            ("shares of markers", self.shares),
            ("steals of markers", self.steals),
            ("jitters", self.jitters),
            ("allocations failed", self.failed),
            ("assists left out", self.assists_left_out),
            ("assists added", self.assists_added),
            ("weak handles cleared early", self.weak_cleared),
            ("objects finalized on exit", self.finalized),
            ("handles checked", self.handles_checked),
            ("writes noted", self.writes_noted),
        ];
        counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .try_for_each(|(what, count)| writeln!(f, "  {count:>12} {what}"))
    }
}
