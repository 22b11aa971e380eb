//! One budget for several heaps: split, rebalanced by what cycles show, and given back by heaps that are dropped.

use greyset::{Budget, Driver, Heap, HeapBuilder, Slot};
use greyset_tests::common::finish;

const MIB: u64 = 1 << 20;

fn stepping() -> HeapBuilder {
    Heap::builder().driver(Driver::Stepping)
}

#[test]
fn heaps_share_one_limit_by_what_they_allocate() {
    let budget = Budget::new(256 * MIB);
    let heaps: Vec<Heap> =
        (0..4).map(|_| stepping().budget(budget.member()).build().expect("a heap")).collect();
    let first = budget.shares();
    assert!(first.iter().all(|share| share.abs_diff(64 * MIB) <= 1), "{first:?}");
    assert_eq!(heaps[3].stats().memory_limit, Some(first[3]));

    // Live data is what a heap gets first, whatever the rates.
    let kept = heaps[0].mutator().enter(|m| m.alloc_bytes(&vec![0; 128 * MIB as usize]).root(m));
    finish(&mut heaps[0].stepper());
    let shares = budget.shares();
    assert!(shares[0] > 140 * MIB && shares[1] < 40 * MIB, "{shares:?}");
    assert!(shares.iter().sum::<u64>() <= 256 * MIB);
    assert_eq!(heaps[0].stats().memory_limit, Some(shares[0]), "in force with the end of the cycle");
    finish(&mut heaps[1].stepper());
    assert_eq!(heaps[1].stats().memory_limit, Some(budget.shares()[1]));
    drop(kept);

    // Leaving gives the share to the others at once, and less to split takes from all.
    drop(heaps);
    assert!(budget.shares().is_empty());
    let last = stepping().budget(budget.member()).build().expect("a heap");
    assert_eq!(last.stats().memory_limit, Some(256 * MIB));
    budget.set_total(32 * MIB);
    finish(&mut last.stepper());
    assert_eq!(last.stats().memory_limit, Some(32 * MIB));
}

#[test]
fn floors_ceilings_and_priorities() {
    let budget = Budget::new(300 * MIB);
    let limit = |heap: &Heap| heap.stats().memory_limit.expect("a limit");
    let high = stepping().budget(budget.member().ceiling(50 * MIB)).build().expect("a heap");
    assert_eq!(limit(&high), 50 * MIB);
    let own = stepping().memory_limit(20 * MIB).budget(budget.member()).build().expect("a heap");
    assert_eq!(limit(&own), 20 * MIB);
    let low = stepping().budget(budget.member().floor(200 * MIB)).build().expect("a heap");
    assert!(limit(&low) >= 200 * MIB);
    own.set_memory_limit(Some(10 * MIB)).expect("in range");
    finish(&mut own.stepper());
    assert_eq!(limit(&own), 10 * MIB);

    // What the place says holds beside the heap's own limits, also where it has none any more.
    high.set_memory_limit(None).expect("off");
    finish(&mut high.stepper());
    assert_eq!(limit(&high), 50 * MIB);
    // The share is no limit that anybody has set, and one that was set counts though the share is smaller.
    let whole = Budget::new(100 * MIB);
    let heap = stepping().memory_limit(200 * MIB).budget(whole.member()).build().expect("a heap");
    assert_eq!(limit(&heap), 100 * MIB);
    let error = heap.set_hard_limit(Some(150 * MIB)).expect_err("below the soft limit").to_string();
    assert!(error.starts_with("memory_limit (200MiB"), "{error}");
    heap.set_memory_limit(None).expect("off");
    heap.set_hard_limit(Some(50 * MIB)).expect("a limit");
    finish(&mut heap.stepper());
    assert_eq!(limit(&heap), 50 * MIB);
    high.set_hard_limit(Some(40 * MIB)).expect("a limit");
    finish(&mut high.stepper());
    assert!(limit(&high) <= 40 * MIB, "{}", limit(&high));

    let budget = Budget::new(100 * MIB);
    let heaps = [3.0, 1.0].map(|p| stepping().budget(budget.member().priority(p)).build().expect("a heap"));
    let shares = budget.shares();
    assert!(shares[0].abs_diff(75 * MIB) <= 1 && shares[1].abs_diff(25 * MIB) <= 1, "{shares:?}");
    drop(heaps);
}

#[test]
fn a_heap_that_has_never_collected_takes_its_new_share_with_its_next_run() {
    let budget = Budget::new(256 * MIB);
    let first = stepping().budget(budget.member()).build().expect("a heap");
    let _second = stepping().budget(budget.member()).build().expect("a heap");
    let limit = || first.stats().memory_limit;
    assert_eq!(limit(), Some(256 * MIB));
    first.mutator().enter(|m| _ = m.alloc(0u64));
    assert_eq!(limit(), Some(128 * MIB));
}

#[test]
fn pages_with_holes_count_as_what_a_heap_must_have() {
    let budget = Budget::new(256 * MIB);
    let heap = stepping().budget(budget.member()).build().expect("a heap");
    // It could use all.
    let _other = stepping().budget(budget.member().priority(100.0)).build().expect("a heap");
    // One object of eight stays, on every page.
    let kept = heap.mutator().enter(|m| {
        let kept = m.alloc_array(100_000, |_| Slot::<[u64; 8]>::empty()).root(m);
        for i in 0..800_000 {
            let object = m.alloc([i as u64; 8]);
            if i % 8 == 0 {
                kept.get(m)[i / 8].store(m, Some(object));
            }
        }
        kept
    });
    let mut stepper = heap.stepper();
    finish(&mut stepper);
    let stats = heap.stats();
    assert!(stats.live_bytes < 10 * MIB && stats.mapped_bytes > 48 * MIB, "{stats}");
    let shares = budget.shares();
    assert!(shares[0] > 48 * MIB && shares.iter().sum::<u64>() <= 256 * MIB, "{shares:?}");
    // What has become empty counts no more.
    drop(kept);
    finish(&mut stepper);
    assert!(budget.shares()[0] < 48 * MIB, "{:?}", budget.shares());
}
