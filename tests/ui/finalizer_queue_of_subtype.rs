//! A `FinalizerQueue` is invariant in its family: what is registered through a narrower view would be polled through the wider one.

use greyset::{FinalizerQueue, Static};

type OfAny = Static<for<'a> fn(&'a str) -> &'static str>;
type OfStatic = Static<fn(&'static str) -> &'static str>;

fn f(wide: &FinalizerQueue<OfAny>) -> &FinalizerQueue<OfStatic> {
    wide
}

fn main() {}
