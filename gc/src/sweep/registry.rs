//! Cleanups and finalizable objects: who is told when an object is unreachable.
//!
//! A *cleanup* is a function and an argument that run after the object is gone. A *finalizable* object is handed to a queue
//! as a `Root` in the cycle that finds it unreachable: it lives again, and is not handed over a second time unless
//! registered anew. Weak handles on it are cleared first, and cleanups wait until it is really gone.

use crate::handle::Gc;
use crate::heap::{Callout, Heap, Owner, Shared};
use crate::mutator::Mutator;
use crate::panics::caught;
use crate::roots::{EntryRef, Root};
use crate::trace::{Branded, Managed};
use greyset_sync::atomic::{AtomicU64, Ordering};
use greyset_sync::{Fault, Mutex, Rank, fault};
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Weak as ArcWeak};

type Job = Box<dyn FnOnce() + Send>;

struct PendingCleanup {
    id: u64,
    target: usize,
    job: Job,
}

/// An object that a queue is to get when nobody reaches it any more.
#[derive(Clone)]
pub(crate) struct Finalizable {
    /// Address of the object.
    pub(crate) target: usize,
    queue: ArcWeak<QueueInner>,
}

/// Guarded by the queue's own lock, so that a program may poll while the collector clears.
struct QueueInner {
    ready: Mutex<VecDeque<EntryRef>>,
    /// Not kept: handles keep it, and the collector holds a queue while it delivers.
    heap: ArcWeak<Shared>,
}

impl Drop for QueueInner {
    /// Whoever holds the queue last, a handle or the collector, lets go of what waits in it.
    fn drop(&mut self) {
        if let Some(shared) = self.heap.upgrade() {
            for entry in self.ready.lock().drain(..) {
                shared.roots.list(entry);
            }
        }
    }
}

/// What is registered in a heap, and the cleanups that are due.
pub(crate) struct Registry {
    cleanups: Mutex<Vec<PendingCleanup>>,
    finalizable: Mutex<Vec<Finalizable>>,
    due: Mutex<VecDeque<Job>>,
    next_id: AtomicU64,
}

impl Registry {
    /// Nothing registered.
    pub(crate) fn new() -> Registry {
        Registry {
            cleanups: Mutex::new(Rank::Registry, Vec::new()),
            finalizable: Mutex::new(Rank::Registry, Vec::new()),
            due: Mutex::new(Rank::Queue, VecDeque::new()),
            next_id: AtomicU64::new(1),
        }
    }

    fn add_cleanup(&self, target: usize, job: Job) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.cleanups.lock().push(PendingCleanup { id, target, job });
        id
    }

    fn cancel(&self, id: u64) -> bool {
        let found = {
            let mut cleanups = self.cleanups.lock();
            let at = cleanups.iter().position(|cleanup| cleanup.id == id);
            at.map(|at| cleanups.swap_remove(at))
        };
        // Dropped here, outside of the lock: the closure's drop glue is user code.
        found.is_some()
    }

    /// Phase Clear: takes finalizable objects that `is_dead`. The caller marks them through and then delivers them
    /// ([`deliver`](Registry::deliver)), before anybody may sweep.
    pub(crate) fn take_finalizable(&self, is_dead: impl Fn(usize) -> bool) -> Vec<Finalizable> {
        let mut finalizable = self.finalizable.lock();
        let dead = finalizable.extract_if(.., |object| is_dead(object.target));
        // A queue nobody can poll any more: the object just dies.
        let dead: Vec<_> = dead.filter(|object| object.queue.strong_count() > 0).collect();
        if fault(Fault::FinalizedTwice) {
            finalizable.extend(dead.iter().cloned());
        }
        dead
    }

    /// Phase Clear: gives objects to their queues as roots. Everything they reach is black: until then a mutator that got
    /// one could hide what is white in it, since the deletion barrier gives it to nobody who still marks.
    pub(crate) fn deliver(&self, shared: &Shared, objects: &mut Vec<Finalizable>) {
        for object in objects.drain(..) {
            let Some(queue) = object.queue.upgrade() else { continue };
            let entry = shared.roots.take_one();
            entry.get().store(object.target);
            queue.ready.lock().push_back(entry);
        }
    }

    /// Phase Clear: cleanups of objects that `is_dead` become due.
    pub(crate) fn take_cleanups(&self, is_dead: impl Fn(usize) -> bool) {
        let mut cleanups = self.cleanups.lock();
        let mut at = 0;
        while let Some(cleanup) = cleanups.get(at) {
            if is_dead(cleanup.target) {
                let cleanup = cleanups.swap_remove(at);
                self.due.lock().push_back(cleanup.job);
            } else {
                at += 1;
            }
        }
    }

    /// Teardown: every registered cleanup becomes due.
    pub(crate) fn all_due(&self) {
        self.take_cleanups(|_| true);
    }

    /// Runs up to `most` due cleanups, holding no lock. True if there may be more.
    pub(crate) fn run_cleanups(&self, shared: &Shared, most: usize) -> bool {
        for _ in 0..most {
            let Some(job) = self.due.lock().pop_front() else { return false };
            let _called = shared.calls_out(Callout::Reclaim);
            if caught(job).is_none() {
                shared.sweep.panicked(shared, "cleanup");
            }
        }
        true
    }

    /// Whether nothing is registered, so that Clear has nothing to look through.
    pub(crate) fn is_empty(&self) -> bool {
        self.cleanups.lock().is_empty() && self.finalizable.lock().is_empty()
    }
}

