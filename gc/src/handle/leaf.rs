//! `Static`: data without references, of any type, in the heap.

use crate::trace::leaves;
use crate::trace::{Branded, Managed, Shape, Shaped, Trace, Tracer, hash_site};
use std::ops::{Deref, DerefMut};

/// Wraps `'static` data so that it can live in the heap, with whatever `Drop` it has.
///
/// For foreign types, function pointers, `Mutex`es of plain data, files. Its `Drop` runs on a thread of the collector (under the
/// inline driver: at a safepoint of some mutator), some time after the object became unreachable; nothing says when. It may use the heap
/// through a mutator of its own (unless it is called by a [`Stepper`](crate::Stepper) inside of a window: see there), but must not wait for
/// the collector, which waits for it: to collect in it is a panic (caught and counted, as any). Nor may it wait for a thread that does so.
///
/// ```
/// use greyset::{Heap, Static, Trace};
/// use std::sync::Mutex;
///
/// #[derive(Trace)]
/// struct Counter {
///     hits: Static<Mutex<u64>>,
///     step: Static<fn(u64) -> u64>,
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let counter = m.alloc(Counter { hits: Static(Mutex::new(1)), step: Static(|n| n + 1) });
///     let mut hits = counter.hits.lock().unwrap();
///     *hits = counter.step.0(*hits);
///     assert_eq!(*hits, 2);
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Static<T>(pub T);

impl<T> Deref for Static<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Static<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

leaves! {
    [T: Send + Sync + 'static] Static<T>;
}
