//! Bytes outside the heap that a mutator charges objects with: they are paid for as if they had been allocated here.

use crate::barrier::Mode;
use crate::cycle::Phase;
use crate::mutator::Mutator;

impl Mutator {
    /// What [`place`](Mutator::place) does for a run, after the heap was charged with so many bytes: pay while marking runs, and see to it that the
    /// collector goes on.
    pub(crate) fn pay_for_external(&self, bytes: usize) {
        let shared = self.shared();
        match self.mode.get() {
            Mode::Off => {}
            // The bytes are among those that somebody has to pay for.
            _ if shared.published.tracing() => self.pay(0),
            _ => self.brake(bytes),
        }
        if shared.published.phase() != Phase::Idle && shared.driver.is_inline() {
            self.record.word.set_step();
        }
        self.look_at_trigger();
    }
}
