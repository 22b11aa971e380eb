//! A handle is busy while its mutator is inside.

use greyset::MutatorHandle;

fn f(h: &mut MutatorHandle) {
    h.enter(|_| h.enter(|_| ()));
}

fn main() {}
