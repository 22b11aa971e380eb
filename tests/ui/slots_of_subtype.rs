//! What can be written through a shared reference is invariant in what it holds.

use greyset::{Array, Gc, Lock, Slot, Static, Tagged, WordSlot};

type OfAny = Static<for<'a> fn(&'a str) -> &'static str>;
type OfStatic = Static<fn(&'static str) -> &'static str>;

fn slot<'a, 'gc>(wide: &'a Slot<'gc, OfAny>) -> &'a Slot<'gc, OfStatic> {
    wide
}

fn word_slot<'a, 'gc>(wide: &'a WordSlot<'gc, Tagged<'gc, OfAny>>) -> &'a WordSlot<'gc, Tagged<'gc, OfStatic>> {
    wide
}

fn lock<'a, 'gc>(wide: &'a Lock<'gc, OfAny>) -> &'a Lock<'gc, OfStatic> {
    wide
}

fn row<'gc>(wide: Gc<'gc, Array<'gc, Slot<'gc, OfAny>>>) -> Gc<'gc, Array<'gc, Slot<'gc, OfStatic>>> {
    wide
}

fn main() {}
