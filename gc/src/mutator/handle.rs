//! `MutatorHandle`: attaching, entering, blocking, detaching.

use crate::barrier::{Barrier, Mode, Segment, Shade};
use crate::handle::Open;
use crate::heap::{Heap, Owner, in_any_callout};
use crate::mutator::Mutator;
use crate::mutator::answer::{drop_cache, new_cache, retire_cache};
use greyset_sync::atomic::Ordering;
use greyset_sync::{Fault, Point, fault, point};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

thread_local! {
    /// Whether this thread is inside a heap. Reborrows of two mutators' lifetimes can unify, so the types cannot keep two
    /// heaps apart on one thread: this does (api.md, rule 2).
    /// One bit a task: a simulator runs several on one thread.
    static ENTERED: Cell<u64> = const { Cell::new(0) };
}

/// Notes whether this thread (or task) is inside a heap; whether it was before.
fn set_entered(inside: bool) -> bool {
    let bit = 1 << (greyset_sync::thread::task() % u64::BITS);
    let before = ENTERED.get();
    ENTERED.set(if inside { before | bit } else { before & !bit });
    before & bit != 0
}

/// Whether this thread (or task) is inside a heap.
pub(crate) fn is_entered() -> bool {
    ENTERED.get() & (1 << (greyset_sync::thread::task() % u64::BITS)) != 0
}

/// An attached mutator: parked unless [`enter`](MutatorHandle::enter) runs.
///
/// `Send`, so an interpreter may move between threads, but not `Sync`. While parked it costs the collector nothing: a
/// handshake answers for it.
///
/// A forgotten handle stays parked for ever and leaks its allocation runs, nothing else.
pub struct MutatorHandle {
    mutator: Box<Mutator>,
}

// SAFETY: `Mutator` is `!Send` so that a window stays on its thread. A handle is moved only between windows (`enter` borrows
// it mutably), when no `Gc` exists and every part of the mutator is owned data (its cache is left in the shared record).
unsafe impl Send for MutatorHandle {}

impl MutatorHandle {
    /// Attaches a mutator to `heap`, parked.
    pub(crate) fn attach(owner: Arc<Owner>, name: &str) -> MutatorHandle {
        point(Point::Attach);
        let record = owner.shared().mutators.attach(name);
        record.swap_cache(new_cache(owner.shared()).as_ptr());
        let published = &owner.shared().published;
        let mutator = Mutator {
            cache: Cell::new(std::ptr::NonNull::dangling()),
            record,
            mode: Cell::new(Mode::Off),
            barrier: Cell::new(Barrier::Other),
            colour: Cell::new(published.live()),
            shade: Cell::new(Shade::new(published.white())),
            worked: Cell::new(false),
            buffer: RefCell::new(Segment::new()),
            buffer_len: owner.shared().zeal.buffer_len(),
            debt: Cell::new(0),
            unbraked: Cell::new(0),
            unassisted: Cell::new(0),
            sweep_debt: Cell::new(0),
            marker: RefCell::new(None),
            entries: RefCell::new(Vec::new()),
            open: Open::new(),
            ring: owner.shared().zeal.ring(),
            known: if owner.shared().zeal.looks_at_handles() {
                std::ptr::null()
            } else {
                Arc::as_ptr(&owner)
            },
            owner,
            not_send: PhantomData,
        };
        mutator.zealous_attach();
        MutatorHandle { mutator: Box::new(mutator) }
    }

    /// Opens a window, runs `body` in it and parks again, also when `body` panics.
    ///
    /// Cost: a few tens of nanoseconds; never waits.
    ///
    /// # Panics
    /// If the calling thread is inside a heap already. Leave it first, or enter from inside [`Mutator::blocking`].
    ///
    /// ```
    /// # fn main() -> Result<(), greyset::HeapError> {
    /// let heap = greyset::Heap::builder().build()?;
    /// let n = heap.mutator().enter(|m| *m.alloc(42u64));
    /// assert_eq!(n, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn enter<R>(&mut self, body: impl for<'a> FnOnce(&'a mut Mutator) -> R) -> R {
        let _entered = Entered::new();
        let window = Window::open(&mut self.mutator);
        body(&mut *window.mutator)
    }

    /// The heap it is attached to.
    pub fn heap(&self) -> Heap {
        Heap::from_owner(Arc::clone(self.mutator.owner()))
    }
}

