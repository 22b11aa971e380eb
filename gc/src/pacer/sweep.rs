//! Proportional sweep: how many pages a mutator has to have swept before it takes a span, so that all is swept when the next
//! cycle wants to begin. The rule is Go's.

/// Bytes before the trigger at which sweeping is to be done.
const RESERVE: u64 = 1 << 20;
/// Distance in bytes that is assumed at least: a page.
const MIN_DISTANCE: u64 = 8 << 10;

/// The pace, fixed when sweeping opens and when the trigger changes.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct SweepPace {
    /// Pages to sweep for a byte that the heap grows.
    pages_per_byte: f64,
    /// Live heap in bytes when the pace was set.
    live_basis: u64,
    /// Pages swept when the pace was set.
    swept_basis: u64,
}

impl SweepPace {
    /// `pagesPerByte = (pagesInUse − pagesSwept) / max(trigger − live − 1 MiB, 8 KiB)`; pages, and bytes.
    pub fn new(trigger: u64, live: u64, pages_in_use: u64, pages_swept: u64) -> SweepPace {
        let distance = trigger.saturating_sub(live).saturating_sub(RESERVE).max(MIN_DISTANCE);
        let pages = pages_in_use.saturating_sub(pages_swept);
        SweepPace {
            pages_per_byte: pages as f64 / distance as f64,
            live_basis: live,
            swept_basis: pages_swept,
        }
    }

    /// Pages to sweep for a byte that the heap grows.
    pub fn pages_per_byte(&self) -> f64 {
        self.pages_per_byte
    }

    /// Pages that are still to be swept before a span of `span` bytes may be taken, when the live heap is `live` bytes and
    /// `swept` pages have been swept by anyone. 0: take it.
    pub fn owed(&self, live: u64, span: u64, swept: u64) -> u64 {
        let grown = live.saturating_sub(self.live_basis).saturating_add(span);
        let due = super::assist::trunc(self.pages_per_byte * grown as f64);
        due.saturating_sub(swept.saturating_sub(self.swept_basis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn swept_in_step_with_growth() {
        // 1000 pages of work, 10 MiB of growth: 100 pages a MiB.
        let pace = SweepPace::new(31 * MIB, 20 * MIB, 1500, 500);
        assert_eq!(pace.owed(20 * MIB, MIB, 500), 100);
        assert_eq!(pace.owed(20 * MIB, MIB, 540), 60);
        assert_eq!(pace.owed(25 * MIB, 0, 1000), 0);
        assert_eq!(pace.owed(30 * MIB, 0, 1000), 500);
        assert_eq!(pace.owed(10 * MIB, MIB, 500), 100); // The heap shrank: nothing is owed for that.
    }

    #[test]
    fn no_distance_left_is_a_page() {
        let pace = SweepPace::new(20 * MIB, 20 * MIB, 100, 0);
        assert_eq!(pace.owed(20 * MIB, 8 << 10, 0), 100);
        assert_eq!(SweepPace::new(21 * MIB + (8 << 10), 20 * MIB, 100, 0), pace);
    }

    #[test]
    fn nothing_to_sweep_owes_nothing() {
        assert_eq!(SweepPace::new(0, 0, 10, 20).owed(u64::MAX, u64::MAX, 0), 0);
        assert_eq!(SweepPace::default().owed(5 * MIB, MIB, 0), 0);
    }

    proptest! {
        #[test]
        fn all_is_swept_by_the_trigger(live in 0u64..1 << 40, growth in 0u64..1 << 40, pages in 1u64..1 << 30) {
            let trigger = live + growth;
            let pace = SweepPace::new(trigger, live, pages, 0);
            prop_assert!(pace.owed(trigger, MIN_DISTANCE, 0) >= pages - 1);
        }

        #[test]
        fn no_panic(trigger: u64, live: u64, in_use: u64, swept: u64, now: u64, span: u64, done: u64) {
            let _ = SweepPace::new(trigger, live, in_use, swept).owed(now, span, done);
        }
    }
}
