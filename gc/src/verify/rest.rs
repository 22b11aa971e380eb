//! What can be checked of a heap at rest, when no cycle runs and nobody changes the allocator's tables: that everything said twice is
//! said the same.
//!
//! 1. The allocator's tables against themselves: pages, spans, strips, sets, free rows, colours, counters.
//! 2. The account: every object ever accounted for lies in a coloured slot or has been swept.
//! 3. Free runs: nothing that can be reached lies in the unused part of a mutator's run.
//!
//! All of it may be read at any time, since tables are atomics that never move; but what is read while somebody changes them need not
//! fit together. While no cycle runs only mutators change them, and each says when (`Record::changing`): if one is at it, nothing is
//! checked, and if one was meanwhile, what looks wrong is not reported.

use super::{Blame, Walk};
use crate::heap::Shared;
use crate::mutator::{List, with_parked_caches};
use crate::panics::caught;
use greyset_sync::atomic::Ordering::Relaxed;

/// The checks. `walk` has reached all it can; the caller holds the collector's lock, and the phase is Idle.
pub(super) fn check(walk: &mut Walk<'_>) -> Result<(), Blame> {
    let shared = walk.shared;
    // Nobody attaches or detaches meanwhile.
    let list = shared.mutators.lock();
    let Some(before) = changes(&list) else { return Ok(()) };
    runs(walk, &list);
    if let Some(blame) = walk.blame.take() {
        return Err(blame);
    }
    // Tables that do not fit together can lead anywhere, also to a panic.
    let found = caught(|| tables(shared))
        .unwrap_or_else(|| Err(wrong("the allocator's tables cannot be walked".to_owned())));
    if found.is_err() && changes(&list).as_ref() != Some(&before) {
        return Ok(());
    }
    found
}

/// What the mutators have changed so far; `None` if one is at it.
fn changes(list: &List) -> Option<Vec<u32>> {
    let each = list.records().iter().map(|record| record.changes());
    each.map(|changes| (changes % 2 == 0).then_some(changes)).collect()
}

fn wrong(rule: String) -> Blame {
    Blame { rule, path: None, writes: Vec::new() }
}

/// 1 and 2.
fn tables(shared: &Shared) -> Result<(), Blame> {
    let report = shared.alloc.verify().map_err(|corruption| wrong(corruption.to_string()))?;
    let coloured = report.coloured.iter().sum::<usize>() as u64;
    let (said, swept) = (shared.pace.objects.load(Relaxed), shared.alloc.swept_objects());
    if said != coloured + swept {
        return Err(wrong(format!(
            "the account says that {said} objects have been allocated; {coloured} are there and {swept} have been swept"
        )));
    }
    Ok(())
}

/// 3. The unused part of a run holds nothing that was reached, whoever has run meanwhile: a slot is not used twice between sweeps.
fn runs(walk: &mut Walk<'_>, list: &List) {
    let shared = walk.shared;
    with_parked_caches(shared, list, |record, cache| {
        cache.for_each_reserved(&shared.alloc, |slot| {
            if walk.blame.is_none()
                && let Some(&holder) = walk.from.get(&slot)
            {
                walk.holder = holder;
                let rule = format!(
                    "{slot:#x} is referred to and lies in the run of mutator {} ({:?}), where no object has been made yet",
                    record.id(),
                    record.name()
                );
                walk.fail(slot, rule);
            }
        });
    });
}
