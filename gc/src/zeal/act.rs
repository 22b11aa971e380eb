//! Where zeal acts in a mutator: at an allocation, at a safepoint, when a handle is used, on the way out.

use crate::barrier::Mode;
use crate::cycle::Phase;
use crate::error::OutOfMemory;
use crate::heap::{Owner, Shared};
use crate::mutator::Mutator;
use crate::stats::Cause;
use crate::zeal::{Asks, ZealState, count};
use greyset_alloc::{Colour, Obstacle};
use greyset_sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

impl ZealState {
    /// Whether the allocation of this number, from 1, asks for a cycle.
    fn collects(&self, number: u64) -> bool {
        let is_due = |each: u32| number.is_multiple_of(u64::from(each));
        let is_drawn = |of: u32| self.random().is_multiple_of(u64::from(of));
        self.plan.alloc.is_some_and(is_due) | self.plan.alloc_random.is_some_and(is_drawn)
    }

    /// What the allocation of this number is refused for, with so many bytes in the heap once it is made.
    fn refuses(&self, number: u64, bytes: u64) -> Option<(Obstacle, u64)> {
        let at = |n: u32| number == u64::from(n);
        let each = |n: u32| number.is_multiple_of(u64::from(n));
        match self.plan.oom_at {
            _ if self.plan.fail_at.is_some_and(at) || self.plan.fail_each.is_some_and(each) => {
                Some((Obstacle::System, bytes))
            }
            Some(limit) if bytes > limit => Some((Obstacle::Limit, limit)),
            _ => None,
        }
    }
}

/// Asks for a cycle, unless the program decides when one begins.
pub(super) fn ask(shared: &Shared) {
    if !shared.driver.is_stepping() {
        count(&shared.zeal.done.cycles_asked);
        shared.driver.request_cycle(shared, Cause::Asked);
    }
}

/// What a slot without an object is, for reports.
pub(crate) fn state_of_unused(colour: Colour) -> &'static str {
    if colour == Colour::FREE { "Free" } else { "in quarantine" }
}

impl Mutator {
    /// Zeal when a mutator attaches.
    pub(crate) fn zealous_attach(&self) {
        let zeal = &self.shared().zeal;
        if zeal.asks(Asks::SAFEPOINTS) {
            self.step_soon();
        }
        if zeal.asks(Asks::CONTINUOUS) {
            ask(self.shared());
        }
    }

    /// Zeal at an allocation of `bytes` bytes, before it is made.
    ///
    /// # Errors
    /// When it is to fail.
    #[cold]
    pub(crate) fn zealous_allocation(&self, bytes: usize) -> Result<(), OutOfMemory> {
        let shared = self.shared();
        let zeal = &shared.zeal;
        zeal.jitter();
        if !zeal.asks(Asks::ALLOCATIONS) {
            return Ok(());
        }
        let number = count(&zeal.done.allocations);
        let live = shared.pace.live.load(Relaxed);
        if let Some((obstacle, limit)) = zeal.refuses(number, live.saturating_add(bytes as u64)) {
            count(&zeal.done.failed);
            let error = greyset_alloc::OutOfMemory { requested: bytes, in_use: live, limit, obstacle };
            return Err(self.out_of_memory(error));
        }
        if zeal.collects(number) {
            ask(shared);
            self.step_soon();
        }
        if zeal.asks(Asks::ASSIST_ALL) && self.mode() != Mode::Off && shared.published.tracing() {
            count(&zeal.done.assists_added);
            let _ = self.assist(1);
        }
        Ok(())
    }

    /// Zeal at a safepoint. No `Gc` lives.
    #[cold]
    pub(crate) fn zealous_safepoint(&mut self) {
        let shared = self.shared();
        let zeal = &shared.zeal;
        count(&zeal.done.safepoints);
        if zeal.asks(Asks::HANDLES) {
            self.check_handles();
        }
        let weak = zeal.asks(Asks::CLEAR_WEAK_EARLY) && shared.weaks.in_use() > 0;
        if (weak || zeal.asks(Asks::EVERY_SAFEPOINT)) && shared.published.phase() == Phase::Idle {
            ask(shared);
        }
        // The next one sees zeal, too.
        self.step_soon();
    }

    /// Every root and weak handle leads to an object.
    ///
    /// A weak slot is cleared before the handshake that lets sweeping begin is asked, and this mutator, which has not answered that if
    /// it can see a target that is going to be swept, keeps sweeping from beginning until it has looked. Likewise for a root that is
    /// dropped meanwhile.
    fn check_handles(&self) {
        let shared = self.shared();
        for (what, table) in [("Root", &shared.roots), ("Weak", &shared.weaks)] {
            let mut chunk = 0;
            while table.for_each_in(chunk, |_, addr| self.check_target(what, addr)) {
                chunk += 1;
            }
        }
    }

    /// Panics unless an object is at `addr`. For a mutator in its window, or at its safepoint before it answers.
    fn check_target(&self, what: &str, addr: usize) {
        count(&self.shared().zeal.done.handles_checked);
        let space = self.space();
        let Some((base, span, colour)) = space.slot_at(addr) else {
            panic!("a {what} leads to {addr:#x}, where no object of the heap is");
        };
        assert!(
            colour.is_live(),
            "a {what} leads to a swept object: a {} was at {base:#x}, which is {} now",
            (span.info().name)(),
            state_of_unused(colour),
        );
    }

    /// A handle that was not recognised at a glance: of another heap, or of this one when zeal wants to see every use.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_at_root(&self, owner: &Arc<Owner>, addr: usize) {
        assert!(
            Arc::ptr_eq(owner, self.owner()),
            "this Root belongs to another heap: use it with a mutator of the heap it was made in"
        );
        self.check_target("Root", addr);
    }

    /// As `look_at_root` for a weak handle of this heap; 0 has been cleared.
    #[cold]
    pub(crate) fn look_at_weak(&self, addr: usize) {
        if addr != 0 {
            self.check_target("Weak", addr);
        }
    }
}

/// A mutator has detached. If it was the last, `finalize-on-exit` sends what is registered to its queue as soon as no cycle runs.
#[cold]
pub(crate) fn after_detach(shared: &Shared) {
    if !shared.zeal.asks(Asks::FINALIZE_ON_EXIT) || shared.mutators.len() > 0 {
        return;
    }
    if shared.driver.is_inline() && !shared.in_callout() {
        // Nobody else would end the cycle. (In a callout whoever has called it goes on.)
        while shared.published.phase() != Phase::Idle && crate::cycle::drive_inline(shared, 4096) {}
    }
    ask(shared);
    let cycle = shared.lock_cycle();
    if shared.published.phase() == Phase::Idle {
        finalize_all(shared, &cycle);
    }
}

/// Sends what is registered to its queues, reachable or not, if nobody is attached. Under the cycle lock while the phase is Idle:
/// every object registered is in the live colour then, and a root made now is seen by the next cycle.
pub(crate) fn finalize_all(shared: &Shared, _cycle: &greyset_sync::MutexGuard<'_, ()>) {
    if shared.zeal.asks(Asks::FINALIZE_ON_EXIT) && shared.mutators.len() == 0 {
        let mut all = shared.registry.take_finalizable(|_| true);
        shared.zeal.done.finalized.fetch_add(all.len() as u64, Relaxed);
        shared.registry.deliver(shared, &mut all);
    }
}
