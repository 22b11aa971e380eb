//! Which field of a union is there, nobody can know.

use greyset::Trace;

#[derive(Trace)]
union Either {
    int: u64,
    float: f64,
}

fn main() {}
