//! Offsets are those of the fields, whatever `core` and `offset_of!` are called here.

extern crate self as core;

pub use std::{column, line, module_path};

pub mod marker {
    pub use std::marker::{Send, Sized, Sync};
}

pub mod mem {
    pub use crate::zero as offset_of;
}

pub mod ops {
    pub use std::ops::Drop;
}

#[macro_export]
macro_rules! zero {
    ($($any:tt)*) => {
        0usize
    };
}

use greyset::{Gc, Shape, Shaped, Trace};

#[derive(Trace)]
#[repr(C)]
struct Node<'gc> {
    number: usize,
    next: Gc<'gc, u64>,
}

#[derive(Trace)]
#[repr(C)]
struct Generic<'gc, T> {
    byte: u8,
    value: T,
    next: Gc<'gc, T>,
}

fn offsets<'gc, T: Shaped<'gc>>() -> Vec<u16> {
    match T::SHAPE {
        Shape::Words(words) => words.offsets().to_vec(),
        other => panic!("{other:?}"),
    }
}

fn main() {
    assert_eq!(offsets::<Node<'_>>(), [8]);
    assert_eq!(offsets::<Generic<'_, u32>>(), [8]);
    assert_eq!(offsets::<Generic<'_, Gc<'_, u64>>>(), [8, 16]);
}
