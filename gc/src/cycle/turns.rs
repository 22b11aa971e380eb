//! Turns: a thread of the heap leaves the processor now and then where there are not enough for all.
//!
//! The system lets a thread run for milliseconds before it gives the processor to another one. Of three threads on two processors, two of
//! them mutators, one mutator at a time would wait that long, and its next operation with it. So a marker or sweeper works for
//! [`TURN`] and then sleeps, for as long as its share of the processors asks for ([`duty`]): a mutator waits for turns and no longer for slices. Where each
//! thread has a processor it does not rest at all.

use crate::cycle::{Phase, nothing_grey, processors};
use crate::heap::Shared;
use crate::pacer::workers::duty;
use greyset_sync::atomic::Ordering;
use std::num::NonZeroU64;
use std::time::Duration;

/// Processor time between two rests.
const TURN: Duration = Duration::from_micros(50);
/// How old the number of running mutators may be.
const LOOK: Duration = Duration::from_millis(1);
/// By how much the system may be late to wake a thread of the heap, in nanoseconds: rests are as short as turns.
const SLACK: Option<NonZeroU64> = NonZeroU64::new(1000);

/// The calling thread is to be woken in time: by default the system may be 50 µs late, to join timers. Where that cannot be set, rests
/// are longer, and fewer: what was slept too long counts for the next.
pub(crate) fn wake_in_time() {
    let _ = rustix::thread::set_current_timer_slack(SLACK);
}

/// Longest sleep of a rest before another look at whether it is still wanted: a rest is as long as the work before it asks for, which
/// is long where one object is large.
const SLICE: Duration = Duration::from_millis(1);

/// Work and rest of one thread.
pub(crate) struct Turns {
    /// Processor time since the last rest.
    worked: Duration,
    /// By how much the last rest was longer than was asked for.
    overslept: Duration,
    /// When the program was last looked at, since the heap was made.
    looked: Option<Duration>,
    /// What was seen then: the share of its time that this thread may work.
    duty: f64,
    /// Processor time of all assists by then, in nanoseconds.
    paid: u64,
}

/// Allocations pay for marking where their assists take so much of a processor's time.
const PAYS: f64 = 0.25;

impl Turns {
    /// A thread that has done nothing yet.
    pub(crate) fn new() -> Turns {
        Turns { worked: Duration::ZERO, overslept: Duration::ZERO, looked: None, duty: 1.0, paid: 0 }
    }

    /// Whether processors are short: smaller portions of work, so that turns have their length.
    pub(crate) fn crowded(&self) -> bool {
        self.duty < 1.0
    }

    /// The thread has worked for `time`, and would go on. If it is time for a rest, lays down what it has in its hands by `lay_down`, so
    /// that others may go on with it, and sleeps by `sleep`, a slice at a time, from which nobody should wake it: what else could be
    /// wanted of it comes a slice later.
    pub(crate) fn worked(
        &mut self,
        shared: &Shared,
        time: Duration,
        lay_down: impl FnOnce(),
        mut sleep: impl FnMut(Duration),
    ) {
        let clock = &shared.stats.clock;
        self.worked += time;
        if self.worked < TURN {
            return;
        }
        let began = clock.elapsed();
        self.look(shared, began);
        let Some(rest) = self.rest() else { return };
        let (mut left, mut lay_down) = (rest, Some(lay_down));
        let duty = self.duty;
        // No longer than what it is for: allocations that paid when it began may have ended.
        while !left.is_zero() && self.rests(shared, clock.elapsed()) && self.duty <= duty {
            if let Some(lay_down) = lay_down.take() {
                lay_down();
            }
            let slice = SLICE.min(left);
            sleep(slice);
            left -= slice;
        }
        self.overslept = clock.elapsed().saturating_sub(began + rest);
    }

    /// Whether a rest is still wanted. Where the heap is above the ceiling allocations rest, and the processors are free. Where
    /// allocations have marked what was left, the next step is due.
    fn rests(&mut self, shared: &Shared, now: Duration) -> bool {
        self.look(shared, now);
        let is_marked = shared.published.phase() == Phase::Mark && nothing_grey(shared);
        self.crowded() && !is_marked && !shared.pace.is_above_ceiling() && !shared.driver.should_stop()
    }

