//! A heap's place in a [`Budget`](crate::Budget): what it reports, and the share it takes over.

use super::{Pacing, cpu, memory, memory_of, tables};
use crate::heap::Shared;
use crate::heap::budget::Shown;
use crate::stats::Cause;
use greyset_sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// When the heap last reported to its budget.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Reported {
    at: Duration,
    /// Bytes ever allocated by then.
    allocated: u64,
}

impl Pacing {
    /// Takes over the heap's share of its budget, if that has changed. A heap that lies above its new trigger is to collect, though
    /// nobody allocates.
    pub(crate) fn adopt_share(&mut self, shared: &Shared) {
        let Some(membership) = &shared.membership else { return };
        let (before, share) = (self.pacer.settings().memory_limit, membership.share());
        if before == Some(share) {
            return;
        }
        self.set_memory_limit(shared, Some(share));
        let pace = &shared.pace;
        let is_above = pace.live.load(Relaxed) >= pace.trigger.load(Relaxed);
        if is_above && before.is_none_or(|before| share < before) {
            shared.driver.request_of_threads(Cause::Limit);
        }
    }

    /// Tells the budget what the heap holds, and takes over its share.
    pub(super) fn look_at_budget(&mut self, shared: &Shared) {
        if let Some(membership) = &shared.membership {
            membership.holds(memory(shared).mapped);
            self.adopt_share(shared);
        }
    }

    /// Tells the budget what the cycle has shown, now that all is swept.
    pub(super) fn report_to_budget(&mut self, shared: &Shared) {
        let Some(membership) = &shared.membership else { return };
        let pace = &shared.pace;
        let (at, allocated) = (self.clock.elapsed(), pace.allocated.load(Relaxed));
        let seconds = at.saturating_sub(self.reported.at).as_secs_f64().max(1e-6);
        let marking = cpu(shared).mark + cpu(shared).assist;
        let marking = marking.saturating_sub(self.start.cpu.mark + self.start.cpu.assist).as_secs_f64();
        let stats = shared.alloc.stats();
        let (memory, tables) = (memory_of(shared, &stats), tables(shared, &stats));
        membership.report(&Shown {
            live: pace.last_live.load(Relaxed).saturating_add(tables),
            least: memory.heap_alloc.saturating_add(tables),
            held: memory.mapped,
            allocated: allocated.saturating_sub(self.reported.allocated) as f64 / seconds,
            // Too short a time measures nothing.
            marked: if marking > 1e-5 { pace.marked_bytes.load(Relaxed) as f64 / marking } else { 0.0 },
        });
        self.reported = Reported { at, allocated };
        self.adopt_share(shared);
    }
}
