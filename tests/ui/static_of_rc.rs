//! `Static` is for data other threads may see.

use greyset::{Mutator, Static};

fn f(m: &mut Mutator) {
    m.alloc(Static(std::rc::Rc::new(5_u64)));
}

fn main() {}
