//! Every field must be `Trace`.

use greyset::Trace;

struct Foreign(u64);

#[derive(Trace)]
struct Holder {
    foreign: Foreign,
}

#[derive(Trace)]
enum Choice {
    A(u64),
    B { cell: std::cell::RefCell<u64> },
}

fn main() {}
