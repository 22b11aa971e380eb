//! `unsize!` makes a view only of what coerces to it.

use greyset::{Gc, Trace, unsize};

trait Area<'gc>: Trace<'gc> {}

#[derive(Trace)]
struct Square(f64);

fn f<'gc>(square: Gc<'gc, Square>) -> Gc<'gc, dyn Area<'gc>> {
    unsize!(square => dyn Area<'gc>)
}

fn main() {}
