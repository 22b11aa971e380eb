//! An object cannot borrow from the stack.

use greyset::Mutator;

fn f(m: &mut Mutator) {
    let x = 5_u64;
    m.alloc(&x);
}

fn main() {}
