//! The heap goal that a soft memory limit leaves room for.
//!
//! Formula (Go, design 48409): what is not heap, and what the whole is already above the limit, is taken off the limit; of the
//! rest 3 % (at least 1 MiB) stays free as headroom for what the estimate misses. It never goes below what is live: a limit
//! under the live heap cannot be kept by collecting, and the CPU limiter and the hard limit deal with that.

/// Stands for "no limit": so large that the goal it gives is out of reach.
pub const NO_LIMIT: u64 = i64::MAX as u64;

/// Part of the room that stays free, in percent.
const HEADROOM_PERCENT: u64 = 3;
/// What stays free at least, in bytes.
const MIN_HEADROOM: u64 = 1 << 20;

/// What the heap holds of the system's memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    /// All of it: committed and not given back, with tables, buffers and whatever else counts against the limit.
    pub mapped: u64,
    /// The part of `mapped` in free pages.
    pub heap_free: u64,
    /// The part of `mapped` in objects, dead ones not yet swept included.
    pub heap_alloc: u64,
}

/// Largest share of tables that grows with the heap: colours are at most a byte for eight. More is something else (roots).
const MOST_TABLES: f64 = 0.125;

impl MemoryUse {
    /// Bytes that are neither in objects nor in free pages.
    fn non_heap(&self) -> u64 {
        self.mapped.saturating_sub(self.heap_free).saturating_sub(self.heap_alloc)
    }

    /// The part of the memory in use that is tables, 0 to 0.125.
    pub fn tables_share(&self) -> f64 {
        let used = self.mapped.saturating_sub(self.heap_free);
        if used == 0 { 0.0 } else { (self.non_heap() as f64 / used as f64).min(MOST_TABLES) }
    }
}

/// The heap goal in bytes under a limit of `limit` bytes, with `marked` bytes live.
///
/// ```text
/// nonHeap  = mapped − heapFree − heapAlloc
/// over     = max(mapped − limit, 0)
/// g        = limit − nonHeap − over                 (M when that is ≤ 0)
/// headroom = max(g/100·3, 1 MiB)
/// goal     = max(g − headroom, headroom, M)         (headroom when g < 2·headroom)
/// ```
pub fn limit_goal(limit: u64, memory: &MemoryUse, marked: u64) -> u64 {
    let over = memory.mapped.saturating_sub(limit);
    let taken = memory.non_heap().saturating_add(over);
    if taken >= limit {
        return marked;
    }
    let room = limit - taken;
    let headroom = (room / 100 * HEADROOM_PERCENT).max(MIN_HEADROOM);
    room.saturating_sub(headroom).max(headroom).max(marked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn tables_are_what_is_neither_object_nor_free() {
        let share =
            |mapped, heap_free, heap_alloc| MemoryUse { mapped, heap_free, heap_alloc }.tables_share();
        assert_eq!([share(0, 0, 0), share(100, 100, 0), share(100, 0, 100)], [0.0; 3]);
        assert_eq!([share(1600, 600, 900), share(1600, 0, 100)], [0.1, 0.125]);
    }

    #[test]
    fn three_percent_stay_free() {
        assert_eq!(limit_goal(512 * MIB, &MemoryUse::default(), 0), 520_764_785);
        // Integer division first: 199 bytes of a hundred and one are not three percent of them.
        assert_eq!(limit_goal(100_000_199, &MemoryUse::default(), 0), 100_000_199 - 1_000_001 * 3);
    }

    #[test]
    fn what_is_not_heap_is_taken_off() {
        // 300 mapped = 60 free pages + 200 objects + 40 of other kinds.
        let memory = MemoryUse { mapped: 300 * MIB, heap_free: 60 * MIB, heap_alloc: 200 * MIB };
        let room = (512 - 40) * MIB;
        assert_eq!(limit_goal(512 * MIB, &memory, 0), room - room / 100 * 3);
        // Already 20 above the limit: they are taken off too.
        let over = MemoryUse { mapped: 532 * MIB, heap_free: 60 * MIB, heap_alloc: 432 * MIB };
        let room = (512 - 40 - 20) * MIB;
        assert_eq!(limit_goal(512 * MIB, &over, 0), room - room / 100 * 3);
    }

    #[test]
    fn no_room_means_what_is_live() {
        let memory = MemoryUse { mapped: 64 * MIB, heap_free: 0, heap_alloc: 0 };
        assert_eq!(limit_goal(64 * MIB, &memory, 5), 5);
        assert_eq!(limit_goal(10 * MIB, &memory, 77 * MIB), 77 * MIB);
        assert_eq!(limit_goal(64 * MIB, &MemoryUse::default(), 100 * MIB), 100 * MIB);
    }

    #[test]
    fn a_small_room_is_halved_at_most() {
        let none = MemoryUse::default();
        assert_eq!(limit_goal(8 * MIB, &none, 0), 7 * MIB);
        assert_eq!(limit_goal(2 * MIB, &none, 0), MIB);
        assert_eq!(limit_goal(2 * MIB - 1, &none, 0), MIB); // g − headroom < headroom
        assert_eq!(limit_goal(MIB / 2, &none, 0), MIB); // g < headroom
        assert_eq!(limit_goal(0, &none, 3), 3);
    }

    proptest! {
        #[test]
        fn never_below_live_and_never_a_panic(
            limit: u64, mapped: u64, heap_free: u64, heap_alloc: u64, marked: u64, shift in 0u32..64
        ) {
            let memory = MemoryUse { mapped: mapped >> shift, heap_free, heap_alloc: heap_alloc >> shift };
            let goal = limit_goal(limit >> shift, &memory, marked >> shift);
            prop_assert!(goal >= marked >> shift);
            prop_assert!(goal <= (limit >> shift).max(marked >> shift).max(MIN_HEADROOM));
        }
    }
}
