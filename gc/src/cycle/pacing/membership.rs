//! A heap's place in a [`Budget`](crate::Budget): what it reports, and the share it takes over.

use super::{Pacing, cpu, tables};
use crate::heap::Shared;
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
    /// Takes over the heap's share of its budget, if that has changed.
    pub(super) fn adopt_share(&mut self, shared: &Shared) {
        if let Some(membership) = &shared.membership
            && self.pacer.settings().memory_limit != Some(membership.share())
        {
            self.set_memory_limit(shared, Some(membership.share()));
        }
    }

    /// Tells the budget what the cycle has shown.
    pub(super) fn report_to_budget(&mut self, shared: &Shared, live: u64) {
        let Some(membership) = &shared.membership else { return };
        let pace = &shared.pace;
        let (at, allocated) = (self.clock.elapsed(), pace.allocated.load(Relaxed));
        let seconds = at.saturating_sub(self.reported.at).as_secs_f64().max(1e-6);
        let marking = cpu(shared).mark + cpu(shared).assist;
        let marking = marking.saturating_sub(self.start.cpu.mark + self.start.cpu.assist).as_secs_f64();
        let held = live + tables(shared, &shared.alloc.stats());
        membership.report(
            held,
            allocated.saturating_sub(self.reported.allocated) as f64 / seconds,
            // Too short a time measures nothing.
            if marking > 1e-5 { pace.marked_bytes.load(Relaxed) as f64 / marking } else { 0.0 },
        );
        self.reported = Reported { at, allocated };
        self.adopt_share(shared);
    }
}
