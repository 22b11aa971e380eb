//! The brand of a `Lock` is invariant.

use greyset::Lock;

fn f<'long: 'short, 'short>(lock: &'short Lock<'long, u64>) -> &'short Lock<'short, u64> {
    lock
}

fn main() {}
