//! An iterator over an array in the heap does not outlive the window.

use greyset::{Array, Mutator, Root};

fn f(m: &mut Mutator, r: &Root<Array<'static, u64>>) {
    for _ in r.get(m) {
        m.safepoint();
    }
}

fn main() {}
