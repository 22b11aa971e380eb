//! `Ret`: how a function that may have passed a safepoint hands out a reference.

use crate::handle::Gc;
use crate::mutator::Mutator;

/// A reference, with the mutator it borrows.
///
/// A function that takes `&'m mut Mutator` and returns a `Gc<'m, T>` leaves its caller without a mutator for as long as the
/// result is used, since the mutable borrow goes on. Returned together, the caller has both: the reference, and the mutator
/// as `&'m Mutator`, with which it can do all but pass a safepoint.
///
/// ```
/// use greyset::{Gc, Heap, Mutator, Ret, Root};
///
/// fn evaluate<'m>(m: &'m mut Mutator, value: &Root<u64>) -> Ret<'m, u64> {
///     m.safepoint();
///     let m = &*m;
///     Ret { gc: m.alloc(*value.get(m) + 1), m }
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let one = m.alloc(1_u64).root(m);
///     let Ret { gc, m } = evaluate(m, &one);
///     assert_eq!(*m.alloc(*gc + 1), 3);
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
pub struct Ret<'m, T: ?Sized> {
    /// The reference.
    pub gc: Gc<'m, T>,
    /// The mutator, shared.
    pub m: &'m Mutator,
}

impl<T: ?Sized> Copy for Ret<'_, T> {}
impl<T: ?Sized> Clone for Ret<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
