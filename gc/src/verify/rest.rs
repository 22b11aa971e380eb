//! What can be checked of a heap at rest, when no cycle runs and nobody changes the allocator's tables: that everything said twice is
//! said the same.
//!
//! 1. The allocator's tables against themselves: pages, spans, strips, sets, free rows, colours, counters.
//! 2. The account: every object ever accounted for lies in a coloured slot or has been swept, and so do their bytes. How much of it the
//!    pacer takes for live (`Stats::heap_bytes`) is an estimate, and not checked.
//! 3. Free runs: nothing that can be reached lies in the unused part of a mutator's run.
//! 4. Bytes outside the heap: the account is the sum of what `Charged` values are charged with and what was reported by hand. Only with
//!    zeal's `verify`, which keeps a second book of them.
//!
//! All of it may be read at any time, since tables are atomics that never move; but what is read while somebody changes them need not
//! fit together. While no cycle runs, these change them:
//!
//! - mutators, who take runs, give them back when they leave, and give memory back to the system when they need other memory. Each
//!   says when (`Record::changing`);
//! - the sweeper, which gives memory back to the system. The allocator says when (`MHeap::releases`).
//!
//! So what is found wrong counts only if nobody has changed anything from before the look until after it; if somebody has, it is looked
//! again, a few times, and from the second time on mutators are asked to wait before they take another run (`Shared::held_still`). That
//! they do is no condition: it only makes it likely that nobody changes anything.
//!
//! What is left of a run is known to its mutator alone: it is checked of those that are parked, and left out of those in a window, whose
//! bump pointers move without a word.

use super::{Blame, Walk};
use crate::heap::Shared;
use crate::mutator::{List, with_parked_caches};
use crate::panics::caught;
use greyset_sync::atomic::Ordering::Relaxed;
use greyset_sync::thread;
use std::time::Duration;

/// How often tables are looked at that somebody changes each time.
const LOOKS: usize = 16;
/// How often it is looked whether nobody is at a change, before a look.
const WAITS: usize = 200;
/// After so many times in vain, somebody is at a change who may have lost the processor: others need time, and not just a turn.
const YIELDS: usize = 100;
/// Time for them.
const NAP: Duration = Duration::from_micros(50);

/// Mutators are asked to hold still for as long as this lives.
struct HeldStill<'a>(&'a Shared);

impl<'a> HeldStill<'a> {
    fn new(shared: &'a Shared) -> HeldStill<'a> {
        shared.held_still.store(true, Relaxed);
        HeldStill(shared)
    }
}

impl Drop for HeldStill<'_> {
    fn drop(&mut self) {
        self.0.held_still.store(false, Relaxed);
    }
}

/// What has been changed so far, and by whom.
#[derive(PartialEq, Eq)]
struct Changes {
    /// By each mutator.
    mutators: Vec<u32>,
    /// Memory given back.
    releases: u64,
}

impl Changes {
    /// `None` if somebody is at it.
    fn so_far(shared: &Shared, list: &List) -> Option<Changes> {
        let releases = shared.alloc.releases()?;
        let each = list.records().iter().map(|record| record.changes());
        let mutators = each.map(|changes| (changes % 2 == 0).then_some(changes)).collect::<Option<_>>()?;
        Some(Changes { mutators, releases })
    }
}

/// The checks. `walk` has reached all it can; the caller holds the collector's lock, and the phase is Idle. Answers how many spans were
/// checked; `None` if somebody changed them each time.
pub(super) fn check(walk: &mut Walk<'_>) -> Result<Option<u64>, Blame> {
    let shared = walk.shared;
    // Nobody attaches or detaches meanwhile.
    let list = shared.mutators.lock();
    runs(walk, &list);
    if let Some(blame) = walk.blame.take() {
        return Err(blame);
    }
    if let Some(rule) = shared.wrong_external() {
        return Err(wrong(rule));
    }
    let mut held = None;
    for _ in 0..LOOKS {
        let Some(before) = quiet(shared, &list) else {
            held.get_or_insert_with(|| HeldStill::new(shared));
            continue;
        };
        let found = walked(|| tables(shared));
        // What fits together does so whoever has changed it meanwhile.
        if found.is_ok() || Changes::so_far(shared, &list) == Some(before) {
            return found.map(Some);
        }
        held.get_or_insert_with(|| HeldStill::new(shared));
    }
    Ok(None)
}

fn wrong(rule: String) -> Blame {
    Blame { rule, path: None, writes: Vec::new() }
}

/// What has been changed when nobody is at it; `None` if somebody always is.
fn quiet(shared: &Shared, list: &List) -> Option<Changes> {
    (0..WAITS).find_map(|vain| {
        let changes = Changes::so_far(shared, list);
        match changes {
            Some(_) => {}
            None if vain < YIELDS => thread::yield_now(),
            None => thread::sleep(NAP),
        }
        changes
    })
}

/// Tables that do not fit together can lead anywhere, also to a panic.
pub(super) fn walked(look: impl FnOnce() -> Result<u64, Blame>) -> Result<u64, Blame> {
    caught(look).unwrap_or_else(|| Err(wrong("the allocator's tables cannot be walked".to_owned())))
}

/// 1 and 2. Answers how many spans there are.
fn tables(shared: &Shared) -> Result<u64, Blame> {
    let report = shared.alloc.verify().map_err(|corruption| wrong(corruption.to_string()))?;
    let coloured = report.coloured.iter().sum::<usize>() as u64;
    let (pace, alloc) = (&shared.pace, &shared.alloc);
    for (what, said, there, swept) in [
        ("objects", pace.objects.load(Relaxed), coloured, alloc.swept_objects()),
        ("bytes", pace.allocated.load(Relaxed), report.coloured_bytes as u64, alloc.swept_bytes()),
    ] {
        if said != there + swept {
            return Err(wrong(format!(
                "the account says that {said} {what} have been allocated; {there} are there and {swept} have been swept"
            )));
        }
    }
    Ok(report.spans as u64)
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
