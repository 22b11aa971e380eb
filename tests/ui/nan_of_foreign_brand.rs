//! A NaN box keeps the brand of its reference.

use greyset::{Gc, Mutator, Nan, WordSlot};

fn f<'a, 'b>(b: &'b Mutator, slot: &WordSlot<'b, Nan<'b, u64>>, value: Gc<'a, u64>) {
    slot.store(b, Nan::object(value));
}

fn main() {}
