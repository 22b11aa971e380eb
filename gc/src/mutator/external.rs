//! Bytes outside the heap that a mutator charges objects with: they are paid for as if they had been allocated here.

use crate::barrier::Mode;
use crate::cycle::Phase;
use crate::mutator::Mutator;

impl Mutator {
    /// What [`place`](Mutator::place) does for a run, after the heap was charged: pay while marking runs, and see to it that the
    /// collector goes on.
    pub(crate) fn pay_for_external(&self) {
        let shared = self.shared();
        if self.mode.get() != Mode::Off {
            self.pay(0);
        }
        if shared.published.phase() != Phase::Idle && shared.driver.is_inline() {
            self.record.word.set_step();
        }
        self.look_at_trigger();
    }
}