    /// Looks at the program, if that was long ago.
    fn look(&mut self, shared: &Shared, now: Duration) {
        if self.looked.is_some_and(|looked| now.saturating_sub(looked) < LOOK) {
            return;
        }
        let passed = now.saturating_sub(self.looked.replace(now).unwrap_or(now));
        let paid = shared.pace.assist_ns.load(Ordering::Relaxed);
        let more = paid.saturating_sub(std::mem::replace(&mut self.paid, paid));
        let is_marking = shared.published.phase() == Phase::Mark;
        let pays = is_marking && more as f64 > PAYS * passed.as_nanos() as f64;
        let config = &shared.config;
        let [workers, running] =
            [config.workers, shared.mutators.running()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        self.duty = duty(processors(), f64::from(config.cpu_share) / 100.0, workers, running, pays);
    }

    /// How long to rest for what was worked since the last one, less what that one was too long.
    fn rest(&mut self) -> Option<Duration> {
        let worked = std::mem::take(&mut self.worked);
        let due = worked.mul_f64((1.0 - self.duty) / self.duty);
        let rest = due.saturating_sub(std::mem::take(&mut self.overslept));
        (rest > Duration::ZERO).then_some(rest)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Heap;
    use crate::mutator::Record;
    use std::cell::Cell;
    use std::sync::Arc;

    /// The slices that `turns` sleeps after `time` of work, while `during` is called in each. What is in hands is laid down before the
    /// first, and only then.
    fn slices(turns: &mut Turns, shared: &Shared, time: Duration, mut during: impl FnMut()) -> Vec<Duration> {
        let (mut slept, laid_down) = (Vec::new(), Cell::new(false));
        turns.worked(
            shared,
            time,
            || assert!(!laid_down.replace(true)),
            |slice| {
                assert!(laid_down.get());
                // Time passes as it should, without a sleep.
                let until = shared.stats.clock.elapsed() + slice;
                while shared.stats.clock.elapsed() < until {
                    std::hint::spin_loop();
                }
                slept.push(slice);
                during();
            },
        );
        assert_eq!(laid_down.get(), !slept.is_empty());
        slept
    }

    /// A heap with so many mutators in a window.
    fn busy(mutators: u32) -> (Heap, Vec<Arc<Record>>) {
        let heap = Heap::builder().workers(1).cpu_share(25).build().expect("a heap");
        let records = (0..mutators).map(|_| heap.owner().shared().mutators.attach("busy"));
        let records = records.inspect(|record| _ = record.word.unpark()).collect();
        (heap, records)
    }

    #[test]
    fn who_has_a_processor_works_on() {
        let (heap, _busy) = busy(processors() - 1);
        let mut turns = Turns::new();
        assert!(slices(&mut turns, heap.owner().shared(), 1000 * TURN, || ()).is_empty());
        assert!(!turns.crowded());
    }

    #[test]
    fn where_processors_are_short_a_turn_is_followed_by_a_rest() {
        let (heap, records) = busy(processors());
        let shared = heap.owner().shared();
        let mut turns = Turns::new();
        assert!(slices(&mut turns, shared, TURN / 2, || ()).is_empty(), "half a turn");
        let first = slices(&mut turns, shared, TURN / 2, || ())[0];
        assert!(turns.crowded());
        assert_eq!(first, TURN.mul_f64((1.0 - turns.duty) / turns.duty));
        // Parked mutators want no processor.
        records.iter().for_each(|record| _ = record.word.park(false));
        assert_eq!(shared.mutators.running(), 0);
        turns.looked = None;
        assert!(slices(&mut turns, shared, TURN, || ()).is_empty());
    }

    /// One large object: the work of a portion, and the rest for it, have no bound.
    #[test]
    fn a_long_rest_ends_when_it_is_not_wanted_any_more() {
        let (heap, records) = busy(processors());
        let shared = heap.owner().shared();
        let mut turns = Turns::new();
        let slept = slices(&mut turns, shared, 10 * SLICE, || ());
        let due = (10 * SLICE).mul_f64((1.0 - turns.duty) / turns.duty);
        assert!(slept.iter().all(|slice| *slice <= SLICE) && slept.len() > 2, "{slept:?}");
        assert!(slept.iter().sum::<Duration>() <= due, "{slept:?} of {due:?}");
        // The mutators park; the program is looked at once a millisecond.
        let slept = slices(&mut turns, shared, 1000 * SLICE, || {
            records.iter().for_each(|record| _ = record.word.park(false));
        });
        assert!(slept.len() < 10, "{slept:?}");
        records.iter().for_each(|record| _ = record.word.unpark());
        turns.looked = None;
        // The heap goes away.
        assert_eq!(slices(&mut turns, shared, 1000 * SLICE, || shared.driver.shut_down()).len(), 1);
    }

    #[test]
    fn where_allocations_pay_rests_are_longer() {
        let (heap, _records) = busy(processors());
        let shared = heap.owner().shared();
        let mut turns = Turns::new();
        turns.look(shared, Duration::ZERO);
        let unpaid = turns.duty;
        let mark = Phase::Mark;
        for (phase, more, pays) in [
            (mark, 600, true),
            (mark, 400, false),
            (mark, 0, false),
            (mark, 501, true),
            (Phase::Sweep, 600, false),
        ] {
            shared.published.publish(phase);
            shared.pace.charge_assist(Duration::from_micros(more));
            turns.look(shared, turns.looked.unwrap_or_default() + Duration::from_millis(2));
            assert_eq!(turns.duty < unpaid, pays, "{phase:?}, {more} us of assists in 2 ms: {}", turns.duty);
        }
        shared.published.publish(Phase::Idle);
    }

    #[test]
    fn nobody_rests_while_the_heap_is_above_the_ceiling() {
        let (heap, _records) = busy(processors());
        let shared = heap.owner().shared();
        let mut turns = Turns::new();
        let passes = || {
            shared.pace.live.store(1, Ordering::Relaxed);
            shared.pace.ceiling.store(0, Ordering::Relaxed);
        };
        assert_eq!(slices(&mut turns, shared, 1000 * SLICE, passes).len(), 1);
        assert!(slices(&mut turns, shared, 1000 * SLICE, || ()).is_empty());
    }

    #[test]
    fn what_a_rest_was_too_long_comes_off_the_next() {
        let mut turns = Turns { worked: TURN, overslept: TURN / 5, duty: 0.5, ..Turns::new() };
        assert_eq!(turns.rest(), Some(TURN - TURN / 5));
        turns.worked = TURN;
        assert_eq!(turns.rest(), Some(TURN));
        turns = Turns { worked: TURN, overslept: 3 * TURN, duty: 0.5, ..turns };
        assert_eq!(turns.rest(), None, "a debt of one rest at most");
        turns.worked = TURN;
        assert_eq!(turns.rest(), Some(TURN));
    }
}
