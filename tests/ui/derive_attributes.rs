//! Attributes that mean nothing are not ignored.

use greyset::Trace;

#[derive(Trace)]
#[trace(skip)]
struct A {
    #[trace(ignore)]
    a: u64,
    #[trace]
    b: u64,
}

fn main() {}
