//! The proofs of the derive do not depend on what is called `core` either.

extern crate self as core;

pub use std::{column, line, module_path};

pub mod marker {
    pub use std::marker::Sized;

    pub trait Send {}
    impl<T: ?Sized> Send for T {}
    pub trait Sync {}
    impl<T: ?Sized> Sync for T {}
}

pub mod ops {
    pub trait Drop {}
}

use greyset::{Gc, Trace};
use std::cell::Cell;

#[derive(Trace)]
struct Guarded<'gc> {
    next: Gc<'gc, u64>,
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {}
}

#[derive(Trace)]
struct Counted {
    #[trace(skip)]
    count: Cell<u64>,
}

fn main() {}
