//! Turns: a thread of the heap leaves the processor now and then where there are not enough for all.
//!
//! The system lets a thread run for milliseconds before it gives the processor to another one. Of three threads on two processors, two of
//! them mutators, one mutator at a time would wait that long, and its next operation with it. So a marker or sweeper works for
//! [`TURN`] and then sleeps, for as long as its share of the processors asks for ([`duty`]): a mutator waits for turns and no longer for slices. Where each
//! thread has a processor it does not rest at all.

use crate::cycle::processors;
use crate::heap::Shared;
use crate::pacer::workers::duty;
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
}

impl Turns {
    /// A thread that has done nothing yet.
    pub(crate) fn new() -> Turns {
        Turns { worked: Duration::ZERO, overslept: Duration::ZERO, looked: None, duty: 1.0 }
    }

    /// Whether processors are short: smaller portions of work, so that turns have their length.
    pub(crate) fn crowded(&self) -> bool {
        self.duty < 1.0
    }

    /// It has worked for `time`, and would go on. Rests by `sleep` if it is time for that; true if it has.
    pub(crate) fn worked(&mut self, shared: &Shared, time: Duration, sleep: impl FnOnce(Duration)) -> bool {
        self.worked += time;
        if self.worked < TURN {
            return false;
        }
        // Allocations rest then, and the processors are free.
        if shared.pace.is_above_ceiling() {
            self.worked = Duration::ZERO;
            return false;
        }
        let now = shared.stats.clock.elapsed();
        if self.looked.is_none_or(|looked| now.saturating_sub(looked) >= LOOK) {
            self.look(shared);
            self.looked = Some(now);
        }
        let Some(rest) = self.rest() else { return false };
        sleep(rest);
        self.overslept = shared.stats.clock.elapsed().saturating_sub(now + rest);
        true
    }

    fn look(&mut self, shared: &Shared) {
        let config = &shared.config;
        let [workers, running] =
            [config.workers, shared.mutators.running()].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        self.duty = duty(processors(), f64::from(config.cpu_share) / 100.0, workers, running);
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
    use std::sync::Arc;

    /// How long `turns` rests after `time` of work; `None` if it goes on.
    fn rest_after(turns: &mut Turns, shared: &Shared, time: Duration) -> Option<Duration> {
        let mut rested = None;
        let said = turns.worked(shared, time, |rest| rested = Some(rest));
        assert_eq!(said, rested.is_some());
        rested
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
        assert_eq!(rest_after(&mut turns, heap.owner().shared(), 1000 * TURN), None);
        assert!(!turns.crowded());
    }

    #[test]
    fn where_processors_are_short_a_turn_is_followed_by_a_rest() {
        let (heap, records) = busy(processors());
        let shared = heap.owner().shared();
        let mut turns = Turns::new();
        assert_eq!(rest_after(&mut turns, shared, TURN / 2), None, "half a turn");
        let rest = rest_after(&mut turns, shared, TURN / 2).expect("a rest");
        let due = TURN.mul_f64((1.0 - turns.duty) / turns.duty);
        assert_eq!(rest, due);
        assert!(turns.crowded() && rest > Duration::ZERO);
        // Parked mutators want no processor.
        records.iter().for_each(|record| _ = record.word.park(false));
        assert_eq!(shared.mutators.running(), 0);
        turns.looked = None;
        assert_eq!(rest_after(&mut turns, shared, TURN), None);
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
