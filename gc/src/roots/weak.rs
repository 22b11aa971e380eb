//! `Weak`: a handle that does not keep its object alive.
//!
//! All weak slots of a heap are entries of one table, whether their handles lie in objects or outside; the collector clears
//! those with white targets in phase Clear, by compare-and-swap. A weak slot is never copied without an upgrade, which is why
//! `Weak` is not `Clone`.

use crate::barrier::Mode;
use crate::cycle::Phase;
use crate::handle::Gc;
use crate::heap::Shared;
use crate::mutator::Mutator;
use crate::roots::EntryRef;
use crate::trace::{Branded, Managed, Shape, Shaped, Trace, Tracer};
use greyset_sync::atomic::{Ordering, fence};
use greyset_sync::{Fault, Point, fault, point};
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::Weak as ArcWeak;

type HeapRef = ArcWeak<Shared>;

/// A weak handle, in objects or outside, on any thread: does not keep its object alive.
///
/// Cleared by the collector in the cycle that finds the object unreachable, before its finalization and before its memory is
/// used again. Costs an entry in a table; an object that holds one has drop glue. Does not keep the heap either.
///
/// ```
/// # fn main() -> Result<(), greyset::HeapError> {
/// let heap = greyset::Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let weak = m.alloc(7u64).downgrade(m);
///     assert_eq!(weak.upgrade(m).map(|gc| *gc), Some(7));
///     m.collect();
///     assert!(weak.upgrade(m).is_none());
/// });
/// # Ok(())
/// # }
/// ```
pub struct Weak<F: Managed> {
    entry: EntryRef,
    /// The heap, not kept: a handle may lie in an object, and an object must not keep its own heap.
    heap: HeapRef,
    /// Invariant: `set` writes through a shared reference, and two `'static` types can be subtypes.
    family: PhantomData<fn(F) -> F>,
}

impl<'gc, T: Branded<'gc>> Gc<'gc, T> {
    /// A weak handle on this object.
    pub fn downgrade(self, m: &'gc Mutator) -> Weak<T::Static> {
        Weak::filled(m, self.as_addr())
    }
}

impl<F: Managed> Weak<F> {
    /// A handle on `target`, an object of family `F` that is alive in this window, or 0. Entries of dropped handles are used again before
    /// the table grows.
    fn filled(m: &Mutator, target: usize) -> Weak<F> {
        let weaks = &m.shared().weaks;
        if weaks.any_listed() && !weaks.has_free() {
            weaks.free_listed();
        }
        let entry = weaks.take_one();
        entry.get().store(target);
        Weak { entry, heap: m.shared().weak_ref(), family: PhantomData }
    }

    /// The object, if it is still there.
    ///
    /// Cost: a load while no cycle runs; during marking the object is shaded; for the short while in which marking ends, a
    /// lock.
    ///
    /// # Panics
    /// If the handle belongs to another heap.
    pub fn upgrade<'gc>(&self, m: &'gc Mutator) -> Option<Gc<'gc, F::At<'gc>>> {
        self.check(m);
        point(Point::SlotLoad);
        let mut addr = self.entry.get().load();
        if m.knows_nobody() {
            m.look_at_weak(addr);
        }
        while addr != 0 {
            if !m.judge(addr) {
                return None;
            }
            // In phase Clear a finalizable object turns black after its weak slots are cleared, and what it reaches turns
            // black later still: it is alive for its queue only. Who sees it black sees the slot cleared.
            // ORDERING: pairs with the release fences in `Clearing`.
            fence(Ordering::Acquire);
            let now = self.entry.get().load();
            if now == addr || fault(Fault::UpgradeOnce) {
                break;
            }
            addr = now;
        }
        if addr == 0 {
            return None;
        }
        // SAFETY: the entry held an object of family `F` of this heap (checked), and `judge` found it alive by the rules of
        // docs/PROTOCOL.md ("Weak upgrade"): it stays so for the window.
        Some(unsafe { Gc::from_addr(addr) })
    }

    /// Points the handle at another object.
    ///
    /// # Panics
    /// If the handle belongs to another heap.
    pub fn set<'gc>(&self, m: &'gc Mutator, target: Option<Gc<'gc, F::At<'gc>>>) {
        self.check(m);
        self.entry.get().store(target.map_or(0, Gc::as_addr));
    }

    /// Another weak handle on the same object. By way of an upgrade: a weak slot must not be copied without one.
    ///
    /// # Panics
    /// If the handle belongs to another heap.
    pub fn duplicate(&self, m: &Mutator) -> Weak<F> {
        self.check(m);
        let copied = fault(Fault::WeakCopied).then(|| self.entry.get().load());
        let target = copied.unwrap_or_else(|| self.upgrade(m).map_or(0, Gc::as_addr));
        point(Point::WeakJudge);
        Weak::filled(m, target)
    }

    /// Whether the object has been found dead by a cycle, or the heap is gone. `false` is no promise.
    pub fn is_cleared(&self) -> bool {
        self.heap.upgrade().is_none_or(|_heap| self.entry.get().load() == 0)
    }

    /// The heap, if it is still there.
    pub(crate) fn heap(&self) -> Option<std::sync::Arc<Shared>> {
        self.heap.upgrade()
    }

    /// The object's address, for who must not use it; 0 if the handle is cleared. The heap must be there.
    pub(crate) fn target(&self) -> usize {
        self.entry.get().load()
    }

    fn check(&self, m: &Mutator) {
        assert!(
            ptr::eq(self.heap.as_ptr(), m.shared()),
            "this Weak belongs to another heap: use it with a mutator of the heap it was made in"
        );
    }
}

