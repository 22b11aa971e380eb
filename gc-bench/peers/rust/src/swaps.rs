//! `swaps` with plain atomic words: what a load and a store of a reference are without a collector.
use crate::Clock;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::workloads::swaps::{BATCH, DEFAULT_OPS, POLL, Params, check, expect_swapped, places};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// The words are the places of boxes in a row, so that they are read as references are.
pub fn run(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    let ops = params.ops.unwrap_or(DEFAULT_OPS);
    let objects: Vec<Box<u64>> = (0..params.slots.next_power_of_two() as u64).map(Box::new).collect();
    let slots: Vec<AtomicUsize> = (0..objects.len()).map(AtomicUsize::new).collect();
    clock.start();
    for first in (0..ops).step_by(BATCH as usize) {
        swap_some(&slots, first, BATCH.min(ops - first));
    }
    clock.stop();
    expect_swapped(slots.iter().map(|slot| *objects[slot.load(Relaxed)]), ops)?;
    Ok(Outcome { ops, check: check(ops), op_times: None, notes: vec![] })
}

/// In pieces as the other program has them, which asks for a safepoint after each.
#[inline(never)]
fn swap_some(slots: &[AtomicUsize], first: u64, n: u64) {
    let end = first + n;
    for start in (first..end).step_by(POLL as usize) {
        for number in start..end.min(start + POLL) {
            let (a, b) = places(number, slots.len());
            let (left, right) = (slots[a].load(Relaxed), slots[b].load(Relaxed));
            slots[a].store(right, Relaxed);
            slots[b].store(left, Relaxed);
        }
    }
}
