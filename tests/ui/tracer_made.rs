//! Only the collector has a `Tracer`.

use greyset::{Gc, Trace, Tracer};

fn f<'gc>(n: &Gc<'gc, u64>) {
    Trace::trace(n, &mut Tracer::new());
}

fn main() {}
