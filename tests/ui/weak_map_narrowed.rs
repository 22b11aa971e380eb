//! A `WeakMap` changes through a shared reference, so it is invariant in its keys and values.

use greyset::{Gc, Static, WeakMap};

type Any = Static<for<'a> fn(&'a str) -> &'static str>;
type OfStatics = Static<fn(&'static str) -> &'static str>;

fn values<'gc>(map: Gc<'gc, WeakMap<'gc, String, Any>>) -> Gc<'gc, WeakMap<'gc, String, OfStatics>> {
    map
}

fn keys<'gc>(map: Gc<'gc, WeakMap<'gc, Any, String>>) -> Gc<'gc, WeakMap<'gc, OfStatics, String>> {
    map
}

fn main() {}
