//! The proofs of the derive do not depend on what is called `greyset`.

extern crate greyset as real;
extern crate self as greyset;

pub use real::{Branded, Managed, Shape, Shaped, Trace, Tracer};

pub mod __private {
    pub use real::__private::*;

    pub trait MustNotImplDrop {}

    pub const fn skipped_fields_are_static<T: ?Sized>() {}
}

use real::Gc;

#[derive(Trace)]
struct Hidden<'gc> {
    #[trace(skip)]
    next: Gc<'gc, u64>,
}

#[derive(Trace)]
struct Guarded<'gc> {
    next: Gc<'gc, u64>,
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {}
}

fn main() {}
