//! Interior mutability without a barrier cannot live in the heap.

use greyset::Mutator;

fn f(m: &mut Mutator) {
    m.alloc(std::cell::Cell::new(5_u64));
}

fn main() {}
