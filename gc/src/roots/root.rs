//! `Root`: an owned handle that survives safepoints.

use crate::cycle::Phase;
use crate::handle::Gc;
use crate::heap::{Owner, Shared};
use crate::mutator::Mutator;
use crate::roots::EntryRef;
use crate::trace::{Branded, Managed};
use greyset_sync::{Point, point, tiny, told};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// Root entries a mutator takes from the table at a time.
const BATCH: usize = 32;

/// An owned handle: keeps an object alive over safepoints, on any thread. `F` names the type's family: `Root<Node<'static>>`
/// for a `Node<'gc>`.
///
/// Cost: creation fills an entry taken from the mutator's own stock; dropping puts it on a lock-free list. Neither has a
/// barrier. A `Root` keeps the whole heap mapped.
///
/// ```
/// # fn main() -> Result<(), greyset::HeapError> {
/// let heap = greyset::Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let root = m.alloc(7u64).root(m);
///     m.safepoint();
///     assert_eq!(*root.get(m), 7);
/// });
/// # Ok(())
/// # }
/// ```
pub struct Root<F: Managed> {
    entry: EntryRef,
    owner: Arc<Owner>,
    /// Covariant: what a root stands for is never changed.
    family: PhantomData<fn() -> F>,
}

impl<'gc, T: Branded<'gc>> Gc<'gc, T> {
    /// An owned handle on this object.
    pub fn root(self, m: &'gc Mutator) -> Root<T::Static> {
        point(Point::RootCreate);
        let entry = m.root_entry();
        entry.get().store(self.as_addr());
        told(|| format!("roots {:#x}", self.as_addr()));
        Root { entry, owner: Arc::clone(m.owner()), family: PhantomData }
    }
}

impl<F: Managed> Root<F> {
    /// The object, for the current window.
    ///
    /// # Panics
    /// If the root belongs to another heap.
    #[inline]
    pub fn get<'gc>(&self, m: &'gc Mutator) -> Gc<'gc, F::At<'gc>> {
        point(Point::SlotLoad);
        let addr = self.entry.get().load();
        if !m.knows(&self.owner) {
            m.look_at_root(&self.owner, addr);
        }
        // SAFETY: an entry owned by a `Root` is never null and holds an object of family `F` of this heap (checked above);
        // entries are roots until freed, so the object is alive, and stays so for the window (docs/PROTOCOL.md, 2).
        unsafe { Gc::from_addr(addr) }
    }

    /// A handle made by the heap itself: `entry` holds an object of family `F`.
    pub(crate) fn from_entry(entry: EntryRef, owner: Arc<Owner>) -> Root<F> {
        Root { entry, owner, family: PhantomData }
    }

    /// Makes it lead elsewhere, as no root may: for tests of the verifier.
    #[cfg(test)]
    pub(crate) fn set_addr(&self, addr: usize) {
        self.entry.get().store(addr);
    }

    /// Whether two roots stand for the same object.
    pub fn ptr_eq(&self, other: &Root<F>) -> bool {
        Arc::ptr_eq(&self.owner, &other.owner) && self.entry.get().load() == other.entry.get().load()
    }
}

impl<F: Managed> Clone for Root<F> {
    /// Another root on the same object, on any thread.
    fn clone(&self) -> Root<F> {
        point(Point::RootCreate);
        let shared = self.owner.shared();
        free_if_idle(shared);
        let entry = shared.roots.take_one();
        // The object is a root through `self` until after this store, in every phase: no barrier.
        entry.get().store(self.entry.get().load());
        Root { entry, owner: Arc::clone(&self.owner), family: PhantomData }
    }
}

impl<F: Managed> Drop for Root<F> {
    fn drop(&mut self) {
        if super::broken::drop_entry(self.owner.shared(), self.entry) {
            return;
        }
        self.owner.shared().roots.list(self.entry);
    }
}

impl<F: Managed> fmt::Debug for Root<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Root").field(&NonNull::new(self.entry.get().load() as *mut ())).finish()
    }
}

/// Frees listed entries now if the protocol allows it: under the cycle lock, while the phase is Idle. Never waits.
fn free_if_idle(shared: &Shared) {
    if !shared.roots.any_listed() || shared.roots.has_free() || shared.published.phase() != Phase::Idle {
        return;
    }
    if let Some(_cycle) = shared.cycle_lock.try_lock()
        && shared.published.phase() == Phase::Idle
    {
        shared.roots.free_listed();
    }
}

impl Mutator {
    /// An entry from this mutator's stock.
    pub(crate) fn root_entry(&self) -> EntryRef {
        let mut stock = self.entries.borrow_mut();
        loop {
            if let Some(entry) = stock.pop() {
                return entry;
            }
            let shared = self.shared();
            free_if_idle(shared);
            shared.roots.take(tiny(BATCH, 2), &mut stock);
        }
    }
}
