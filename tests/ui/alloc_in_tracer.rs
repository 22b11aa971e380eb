//! `trace` cannot allocate: it has no mutator.

use greyset::{Trace, Tracer};

struct Mine;

// SAFETY: none needed, it does not compile.
unsafe impl<'gc> Trace<'gc> for Mine {
    fn trace(&self, t: &mut Tracer<'gc>) {
        t.alloc(1_u64);
    }
}

fn main() {}
