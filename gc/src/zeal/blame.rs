//! Who wrote a slot: with `blame:N`, each mutator keeps its last N slot writes.
//!
//! The barrier costs nothing for this: a mutator that keeps its writes shows its slots the barrier [`Barrier::Other`], by which they
//! leave the write to a cold function, in every mode.

use crate::barrier::{Barrier, Mode};
use crate::heap::Shared;
use crate::mutator::Mutator;
use crate::zeal::count;
use greyset_sync::{Mutex, Rank};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// Mutators whose writes are remembered, those that have detached included.
const MOST_RINGS: usize = 256;

/// A write to a slot, as its mutator remembers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotWrite {
    /// Its number among the writes that mutators of the heap have noted, from 1.
    pub number: u64,
    /// The mutator's number, from 1, and its name.
    pub mutator: (u32, String),
    /// Number of the mutator's window.
    pub window: u32,
    /// Mode of the mutator's barrier: `"off"`, `"both"` or `"deletion"`.
    pub mode: &'static str,
    /// Number of the cycle that ran last when it was made.
    pub cycle: u32,
    /// Address of the slot.
    pub slot: usize,
    /// What the slot referred to before, 0 for nothing.
    pub old: usize,
    /// What it refers to since, 0 for nothing.
    pub new: usize,
}

impl fmt::Display for SlotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, name) = &self.mutator;
        write!(
            f,
            "write {}: mutator {id} ({name:?}), window {}, mode {}, cycle {}: {:#x} → {:#x}",
            self.number, self.window, self.mode, self.cycle, self.old, self.new
        )
    }
}

/// The last writes of a mutator.
pub(crate) struct Ring {
    writes: Mutex<VecDeque<SlotWrite>>,
    most: usize,
}

/// The rings of a heap's mutators.
pub(crate) struct Rings(Mutex<VecDeque<Arc<Ring>>>);

impl Rings {
    /// None yet.
    pub(crate) fn new() -> Rings {
        Rings(Mutex::new(Rank::Stats, VecDeque::new()))
    }

    /// A ring for a mutator that attaches.
    pub(crate) fn add(&self, most: usize) -> Arc<Ring> {
        let ring = Arc::new(Ring { writes: Mutex::new(Rank::Leaf, VecDeque::new()), most });
        let mut rings = self.0.lock();
        if rings.len() == MOST_RINGS {
            rings.pop_front();
        }
        rings.push_back(Arc::clone(&ring));
        ring
    }

    /// The writes to a slot that are remembered, oldest first.
    pub(crate) fn writes_to(&self, slot: usize) -> Vec<SlotWrite> {
        let mut found = Vec::new();
        for ring in self.0.lock().iter() {
            found.extend(ring.writes.lock().iter().filter(|write| write.slot == slot).cloned());
        }
        found.sort_by_key(|write| write.number);
        found
    }
}

impl Mode {
    /// What slots of a mutator in this mode look at, which keeps its writes or does not.
    pub(crate) fn barrier(self, noted: bool) -> Barrier {
        match self {
            _ if noted => Barrier::Other,
            Mode::Off => Barrier::Off,
            Mode::Both => Barrier::Other,
            Mode::Deletion => Barrier::Deletion,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Mode::Off => "off",
            Mode::Both => "both",
            Mode::Deletion => "deletion",
        }
    }
}

impl Mutator {
    /// Remembers a write to the slot at `slot`, if this mutator keeps its writes.
    pub(crate) fn note_write(&self, slot: usize, old: usize, new: usize) {
        let Some(ring) = self.ring() else { return };
        let shared: &Shared = self.shared();
        let (mutator, window) = self.name_and_window();
        let mut writes = ring.writes.lock();
        if writes.len() == ring.most {
            writes.pop_front();
        }
        writes.push_back(SlotWrite {
            number: count(&shared.zeal.done.writes_noted),
            mutator,
            window,
            mode: self.mode().name(),
            cycle: self.cycle(),
            slot,
            old,
            new,
        });
    }
}
