//! The CPU limiter's seat in the collector: clocks go in, and out comes whether collection has to hold back.
//!
//! What counts is what was measured: the processor time of collection, on whatever thread, against that of the process. Two
//! states make collection hold back. It *limits* while the bucket of the limiter is full. It *thrashes* while what is live
//! leaves no room below the memory limit: a cycle that ends so would be followed by another at once. In both, allocations are
//! charged no marking, and cycles that nobody asked for wait: until the bucket has drained a little, and while it thrashes
//! until it is empty, so that collection takes its share and no more over any length of time. A process that sleeps drains
//! it as one that computes on one processor, so that nothing waits for ever.

use crate::pacer::cpu_limiter::{Change, CpuLimiter, Window};

/// The clocks at one moment, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Reading {
    /// Wall time.
    pub(crate) wall: u64,
    /// Processor time of collection.
    pub(crate) collection: u64,
    /// Processor time of the process.
    pub(crate) process: u64,
}

/// The limiter and what it was last told.
#[derive(Clone)]
pub(crate) struct Limiting {
    limiter: CpuLimiter,
    processors: u64,
    last: Reading,
    no_room: bool,
    /// Whether the embedder has been told.
    told: bool,
}

impl Limiting {
    /// Nothing has happened yet, on this many processors, of whose time collection may take `share` percent for long.
    pub(crate) fn new(processors: u32, share: u32) -> Limiting {
        Limiting {
            limiter: CpuLimiter::new(processors, 0, share),
            processors: u64::from(processors.max(1)),
            last: Reading::default(),
            no_room: false,
            told: false,
        }
    }

    /// Whether the clocks are to be read again.
    pub(crate) fn is_due(&self, wall: u64) -> bool {
        self.limiter.due(wall.saturating_sub(self.last.wall))
    }

    /// Takes in what the clocks say now.
    pub(crate) fn refresh(&mut self, now: Reading) {
        let wall = now.wall.saturating_sub(self.last.wall);
        let process = now.process.saturating_sub(self.last.process);
        let change = self.limiter.advance(&Window {
            wall,
            assist: now.collection.saturating_sub(self.last.collection),
            // Nobody wanted what the process did not use, but for one processor. Background marking is in `assist`, as measured.
            idle: wall.saturating_mul(self.processors).saturating_sub(process.max(wall)),
            marking: false,
        });
        self.last = now;
        if change == Change::Stopped && !self.no_room {
            self.told = false;
        }
    }

    /// A cycle has ended, and there was room below the memory limit or not.
    pub(crate) fn found_room(&mut self, room: bool) {
        self.no_room = !room;
        if room && !self.limiter.limiting() {
            self.told = false;
        }
    }

    /// Whether allocations are charged no marking now.
    pub(crate) fn holds_back(&self) -> bool {
        self.no_room || self.limiter.limiting()
    }

    /// Whether a cycle that nobody asked for has to wait.
    pub(crate) fn must_wait(&self) -> bool {
        self.limiter.limiting() || self.no_room && self.limiter.level() > 0.0
    }

    /// Whether the embedder is to be told that the program thrashes: once each time it begins to.
    pub(crate) fn has_news(&mut self) -> bool {
        let news = self.holds_back() && !self.told;
        self.told |= news;
        news
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A program on two processors: a fake clock, and what happened in its time.
    #[derive(Clone)]
    struct Program {
        limiting: Limiting,
        now: Reading,
    }

    impl Program {
        fn new() -> Program {
            Program { limiting: Limiting::new(2, 50), now: Reading::default() }
        }

        /// Time passes, of which that many ms of processor time go to collection and to the program.
        fn runs(&mut self, wall: u64, collection: u64, program: u64) -> &mut Limiting {
            self.now.wall += wall * MS;
            self.now.collection += collection * MS;
            self.now.process += (collection + program) * MS;
            self.limiting.refresh(self.now);
            &mut self.limiting
        }
    }

    #[test]
    fn half_of_what_is_used_is_no_trouble() {
        let mut program = Program::new();
        for _ in 0..1000 {
            assert!(!program.runs(10, 10, 10).holds_back());
        }
        assert!(!program.limiting.has_news() && !program.limiting.must_wait());
    }

    #[test]
    fn collection_without_end_is_limited_and_told_once() {
        let mut program = Program::new();
        // Nothing but collection on both processors: two seconds of bucket in one.
        for _ in 0..99 {
            assert!(!program.runs(10, 20, 0).holds_back());
        }
        assert!(program.runs(10, 20, 0).must_wait());
        assert!(program.limiting.has_news() && !program.limiting.has_news());
        // It ends as soon as the program has some time to itself, computing or asleep.
        assert!(program.runs(0, 0, 0).must_wait());
        assert!(!program.clone().runs(10, 0, 10).must_wait());
        assert!(!program.runs(10, 0, 0).must_wait());
        assert!(!program.limiting.has_news());
        assert!(program.runs(100, 200, 0).has_news(), "it began again");
    }

    #[test]
    fn without_room_collection_gets_its_share_and_no_more() {
        let mut program = Program::new();
        program.limiting.found_room(false);
        assert!(program.limiting.has_news() && program.limiting.holds_back());
        // Each cycle costs 300 ms on one processor while the program has the other half the time; ten simulated minutes.
        let (mut cycles, mut waits) = (0u64, 0u64);
        while program.now.wall < 600_000 * MS {
            if program.limiting.must_wait() {
                waits += 1;
                program.runs(10, 0, 10);
            } else {
                cycles += 1;
                program.runs(300, 300, 150);
                program.limiting.found_room(false);
            }
        }
        let share = program.now.collection as f64 / program.now.process as f64;
        assert!((0.49..=0.501).contains(&share), "{share} after {cycles} cycles, {waits} waits");
        assert!(!program.limiting.has_news());
        program.limiting.found_room(true);
        assert!(!program.limiting.must_wait() && !program.limiting.holds_back());
        program.limiting.found_room(false);
        assert!(program.limiting.has_news());
    }

    #[test]
    fn clocks_are_read_every_ten_milliseconds() {
        let mut program = Program::new();
        assert!(!program.limiting.is_due(9 * MS) && program.limiting.is_due(10 * MS));
        program.runs(10, 0, 0);
        assert!(!program.limiting.is_due(19 * MS));
    }
}