impl Mutator {
    /// Whether the target of a weak slot, loaded in this window, is alive; makes sure that it stays so.
    pub(crate) fn judge(&self, addr: usize) -> bool {
        point(Point::WeakJudge);
        if self.mode() == Mode::Off {
            return true;
        }
        match self.shared().published.phase() {
            Phase::Idle | Phase::Prepare | Phase::Mark => {
                if !fault(Fault::UpgradeUnshaded) {
                    self.shade(addr);
                }
                true
            }
            Phase::Terminate if fault(Fault::UpgradeUnlocked) => {
                point(Point::WeakJudge);
                self.shade(addr);
                self.give_buffer();
                true
            }
            Phase::Terminate => self.judge_in_terminate(addr),
            Phase::Clear | Phase::Sweep => self.is_kept(addr),
        }
    }

    #[cold]
    fn judge_in_terminate(&self, addr: usize) -> bool {
        let shared = self.shared();
        let _cycle = shared.lock_cycle();
        match shared.published.phase() {
            Phase::Terminate => {
                // Onto the global queue (or a poke, for a leaf), so that Decide goes back to Mark.
                if self.is_white(addr) {
                    self.shade(addr);
                    self.give_buffer();
                    if !fault(Fault::PokeLost) {
                        shared.queue.poke();
                    }
                }
                true
            }
            Phase::Idle | Phase::Prepare | Phase::Mark => {
                if !fault(Fault::UpgradeNotAgain) {
                    self.shade(addr);
                }
                true
            }
            Phase::Clear | Phase::Sweep => self.is_kept(addr),
        }
    }

    /// Whether the running cycle, which has marked, keeps this object. The slot of one that it does not keep will be cleared; one that
    /// a cycle keeps that was given up will be found again, so a handle on it must not look cleared now.
    fn is_kept(&self, addr: usize) -> bool {
        let given_up = || self.shared().given_up.load(Ordering::Relaxed) && !fault(Fault::GivenUpUnseen);
        !self.is_white(addr) || given_up()
    }

    fn is_white(&self, addr: usize) -> bool {
        self.colours().is_white(self.space(), addr)
    }
}

impl<F: Managed> Drop for Weak<F> {
    fn drop(&mut self) {
        // Without the heap there is no table.
        if let Some(shared) = self.heap.upgrade() {
            shared.weaks.list(self.entry);
        }
    }
}

impl<F: Managed> fmt::Debug for Weak<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cleared() { "Weak(cleared)" } else { "Weak(..)" })
    }
}

// SAFETY: a `Weak` holds no reference that keeps anything alive: nothing to report. It is `Send + Sync` and `'static`, and its
// drop glue only lists an entry.
unsafe impl<'gc, F: Managed> Trace<'gc> for Weak<F> {
    fn trace(&self, _: &mut Tracer<'gc>) {}
}

// SAFETY: `trace` reports nothing.
unsafe impl<'gc, F: Managed> Shaped<'gc> for Weak<F> {
    const SHAPE: Shape = Shape::Leaf;
    const HASH: u64 = crate::trace::mix(0x5ea4, <F::At<'static> as Shaped<'static>>::HASH);
}

// SAFETY: `Self` is the same type for every `'gc`.
unsafe impl<F: Managed> Managed for Weak<F> {
    type At<'gc> = Weak<F>;
}

// SAFETY: as above.
unsafe impl<'gc, F: Managed> crate::trace::Branded<'gc> for Weak<F> {
    type Static = Weak<F>;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::roots::table::CHUNK;
    use crate::{Driver, Heap};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn heap() -> Heap {
        Heap::builder().driver(Driver::Stepping).build().expect("a heap")
    }

    #[test]
    fn duplicates_use_the_entries_of_dropped_ones_without_a_cycle() {
        heap().mutator().enter(|m| {
            let weak = m.alloc(7u64).downgrade(m);
            for _ in 0..4 * CHUNK {
                assert_eq!(weak.duplicate(m).upgrade(m).map(|seven| *seven), Some(7));
            }
            assert_eq!(m.shared().weaks.chunks(), 1);
            let kept: Vec<_> = (0..CHUNK).map(|_| weak.duplicate(m)).collect();
            assert!(kept.iter().all(|weak| weak.upgrade(m).is_some()));
        });
    }

    #[test]
    fn a_duplicate_refused_takes_no_entry() {
        let weak = heap().mutator().enter(|m| m.alloc(7u64).downgrade(m));
        heap().mutator().enter(|m| {
            let refused = catch_unwind(AssertUnwindSafe(|| weak.duplicate(m)));
            assert!(refused.is_err());
            assert_eq!((m.shared().weaks.in_use(), m.shared().weaks.chunks()), (0, 0));
        });
    }
}
