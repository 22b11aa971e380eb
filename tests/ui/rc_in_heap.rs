//! What other threads may not see cannot live in the heap.

use greyset::Mutator;

fn f(m: &mut Mutator) {
    m.alloc(std::rc::Rc::new(5_u64));
}

fn main() {}
