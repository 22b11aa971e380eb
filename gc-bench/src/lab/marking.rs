//! A cycle's marking, in steps of equal work: the background marks at its speed, the program allocates at its rate and, where
//! it owes more than the background has done in advance, marks too. What is owed is the pacer's answer.

use super::demand::Look;
use greyset::pacer::memory_limit::MemoryUse;
use greyset::pacer::{Pacer, Progress};

/// Steps of a cycle.
const STEPS: u32 = 64;
/// Halvings in which a speed is found, and the range it is looked for in: against that of assists, as powers of two.
const HALVINGS: u32 = 24;
const RANGE: std::ops::Range<f64> = -12.0..12.0;

/// Marking that is to be done.
#[derive(Clone, Copy)]
pub struct Marking<'p> {
    /// The heap's pacer, in a cycle; `None` while collection holds back and charges nothing.
    pub pacer: Option<&'p Pacer>,
    /// The program.
    pub look: Look,
    /// Live bytes when tracing opens.
    pub live: u64,
    /// Scan work for a live byte, as the last cycle found it.
    pub scan: f64,
    /// Scan work to do.
    pub work: f64,
}

/// What marking came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marked {
    /// Nanoseconds, as the looks count them.
    pub ns: f64,
    /// Bytes allocated meanwhile.
    pub grown: f64,
    /// Scan work done by the program.
    pub assisted: f64,
}

impl Look {
    /// Memory held when so much is live.
    pub fn memory(&self, live: u64) -> MemoryUse {
        let heap_alloc = (self.pages * live as f64) as u64;
        MemoryUse { mapped: heap_alloc + self.tables as u64, heap_free: 0, heap_alloc }
    }
}

impl Marking<'_> {
    /// Marks, `background` units of scan work a nanosecond besides the program's own.
    pub fn run(&self, background: f64) -> Marked {
        let Look { assist, allocation, .. } = self.look;
        let step = self.work / f64::from(STEPS);
        let (mut marked, mut credit) = (Marked::default(), 0.0);
        for n in 0..STEPS {
            // Scan work owed in a nanosecond.
            let owed = self.ratio(&marked, f64::from(n) * step) * allocation;
            let alone = step / background;
            let (ns, part) = if owed * alone <= credit + step {
                (alone, 1.0)
            } else {
                // The program allocates for a part f of the step and assists in the rest:
                // f·owed·ns = credit + background·ns + (1 − f)·assist·ns, and step = background·ns + (1 − f)·assist·ns.
                let ns = (step * (owed + assist) + assist * credit) / ((background + assist) * owed);
                (ns, ((credit / ns + background + assist) / (owed + assist)).min(1.0))
            };
            let assisted = (1.0 - part) * assist * ns;
            credit = (credit + background * ns + assisted - part * owed * ns).max(0.0);
            marked.ns += ns;
            marked.grown += part * allocation * ns;
            marked.assisted += assisted;
        }
        marked
    }

    /// Scan work that a byte owes.
    fn ratio(&self, marked: &Marked, done: f64) -> f64 {
        let Some(pacer) = self.pacer else { return 0.0 };
        let live = self.live + marked.grown as u64;
        let progress = Progress {
            live,
            scannable: (self.scan * live as f64) as u64,
            mutator_roots: 0,
            done: done as u64,
            memory: self.look.memory(live),
        };
        pacer.revise(&progress).work_per_byte
    }

    /// The speed of the background at which the program allocates no more than `grown` and does no more than `assisted` of the
    /// work: the faster it is, the less there is of both.
    pub fn fit(&self, grown: f64, assisted: f64) -> f64 {
        let too_slow = |background| {
            let marked = self.run(background);
            marked.assisted > assisted + 0.001 * self.work || marked.grown > grown
        };
        let (mut low, mut high) = (RANGE.start, RANGE.end);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if too_slow(self.look.assist * middle.exp2()) { low = middle } else { high = middle }
        }
        self.look.assist * high.exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use greyset::pacer::{CycleInputs, CycleStart, Settings};

    const MIB: f64 = 1048576.0;

    /// The pacer of a heap with 4 MiB live, in its second cycle, and what it is to mark.
    fn marking<R>(test: impl FnOnce(Marking<'_>) -> R) -> R {
        let mut pacer = Pacer::new(Settings { processors: 2, ..Settings::default() });
        let live = 4 << 20;
        let start = |pacer: &mut Pacer, live| {
            pacer.start_cycle(&CycleStart { live, scannable: live, ..CycleStart::default() });
        };
        start(&mut pacer, live);
        pacer.end_cycle(&CycleInputs {
            live,
            marked: live,
            heap_work: live,
            wall: 1_000_000,
            ..CycleInputs::default()
        });
        start(&mut pacer, 7 << 20);
        let look = Look { assist: 1.0, allocation: 1.0, pages: 1.0, ..Look::default() };
        test(Marking { pacer: Some(&pacer), look, live: 7 << 20, scan: 1.0, work: 4.0 * MIB })
    }

    #[test]
    fn a_fast_background_leaves_nothing_to_the_program() {
        marking(|marking| {
            let Marked { ns, grown, assisted } = marking.run(8.0);
            assert!((ns - 0.5 * MIB).abs() < 1.0 && (grown - 0.5 * MIB).abs() < 1.0 && assisted == 0.0);
        });
    }

    #[test]
    fn a_slow_one_is_helped_so_that_the_goal_is_kept() {
        marking(|marking| {
            let slow = marking.run(1.0);
            assert!(slow.assisted > 0.5 * MIB, "{slow:?}");
            assert!((0.9 * MIB..1.1 * MIB).contains(&slow.grown), "{slow:?}");
            // All the work is done by the one or the other.
            assert!((slow.ns + slow.assisted - 4.0 * MIB).abs() < 1.0, "{slow:?}");
            let held_back = Marking { pacer: None, ..marking }.run(1.0);
            assert_eq!((held_back.assisted, held_back.grown.round()), (0.0, 4.0 * MIB));
        });
    }

    #[test]
    fn the_speed_is_found_again() {
        marking(|marking| {
            for speed in [1.0, 1.5, 3.0, 20.0] {
                let seen = marking.run(speed);
                let found = marking.run(marking.fit(seen.grown, seen.assisted));
                assert!((found.grown / seen.grown - 1.0).abs() < 0.05, "{speed}: {found:?} {seen:?}");
            }
        });
    }
}