impl fmt::Debug for MutatorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MutatorHandle").field("id", &self.mutator.record.id()).finish_non_exhaustive()
    }
}

impl Drop for MutatorHandle {
    /// Detaches: runs go back, unused root entries too, and a handshake that waits for this mutator counts it as answered.
    fn drop(&mut self) {
        point(Point::Detach);
        let mutator = &mut *self.mutator;
        mutator.unpark();
        mutator.flush_cache();
        if !fault(Fault::DetachKeepsBuffer) {
            mutator.give_buffer();
        }
        let owner = Arc::clone(&mutator.owner);
        let shared = owner.shared();
        shared.roots.give_back(mutator.entries.get_mut());
        mutator.leave();
        point(Point::Detached);
        if fault(Fault::DetachSaysLate) {
            mutator.say_it_worked();
        }
        drop_cache(mutator.cache.get().as_ptr());
        // Whoever looked at the cache while it was parked may have put it back since.
        retire_cache(shared, mutator.record.swap_cache(std::ptr::null_mut()));
        crate::zeal::after_detach(shared);
    }
}

/// The thread is inside a heap as long as this lives.
struct Entered(());

impl Entered {
    fn new() -> Entered {
        if set_entered(true) {
            refuse_to_enter();
        }
        Entered(())
    }
}

#[cold]
fn refuse_to_enter() -> ! {
    let what = match in_any_callout() {
        false => "leave it before entering again, or enter from inside Mutator::blocking",
        true => {
            "the drop glue, cleanup or event sink that wants to enter has been called in a window. Step a Stepper and drop the last \
             handle of another heap outside of windows, or inside Mutator::blocking; enter in an event sink never"
        }
    };
    panic!("this thread is inside a heap already: {what}");
}

impl Drop for Entered {
    fn drop(&mut self) {
        set_entered(false);
    }
}

/// A window that parks when dropped.
struct Window<'a> {
    mutator: &'a mut Mutator,
}

impl<'a> Window<'a> {
    fn open(mutator: &'a mut Mutator) -> Window<'a> {
        mutator.unpark();
        Window { mutator }
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.mutator.park();
    }
}

/// A mutator that is parked as long as this lives, and its thread outside of the heap.
struct Parked<'a> {
    mutator: &'a mut Mutator,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        set_entered(true);
        self.mutator.unpark();
    }
}

impl Mutator {
    /// Leaves the list. The window is closed and the buffer handed over; asked meanwhile, it answers first.
    ///
    /// INVARIANT: a mutator that is off the list owes nothing. The next handshake is asked of those on the list, under its lock:
    /// what is said under that lock is known when it begins, while what is said later may be heard when two clean rounds have
    /// ended marking.
    fn leave(&mut self) {
        let owner = Arc::clone(&self.owner);
        loop {
            let mut list = owner.shared().mutators.lock();
            if !self.record.word.is_asked() {
                if !fault(Fault::DetachSaysLate) {
                    self.say_it_worked();
                }
                list.remove(self.record.id());
                break;
            }
            drop(list);
            self.answer(true);
        }
    }

    /// If it has marked since its last answer: the running round, if any, is not clean; and if the round is yet to be asked, which
    /// forgets what came before, Decide must know, since nobody is left to answer for it.
    fn say_it_worked(&self) {
        if self.worked.get() && !fault(Fault::DetachForgetsWork) {
            let shared = self.owner.shared();
            shared.dirty.store(true, Ordering::Relaxed);
            shared.queue.poke();
        }
    }

    /// Parks while `body` runs: for input and output, for locks of the embedder, for another heap.
    ///
    /// The collector goes on without this thread. No `Gc` lives across the call or inside `body`.
    pub fn blocking<R>(&mut self, body: impl FnOnce() -> R) -> R {
        self.park();
        set_entered(false);
        let _parked = Parked { mutator: self };
        body()
    }
}
