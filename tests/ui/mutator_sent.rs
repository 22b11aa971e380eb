//! A `Mutator` stays on its thread.

use greyset::Mutator;

fn f(m: &mut Mutator) {
    std::thread::scope(|s| {
        s.spawn(move || m.safepoint());
    });
}

fn main() {}
