//! A `Weak` is invariant in its family: `set` through a narrower view would be read through the wider one.

use greyset::{Static, Weak};

type OfAny = Static<for<'a> fn(&'a str) -> &'static str>;
type OfStatic = Static<fn(&'static str) -> &'static str>;

fn f(wide: &Weak<OfAny>) -> &Weak<OfStatic> {
    wide
}

fn main() {}
