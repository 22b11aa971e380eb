//! Clocks: processor time of a thread and of the process, and wall time since the heap was made.
//!
//! Processor time is what people pay for and what a noisy neighbour cannot fake; every share and every bound on work is
//! measured with it. Reading it is a system call (some 200 ns): once a slice of work, never once an object.

use std::time::{Duration, Instant};

/// Processor time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    read(rustix::time::ClockId::ThreadCPUTime)
}

/// Processor time all threads of the process have used.
pub fn process_cpu_time() -> Duration {
    read(rustix::time::ClockId::ProcessCPUTime)
}

fn read(clock: rustix::time::ClockId) -> Duration {
    #[cfg(feature = "sim")]
    if let Some(hooks) = greyset_sync::sim::hooks() {
        return Duration::from_nanos((hooks.now)());
    }
    // These clocks count up from 0, so neither part is negative.
    Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
}

/// Nanoseconds in a word; `u64::MAX` for what does not fit (584 years).
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Wall time in nanoseconds since it was made: an [`Instant`] that fits in an atomic word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts at 0 now.
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Nanoseconds since the start; monotonic over all threads. About 25 ns.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        #[cfg(feature = "sim")]
        if let Some(hooks) = greyset_sync::sim::hooks() {
            return (hooks.now)();
        }
        // 584 years fit.
        self.start.elapsed().as_nanos() as u64
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_costs_processor_time_and_sleep_does_not() {
        // The clock that the loop waits for is read last, so that the others have seen at least as much.
        let (wall, process, thread) = (Clock::start(), process_cpu_time(), thread_cpu_time());
        let mut sum = 0u64;
        while thread_cpu_time() - thread < Duration::from_millis(3) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu_time() - process >= Duration::from_millis(3));
        assert!(wall.nanos() >= 3_000_000 && wall.elapsed() >= Duration::from_millis(3));
        let before = thread_cpu_time();
        std::thread::sleep(Duration::from_millis(20));
        assert!(thread_cpu_time() - before < Duration::from_millis(15));
    }
}
