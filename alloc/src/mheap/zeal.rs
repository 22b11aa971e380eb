//! Zeal of the heap's memory: poison and quarantine, so that a use of what has been swept does not go unnoticed.
//!
//! *Poison*: every Free slot is filled with a pattern, from the making of its span or its sweep on, and looked at when a run
//! is taken: whoever wrote to a slot that was not his is found out, by the type of the span and the address.
//!
//! *Quarantine*: of the slots a sweep finds dead the first so many become [`Colour::QUARANTINE`] instead of Free, until their
//! span is swept again, which is a whole cycle later. A reference to one can be told from a good one as long as it lasts.
//!
//! Off, each of these costs a test of a constant field where a run is taken, a span made or swept; nothing an allocation.

use crate::colour::Colour;
use crate::config::Zeal;
use crate::space::Space;
use crate::span::Span;
use crate::span::strip::Coloured;
use crate::unit::SpanId;
use greyset_sync::atomic::{AtomicU64, Ordering::Relaxed};
use greyset_sync::{Mutex, Rank};
use std::collections::HashMap;
use std::ops::Range;

/// What poisoned slots are filled with: eight of them are no address of any heap.
const POISON: u8 = 0xfb;
const POISON_WORD: u64 = u64::from_ne_bytes([POISON; 8]);
/// Most bytes of spans that quarantine may keep from being given back, and the part of the limit.
const MOST_BYTES: u64 = 2 << 20;
const PART_OF_LIMIT: u64 = 32;

/// What zeal has done in a heap's memory.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct ZealCounts {
    /// Slots filled with the pattern.
    pub poisoned: u64,
    /// Slots whose pattern was found whole when they were handed out.
    pub poison_checked: u64,
    /// Swept slots that were kept from reuse.
    pub quarantined: u64,
    /// Of these, those that have become Free since.
    pub released: u64,
}

/// Slots in quarantine, by span.
#[derive(Default)]
struct Held {
    slots: HashMap<SpanId, Vec<u32>>,
    count: usize,
    /// Bytes of their spans.
    bytes: usize,
}

/// Zeal of one heap, and what it did.
pub(crate) struct Zealous {
    config: Zeal,
    held: Mutex<Held>,
    poisoned: AtomicU64,
    checked: AtomicU64,
    quarantined: AtomicU64,
    released: AtomicU64,
}

impl Zealous {
    pub(crate) fn new(config: Zeal) -> Zealous {
        Zealous {
            config,
            held: Mutex::new(Rank::Leaf, Held::default()),
            poisoned: AtomicU64::new(0),
            checked: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            released: AtomicU64::new(0),
        }
    }

    /// Whether slots may be in quarantine.
    pub(crate) fn holds(&self) -> bool {
        self.config.quarantine > 0
    }

    /// Whether a run has one slot, and is used up by the first value in it.
    pub(crate) fn one_slot_runs(&self) -> bool {
        self.config.one_slot_runs
    }

    /// Most slots a run may have that may have `most` otherwise.
    pub(crate) fn run_slots(&self, most: usize) -> usize {
        if self.config.one_slot_runs { 1 } else { most }
    }

    /// A span has been made: its slots are Free.
    pub(crate) fn span_made(&self, space: &Space, span: &Span) {
        if self.config.poison {
            self.fill(space, span, 0..span.slots());
        }
    }

    /// A run is taken.
    ///
    /// # Panics
    /// When a slot of it has been written to while it was Free.
    pub(crate) fn handed_out(&self, space: &Space, span: &Span, run: Range<usize>) {
        if self.config.poison {
            self.check(space, span, run, "Free");
        }
    }

    /// The dead slots of a span are about to become Free: fills them, and keeps some. The caller has claimed the span.
    /// Returns how many of its slots are in quarantine now. `limit` is the most bytes the heap may hold.
    pub(crate) fn before_sweep(&self, space: &Space, span: &Span, white: Colour, limit: u64) -> usize {
        if self.config.poison {
            for index in Coloured::new(span.strip(space), white) {
                self.fill(space, span, index..index + 1);
            }
        }
        if self.holds() { self.hold(space, span, white, limit) } else { 0 }
    }

    fn hold(&self, space: &Space, span: &Span, white: Colour, limit: u64) -> usize {
        let strip = span.strip(space);
        let mut held = self.held.lock();
        let before = held.slots.remove(&span.id()).unwrap_or_default();
        if !before.is_empty() {
            held.count -= before.len();
            held.bytes -= span.bytes();
        }
        let most = MOST_BYTES.min(limit / PART_OF_LIMIT);
        let room = match (held.bytes + span.bytes()) as u64 <= most {
            true => (self.config.quarantine as usize).saturating_sub(held.count),
            false => 0,
        };
        let now: Vec<u32> = Coloured::new(strip, white).take(room).map(|index| index as u32).collect();
        for &index in &now {
            strip[index as usize].store(Colour::QUARANTINE.byte(), Relaxed);
        }
        let kept = now.len();
        if kept > 0 {
            held.count += kept;
            held.bytes += span.bytes();
            held.slots.insert(span.id(), now);
        }
        drop(held);
        self.quarantined.fetch_add(kept as u64, Relaxed);
        self.released.fetch_add(before.len() as u64, Relaxed);
        for index in before {
            let index = index as usize;
            strip[index].store(Colour::FREE.byte(), Relaxed);
            if self.config.poison {
                self.check(space, span, index..index + 1, "quarantined");
            }
        }
        kept
    }

    fn fill(&self, space: &Space, span: &Span, slots: Range<usize>) {
        self.poisoned.fetch_add(slots.len() as u64, Relaxed);
        for index in slots {
            let slot = space.pointer(span.object_addr(index));
            // SAFETY: the slot lies in a span that the caller has made or claimed, and holds no value: nobody else has it.
            unsafe { slot.write_bytes(POISON, span.object_bytes()) };
        }
    }

    fn check(&self, space: &Space, span: &Span, slots: Range<usize>, state: &str) {
        self.checked.fetch_add(slots.len() as u64, Relaxed);
        for index in slots {
            let slot = space.pointer(span.object_addr(index)).cast::<u64>();
            let words = span.object_bytes() / size_of::<u64>();
            // SAFETY: as in `fill`; a slot is a multiple of 8 bytes, aligned to them, and was filled when its span was made.
            let words = unsafe { std::slice::from_raw_parts(slot, words) };
            if let Some(at) = words.iter().position(|&word| word != POISON_WORD) {
                panic!(
                    "a {state} slot of type {} at {slot:p} has been written to: word {at} is {:#018x} and should be {POISON_WORD:#018x}",
                    (span.info().name)(),
                    words[at]
                );
            }
        }
    }

    /// What it did so far.
    pub(crate) fn counts(&self) -> ZealCounts {
        ZealCounts {
            poisoned: self.poisoned.load(Relaxed),
            poison_checked: self.checked.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
            released: self.released.load(Relaxed),
        }
    }
}

impl super::MHeap {
    /// What zeal has done in this heap's memory.
    pub fn zeal_counts(&self) -> ZealCounts {
        self.zeal.counts()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
