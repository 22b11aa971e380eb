//! Very many heaps, one after another: nothing of them stays.

use greyset::{Driver, Heap};
use greyset_tests::common::{Drops, make_list};
use std::fs;

const HEAPS: u64 = 10_000;
/// Bytes of addresses that each reserves: if half of them stayed, no other test's heaps would look like that.
const RESERVE: u64 = 1 << 30;

/// Mappings, threads and bytes of addresses of this process, where the system tells.
fn held() -> (usize, usize, u64) {
    let lines = |path: &str| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let threads = fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let size = status
        .lines()
        .find_map(|line| line.strip_prefix("VmSize:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    (lines("/proc/self/maps"), threads, size.unwrap_or(0) << 10)
}

#[test]
fn ten_thousand_heaps() {
    let drops = Drops::default();
    let one = |number: u64| {
        // Every tenth with threads of its own, dropped while they work.
        let driver = if number.is_multiple_of(10) { Driver::Background } else { Driver::Inline };
        let heap = Heap::builder().ignore_environment().driver(driver).reserve(RESERVE).build();
        let heap = heap.unwrap_or_else(|error| panic!("heap {number}: {error}"));
        let root = heap.mutator().enter(|m| {
            m.alloc(drops.value());
            make_list(m, 10).root(m)
        });
        heap.request_cycle();
        (heap, root)
    };
    (0..20).for_each(|number| drop(one(number)));
    let (mappings, threads, size) = held();
    (0..HEAPS).for_each(|number| drop(one(number)));
    let (more_mappings, more_threads, more_size) = held();
    assert_eq!(drops.count(), HEAPS + 20);
    // Other tests of this program run meanwhile: a few of theirs, but nothing for each heap.
    assert!(more_mappings < mappings + 500, "{mappings} mappings, then {more_mappings}");
    assert!(more_threads < threads + 100, "{threads} threads, then {more_threads}");
    // Mappings side by side count as one, so what they add up to counts, too.
    assert!(more_size < size + HEAPS * RESERVE / 2, "{size} bytes of addresses, then {more_size}");
}
