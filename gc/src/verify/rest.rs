//! What can be checked of a heap at rest, when no cycle runs and no mutator is in a window: that everything said twice is said the
//! same.
//!
//! 1. The allocator's tables against themselves: pages, spans, strips, sets, free rows, colours, counters.
//! 2. The account: every object ever accounted for lies in a coloured slot or has been swept.
//! 3. Free runs: nothing that can be reached lies in the unused part of a mutator's run.

use super::{Blame, Walk};
use crate::heap::Shared;
use crate::mutator::with_parked_caches;
use greyset_sync::atomic::Ordering::Relaxed;

/// 1 and 2.
pub(super) fn tables(shared: &Shared) -> Result<(), Blame> {
    let wrong = |rule: String| Blame { rule, path: None, writes: Vec::new() };
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

/// 3. `walk` has reached all it can.
pub(super) fn runs(walk: &mut Walk<'_>) {
    let shared = walk.shared;
    with_parked_caches(shared, |record, cache| {
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
