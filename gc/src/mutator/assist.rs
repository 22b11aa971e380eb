//! Assists: a mutator that allocates while marking runs pays for it with marking.
//!
//! An allocation of b bytes owes `ratio · b` bytes of scan work (pacer.md). It is paid from what background markers have
//! done in advance (`credit`), else by scanning grey objects, at least [`BATCH`] bytes at a time and for the configured time at most,
//! whatever the debt: the rest is paid by the next allocation. What takes less time than allowed is bounded in bytes, too. An assist pops from the global queue or the mutator's own
//! buffer; having had anything in its hands, it makes the running round not clean, even when its buffer ends up empty. One that found
//! nothing has touched nothing: counted as work, it kept rounds from ever being clean while mutators owed.
//!
//! A mutator that owes and finds nothing grey, or tracing closed, goes on; far above the goal it rests for a moment first (`brake`).

use crate::cycle::{Phase, nothing_grey};
use crate::mark::Marker;
use crate::mutator::Mutator;
use crate::stats::cpu::{nanos, thread_cpu_time};
use crate::zeal::{Asks, count};
use greyset_alloc::Cache;
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, fault, thread, tiny};
use std::time::Duration;

/// Least scan work an assist does once it does any, in bytes (Go: gcOverAssistWork).
const BATCH: i64 = 64 << 10;
/// Scan work a nanosecond is taken to do at most when a bound in time is turned into one in bytes. Deliberately low: binary-trees does four
/// times as much, and with all of its debt paid at once had a quarter more cycles, one after the other, and took 16 % longer.
const BYTES_PER_NS: u64 = 2;
/// Bytes of a run at least, whatever is owed: the slow path is to stay rare.
const LEAST_RUN: usize = 2 << 10;
/// Bytes allocated between two assists at least. In a heap of holes a run may be one slot, and one who owes for more than one assist
/// can pay would do the next with each object: an operation that allocates twenty would take as long as twenty of them.
const ASSIST_EVERY: usize = 1 << 10;
/// Bytes allocated between two rests at least: runs may be as short as a slot.
const BRAKED_BYTES: usize = 8192;
/// A rest above the ceiling at most.
const REST: Duration = Duration::from_micros(50);

impl Mutator {
    /// Pays for a run of `bytes` bytes, and for what the heap was charged with meanwhile.
    pub(super) fn pay(&self, bytes: usize) {
        let shared = self.shared();
        if !shared.published.tracing() {
            return self.brake(bytes);
        }
        if shared.zeal.asks(Asks::NO_ASSIST) {
            count(&shared.zeal.done.assists_left_out);
            return;
        }
        let bytes = bytes.saturating_add(shared.pace.take_unpaid());
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
        if owed > paid
            && let Some(bytes) = self.may_assist(bytes)
            && !self.assist(owed - paid)
        {
            self.brake(bytes);
        }
    }

    /// What the mutator, which has taken so many bytes more, has taken since it last assisted, if that is [`ASSIST_EVERY`]. What is owed
    /// stays owed meanwhile.
    fn may_assist(&self, bytes: usize) -> Option<usize> {
        let since = self.unassisted.get().saturating_add(bytes);
        let may = since >= tiny(ASSIST_EVERY, 1);
        self.unassisted.set(if may { 0 } else { since });
        may.then_some(since)
    }

    /// Rests for a moment ([`REST`], or `assist_max` if that is less), once a run and at most once for [`BRAKED_BYTES`], if the heap is far
    /// above its goal and nothing that this mutator could do would help: a thread of the collector has everything grey, a phase to change
    /// or a span to sweep, and perhaps no processor. Without this a heap grew by what a mutator allocates meanwhile (0.15 GB in a tenth of
    /// a second).
    ///
    /// This is no wait: it ends by itself, whatever others do. While answers are missing nobody rests, and none that has something to
    /// answer or to step. (Another mutator that has lost its processor with a span half swept is not told from the sweeper.)
    pub(super) fn brake(&self, bytes: usize) {
        if self.shared().pace.is_above_ceiling() {
            self.brake_above_ceiling(bytes);
        }
    }

    #[cold]
    fn brake_above_ceiling(&self, bytes: usize) {
        let shared = self.shared();
        if !shared.driver.has_threads() {
            return;
        }
        let (most, unbraked) = (tiny(BRAKED_BYTES, 1), self.unbraked.get().saturating_add(bytes));
        self.unbraked.set(unbraked % most);
        if unbraked < most || self.record.word.is_asked() || shared.pending.load(Ordering::Relaxed) != 0 {
            return;
        }
        // Unless the collector's thread is at a step, this mutator takes the one that is due at its next safepoint.
        let can_step = shared.published.phase() == Phase::Idle || self.record.word.poll();
        if can_step && !shared.driver.is_at_work() {
            return;
        }
        shared.stats.brakes.fetch_add(1, Ordering::Relaxed);
        shared.driver.wake();
        thread::sleep(shared.config.assist_max.min(REST));
    }