/// A registered cleanup; dropping this does not cancel it.
pub struct Cleanup {
    id: u64,
    owner: Arc<Owner>,
}

impl Cleanup {
    /// Takes the cleanup back. False if it is due, running or done.
    pub fn cancel(self) -> bool {
        self.owner.shared().registry.cancel(self.id)
    }
}

impl fmt::Debug for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cleanup").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Mutator {
    /// Runs `f(argument)` once, some time after `object` is gone, on a thread of the collector (under the inline driver: at
    /// a safepoint of some mutator). At the latest when the heap is torn down.
    ///
    /// `f` and `argument` are `'static`, so they cannot hold the object itself. `f` may use the heap through a mutator of its own (unless
    /// it is called by a [`Stepper`](crate::Stepper) inside of a window: see there), but it must not wait for the collector, which waits
    /// for it: to collect in it is a panic, and under the inline driver its safepoints do nothing for the collector. Nor may it wait for a
    /// thread that does so. A panic in `f` is caught and counted.
    ///
    /// As Go's `runtime.AddCleanup`.
    pub fn add_cleanup<'gc, T, A, C>(&'gc self, object: Gc<'gc, T>, f: C, argument: A) -> Cleanup
    where
        T: ?Sized,
        A: Send + 'static,
        C: FnOnce(A) + Send + 'static,
    {
        let job: Job = Box::new(move || f(argument));
        let id = self.shared().registry.add_cleanup(object.as_addr(), job);
        Cleanup { id, owner: Arc::clone(self.owner()) }
    }
}

/// A queue that gets objects nobody reaches any more, as roots.
///
/// Poll it when it suits: finalization code then runs in the embedder's own time, on its own thread, and may use the object.
pub struct FinalizerQueue<F: Managed> {
    inner: Arc<QueueInner>,
    owner: Arc<Owner>,
    /// Invariant: `register` writes through a shared reference, and two `'static` types can be subtypes.
    family: PhantomData<fn(F) -> F>,
}

impl Heap {
    /// A queue for finalizable objects of family `F`.
    pub fn finalizer_queue<F: Managed>(&self) -> FinalizerQueue<F> {
        let heap = self.owner().shared().weak_ref();
        let inner = Arc::new(QueueInner { ready: Mutex::new(Rank::Queue, VecDeque::new()), heap });
        FinalizerQueue { inner, owner: Arc::clone(self.owner()), family: PhantomData }
    }
}

impl<F: Managed> FinalizerQueue<F> {
    /// Hands `object` to this queue, once, when nobody reaches it any more.
    ///
    /// # Panics
    /// If `m` belongs to another heap.
    pub fn register<'gc, T: Branded<'gc, Static = F>>(&self, m: &'gc Mutator, object: Gc<'gc, T>) {
        assert!(Arc::ptr_eq(&self.owner, m.owner()), "this FinalizerQueue belongs to another heap");
        let entry = Finalizable { target: object.as_addr(), queue: Arc::downgrade(&self.inner) };
        m.shared().registry.finalizable.lock().push(entry);
    }

    /// The object that has waited longest, if there is one.
    pub fn poll(&self) -> Option<Root<F>> {
        let entry = self.inner.ready.lock().pop_front()?;
        Some(Root::from_entry(entry, Arc::clone(&self.owner)))
    }

    /// How many objects wait.
    pub fn len(&self) -> usize {
        self.inner.ready.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<F: Managed> Clone for FinalizerQueue<F> {
    fn clone(&self) -> Self {
        FinalizerQueue { inner: Arc::clone(&self.inner), owner: Arc::clone(&self.owner), family: PhantomData }
    }
}

impl<F: Managed> fmt::Debug for FinalizerQueue<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinalizerQueue").field("waiting", &self.len()).finish()
    }
}
