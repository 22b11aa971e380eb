//! A mutator cannot be kept for ever.

use greyset::{Mutator, MutatorHandle};

fn f(h: &mut MutatorHandle) {
    h.enter(|m| {
        let _kept: &'static mut Mutator = m;
    });
}

fn main() {}