    /// Scans grey objects for at least `owed` bytes, within the time for one allocation. False if there was not so much.
    #[cold]
    pub(crate) fn assist(&self, owed: i64) -> bool {
        let shared = self.shared();
        if shared.published.phase() != Phase::Mark {
            return false;
        }
        if self.buffer.borrow().is_empty() && nothing_grey(shared) {
            self.see_to_the_end();
            return false;
        }
        let want = owed.max(tiny(BATCH as usize, 1) as i64).min(self.most_work());
        let timer = thread_cpu_time();
        let until = shared.stats.clock.nanos().saturating_add(nanos(shared.config.assist_max));
        let own = self.take_buffer();
        let mut slot = self.marker.borrow_mut();
        let marker = slot.get_or_insert_with(|| Box::new(Marker::for_assists()));
        let done = marker.assist(shared, own, want.unsigned_abs(), until);
        if done.took && !fault(Fault::AssistSilent) {
            // Before this mutator's next answer, which is all that matters to it; `dirty` for a round that ends before.
            self.note_work();
            shared.dirty.store(true, Ordering::Relaxed);
        }
        self.debt.set(self.debt.get().saturating_sub(i64::try_from(done.bytes).unwrap_or(i64::MAX)));
        let enough = done.late || done.bytes >= want.unsigned_abs();
        if !enough && shared.queue.is_quiet() {
            self.see_to_the_end();
        }
        let spent = shared.pace.charge_assist(thread_cpu_time().saturating_sub(timer));
        shared.stats.assists.record(spent);
        enough
    }

    /// Scan work that one allocation may be charged with, in bytes.
    fn most_work(&self) -> i64 {
        let bound =
            nanos(self.shared().config.assist_max).saturating_mul(BYTES_PER_NS).max(tiny(4096, 1) as u64);
        i64::try_from(bound).unwrap_or(i64::MAX)
    }

    /// Bytes of the next run while marking: so many that paying for them, and what is owed already, takes no more than one allocation may
    /// be charged with. With runs of one length a mutator whose price is high would owe more with each.
    pub(super) fn run_to_pay(&self) -> usize {
        let ratio = self.shared().pace.ratio();
        let most = self.most_work();
        let room = most.saturating_sub(self.debt.get().max(0)).max(0);
        // A ratio of 0 gives infinity, or no number: the conversion saturates, and takes the latter for 0.
        ((room as f64 / ratio) as usize).clamp(LEAST_RUN, Cache::SHORT_RUN)
    }

    /// Nothing is grey anywhere: perhaps marking can end, and this mutator's next safepoint may see to it. While a marker is busy
    /// there is nothing to see to, and the collector's thread is awake.
    fn see_to_the_end(&self) {
        self.record.word.set_step();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Driver, Heap};

    const MIB: usize = 1 << 20;

    /// Rests while 1 MiB is allocated with this ceiling.
    fn brakes(m: &Mutator, ceiling: u64) -> u64 {
        let before = m.heap().stats().brakes;
        m.shared().pace.ceiling.store(ceiling, Ordering::Relaxed);
        (0..MIB / 16).for_each(|i| _ = m.alloc([i; 2]));
        m.heap().stats().brakes - before
    }

    /// Of a heap that begins no cycle by itself, which would set another ceiling.
    fn with_a_heap(driver: Driver, test: impl FnOnce(&mut Mutator)) {
        let builder = Heap::builder().ignore_environment().min_heap(1 << 30);
        let heap = builder.driver(driver).build().expect("a heap");
        heap.mutator().enter(|m| {
            // Its threads start, if it has any.
            m.collect();
            test(m);
        });
    }

    #[test]
    fn an_allocation_above_the_ceiling_rests_while_the_collector_is_at_work() {
        with_a_heap(Driver::Background, |m| {
            // Its thread cannot take a step now, and so says nothing else of itself.
            let _held = m.shared().collector.lock();
            let at_work = m.shared().driver.at_work();
            let rests = brakes(m, 0);
            assert!((32..=128).contains(&rests), "{rests}: once a run, at most once for 8 KiB");
            assert_eq!(brakes(m, u64::MAX), 0);
            // While answers are missing nobody rests: they may be another mutator's.
            m.shared().pending.fetch_add(1, Ordering::Relaxed);
            assert_eq!(brakes(m, 0), 0);
            m.shared().pending.fetch_sub(1, Ordering::Relaxed);
            drop(at_work);
            assert_eq!(brakes(m, 0), 0, "a cycle can begin at the next safepoint");
        });
    }

    /// 20 us are taken for 40,000 bytes of work at most.
    #[test]
    fn a_run_is_as_long_as_one_assist_can_pay_for() {
        with_a_heap(Driver::Inline, |m| {
            let run = |ratio, owed| {
                m.shared().pace.set_ratio(ratio);
                m.debt.set(owed);
                m.run_to_pay()
            };
            assert_eq!([0.0, 0.5, 2.4].map(|ratio| run(ratio, 0)), [Cache::SHORT_RUN; 3]);
            assert_eq!(run(4.0, 0), 10_000);
            assert_eq!(run(4.0, -1_000_000), 10_000, "what is paid in advance is not spent at once");
            assert_eq!(run(4.0, 20_000), 5_000);
            assert_eq!([(4.0, 40_000), (4.0, i64::MAX), (1e300, 0)].map(|(r, d)| run(r, d)), [LEAST_RUN; 3]);
            m.debt.set(0);
        });
    }

    #[test]
    fn assists_are_a_kibibyte_of_allocations_apart() {
        with_a_heap(Driver::Inline, |m| {
            let may = [1000, 16, 16, 1000, 48, 2000, 16].map(|bytes| m.may_assist(bytes));
            assert_eq!(may, [None, None, Some(1032), None, Some(1048), Some(2000), None]);
        });
    }

    #[test]
    fn nobody_rests_without_threads() {
        with_a_heap(Driver::Inline, |m| {
            let _at_work = m.shared().driver.at_work();
            assert_eq!(brakes(m, 0), 0);
        });
    }
}
