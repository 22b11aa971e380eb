//! `Trace` is unsafe to implement.

use greyset::{Trace, Tracer};

struct Mine;

impl<'gc> Trace<'gc> for Mine {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

fn main() {}
