//! An object cannot borrow.

use greyset::Trace;

#[derive(Trace)]
struct Slice<'gc> {
    text: &'gc str,
    parts: Vec<&'gc [u8]>,
    fine: &'static str,
}

fn main() {}
