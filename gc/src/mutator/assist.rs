//! Assists: a mutator that allocates while marking runs pays for it with marking.
//!
//! An allocation of b bytes owes `ratio · b` bytes of scan work (pacer.md). It is paid from what background markers have
//! done in advance (`credit`), else by scanning grey objects, at least [`BATCH`] bytes at a time and at most the configured
//! bound, whatever the debt: the rest is paid by the next allocation. An assist pops from the global queue or the mutator's own
//! buffer; having had anything in its hands, it makes the running round not clean, even when its buffer ends up empty. One that found
//! nothing has touched nothing: counted as work, it kept rounds from ever being clean while mutators owed.

use crate::cycle::Phase;
use crate::mark::Marker;
use crate::mutator::Mutator;
use crate::stats::cpu::thread_cpu_time;
use crate::zeal::{Asks, count};
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, fault, tiny};

/// Least scan work an assist does once it does any, in bytes (Go: gcOverAssistWork).
const BATCH: i64 = 64 << 10;
/// Scan work a nanosecond is taken to do when a bound in time is turned into one in bytes; deliberately low.
const BYTES_PER_NS: u64 = 2;

impl Mutator {
    /// Pays for a run of `bytes` bytes.
    pub(super) fn pay(&self, bytes: usize) {
        let shared = self.shared();
        if !shared.published.tracing() {
            return;
        }
        if shared.zeal.asks(Asks::NO_ASSIST) {
            count(&shared.zeal.done.assists_left_out);
            return;
        }
        let ratio = shared.pace.ratio().max(tiny(0, 1) as f64);
        let owed = self.debt.get().saturating_add((bytes as f64 * ratio) as i64);
        if owed <= 0 {
            return self.debt.set(owed);
        }
        let credit = &shared.pace.credit;
        let take = |have: i64| (have > 0).then(|| have - have.min(owed));
        let paid = match credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(before) => before.min(owed),
            Err(_) => 0,
        };
        self.debt.set(owed - paid);
        if owed > paid {
            self.assist(owed - paid);
        }
    }

    /// Scans grey objects for at least `owed` bytes, within the bound for one allocation.
    #[cold]
    pub(crate) fn assist(&self, owed: i64) {
        let shared = self.shared();
        if shared.published.phase() != Phase::Mark {
            return;
        }
        let bound = (shared.config.assist_max.as_nanos() as u64)
            .saturating_mul(BYTES_PER_NS)
            .max(tiny(4096, 1) as u64);
        let want = owed.max(tiny(BATCH as usize, 1) as i64).min(i64::try_from(bound).unwrap_or(i64::MAX));
        let timer = thread_cpu_time();
        let own = self.take_buffer();
        let mut slot = self.marker.borrow_mut();
        let marker = slot.get_or_insert_with(|| Box::new(Marker::new()));
        let done = marker.assist(shared, own, want.unsigned_abs());
        if done.took && !fault(Fault::AssistSilent) {
            // Before this mutator's next answer, which is all that matters to it; `dirty` for a round that ends before.
            self.note_work();
            shared.dirty.store(true, Ordering::Relaxed);
        }
        self.debt.set(self.debt.get().saturating_sub(i64::try_from(done.bytes).unwrap_or(i64::MAX)));
        if done.bytes < want.unsigned_abs() && shared.queue.is_quiet() {
            // Nothing grey anywhere: perhaps marking can end, and this mutator's next safepoint may see to it. While a marker
            // is busy there is nothing to see to, and the collector's thread is awake.
            self.record.word.set_step();
        }
        let spent = thread_cpu_time().saturating_sub(timer);
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        shared.pace.assist_ns.fetch_add(spent, Ordering::Relaxed);
        shared.stats.assists.record(spent);
    }
}
