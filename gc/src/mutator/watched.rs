//! What a simulator may ask a mutator. Not compiled into production.

use crate::barrier::Mode;
use crate::mutator::Mutator;
use greyset_alloc::Colour;
use greyset_sync::atomic::Ordering;

impl Mutator {
    /// Whether an object, or a slot of a run, is at `addr`: a reference to a Free slot is a failure.
    pub fn is_allocated(&self, addr: usize) -> bool {
        let space = self.space();
        space.object_base(addr).is_some_and(|(base, _)| {
            let byte = space.colour_at(space.page(base), base).load(Ordering::Relaxed);
            Colour::of(byte) != Colour::FREE
        })
    }

    /// The phase the heap is in.
    pub fn phase(&self) -> &'static str {
        self.shared().published.phase().name()
    }

    /// The mode of this mutator's slot writes.
    pub fn mode_name(&self) -> &'static str {
        match self.mode() {
            Mode::Off => "Off",
            Mode::Both => "Both",
            Mode::Deletion => "Deletion",
        }
    }

    /// Number of the window: how many handshakes this mutator has answered.
    pub fn window(&self) -> u32 {
        self.record.window()
    }
}
