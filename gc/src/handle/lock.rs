//! `Lock`: any Rust data with references inside, changed under a lock that the marker also takes.
//!
//! The barrier of guarded cells (docs/PROTOCOL.md), with `T` the contents:
//!
//! | mode | taking the lock for writing | giving it back |
//! | --- | --- | --- |
//! | Off | nothing | nothing |
//! | Both | shade all of `T` | shade all of `T` |
//! | Deletion | first time in this cycle: shade all of `T`, store the cycle's number | nothing |
//!
//! The marker passes by what is captured. What is not, it locks, reads, and stores the cycle's number; if the lock is taken it
//! puts the whole object off, which lasts no longer than the taker's own capture.
//!
//! **Forgotten guards.** A guard cannot outlive its window, so a lock that a guard was forgotten on is free again when the
//! mutator has answered its next handshake or parked (`lock_state`). One duty goes missing then, the shading at the end in mode Both: mutators count the guards
//! they have made in that mode, and if one is missing when they answer a handshake or park, the cycle is given up
//! (`Open`). That is sound and costs a cycle; only `mem::forget` and its like can cause it.
//!
//! To shade a `WeakMap` among the contents is to register its table (`weak_table`).
//!
//! What this module never does: hold a lock of the collector for longer than a push to a list, or make the marker wait.

use crate::barrier::Mode;
use crate::handle::lock_state::{Busy, LockState, Stamp, Unlock};
use crate::handle::open::Visit;
use crate::handle::weak_table::WeakTable;
use crate::mutator::Mutator;
use crate::trace::{
    Branded, EdgeSink, Invariant, Managed, Outcome, Purpose, Shape, Shaped, Trace, Tracer, hash_site, mix,
};
use greyset_sync::{Backoff, Fault, Point, fault, point, thread};
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

/// Data with references inside that can be changed: a `Vec`, a `HashMap`, an enum.
///
/// - [`with`](Lock::with) reads, shared with all other `with` and with the marker.
/// - [`read`](Lock::read) reads through a guard. It excludes reading guards of other mutators, not `with`.
/// - [`write`](Lock::write) and [`with_mut`](Lock::with_mut) change, alone.
///
/// Keep the time short: another mutator that wants the lock spins, then sleeps, and does not reach its safepoints meanwhile.
/// Two mutators that take two locks in opposite order deadlock, as with any lock.
///
/// Cost: 16 bytes in the object; two atomic operations each time. The first change in a marking cycle shades everything
/// the contents refer to, so a large table is better split over several objects, or held in an array of
/// [`Slot`](crate::Slot)s.
///
/// A panic while a guard is held gives the lock back; the contents stay as they were left. A guard that was forgotten
/// (`mem::forget`) keeps the lock until its mutator next answers the collector or parks.
///
/// ```
/// use greyset::{Gc, Heap, Lock, Trace};
///
/// #[derive(Trace)]
/// struct Scope<'gc> {
///     names: Lock<'gc, Vec<Gc<'gc, String>>>,
/// }
///
/// let heap = Heap::builder().build()?;
/// heap.mutator().enter(|m| {
///     let scope = m.alloc(Scope { names: Lock::new(Vec::new()) });
///     scope.names.write(m).push(m.alloc("x".to_string()));
///     assert_eq!(scope.names.with(m, |names| names.len()), 1);
///     assert_eq!(*scope.names.read(m)[0], "x");
/// });
/// # Ok::<(), greyset::HeapError>(())
/// ```
pub struct Lock<'gc, T> {
    state: LockState,
    value: UnsafeCell<T>,
    brand: PhantomData<(Invariant<'gc>, *const ())>,
}

/// Changes the contents of a [`Lock`] until dropped. It cannot be held over a safepoint.
///
/// # Invariants
/// The lock is held for writing by the window of `m`, and this is the only guard of it that can be used.
pub struct LockGuard<'a, 'gc, T: Trace<'gc>> {
    lock: &'a Lock<'gc, T>,
    m: &'gc Mutator,
}

/// Reads the contents of a [`Lock`] until dropped. It cannot be held over a safepoint.
///
/// # Invariants
/// The lock is held for reading by the window of the mutator that made the guard.
pub struct ReadGuard<'a, 'gc, T: Trace<'gc>> {
    lock: &'a Lock<'gc, T>,
    window: PhantomData<&'gc Mutator>,
}

impl<'gc, T: Trace<'gc>> Lock<'gc, T> {
    /// A free lock around `value`.
    pub fn new(value: T) -> Lock<'gc, T> {
        Lock { state: LockState::new(), value: UnsafeCell::new(value), brand: PhantomData }
    }

    /// Takes the lock for changing the contents, waiting for whoever has it.
    ///
    /// # Panics
    /// If this mutator holds the lock already: it would wait for itself for ever.
    pub fn write<'a>(&'a self, m: &'gc Mutator) -> LockGuard<'a, 'gc, T> {
        self.wait(m, "changed", |own| self.state.try_write(own, |stamp| m.stamp_is_live(stamp)));
        self.start_writing(m)
    }

    /// Takes the lock for changing the contents, if it is free.
    pub fn try_write<'a>(&'a self, m: &'gc Mutator) -> Option<LockGuard<'a, 'gc, T>> {
        point(Point::LockAcquire);
        self.state.try_write(m.stamp(), |stamp| m.stamp_is_live(stamp)).ok()?;
        Some(self.start_writing(m))
    }

    /// Takes the lock for reading, waiting for whoever changes the contents or has a guard for reading.
    ///
    /// One mutator may have several such guards.
    ///
    /// # Panics
    /// If this mutator has a guard for changing the contents: it would wait for itself for ever.
    pub fn read<'a>(&'a self, m: &'gc Mutator) -> ReadGuard<'a, 'gc, T> {
        self.wait(m, "read", |own| self.state.try_read(own, |stamp| m.stamp_is_live(stamp)));
        ReadGuard { lock: self, window: PhantomData }
    }

    /// Takes the lock for reading, if nobody changes the contents and no other mutator has a guard for reading.
    pub fn try_read<'a>(&'a self, m: &'gc Mutator) -> Option<ReadGuard<'a, 'gc, T>> {
        point(Point::LockAcquire);
        self.state.try_read(m.stamp(), |stamp| m.stamp_is_live(stamp)).ok()?;
        Some(ReadGuard { lock: self, window: PhantomData })
    }

    /// Reads the contents in `f`, together with any number of others who do.
    ///
    /// # Panics
    /// If this mutator has a guard for changing the contents: it would wait for itself for ever.
    pub fn with<R>(&self, m: &'gc Mutator, f: impl FnOnce(&T) -> R) -> R {
        self.wait(m, "read", |own| {
            if self.state.try_visit(|stamp| m.stamp_is_live(stamp)) {
                return Ok(());
            }
            Err(if self.state.is_written_by(own) { Busy::Own } else { Busy::Other })
        });
        Visit::run(m.open(), &self.state, || {
            // SAFETY: a visitor, until `run` returns: nobody writes (invariant 2 of `LockState`).
            f(unsafe { &*self.value.get() })
        })
    }

    /// Changes the contents in `f`.
    ///
    /// # Panics
    /// As [`Lock::write`].
    pub fn with_mut<R>(&self, m: &'gc Mutator, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.write(m))
    }

    /// Puts `value` in the place of the contents, which it returns.
    ///
    /// # Panics
    /// As [`Lock::write`].
    pub fn replace(&self, m: &'gc Mutator, value: T) -> T {
        std::mem::replace(&mut *self.write(m), value)
    }

    /// Puts `value` in the place of the contents.
    ///
    /// # Panics
    /// As [`Lock::write`].
    pub fn set(&self, m: &'gc Mutator, value: T) {
        drop(self.replace(m, value));
    }

    /// A copy of the contents.
    ///
    /// # Panics
    /// As [`Lock::with`].
    pub fn get(&self, m: &'gc Mutator) -> T
    where
        T: Copy,
    {
        self.with(m, |value| *value)
    }

    /// The contents, without locking: who borrows the lock mutably has them to itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The contents, out of a lock that is not in the heap (yet).
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Tries until it has the lock. `verb` says what for, in the message of the panic.
    fn wait(&self, m: &Mutator, verb: &str, take: impl Fn(Stamp) -> Result<(), Busy>) {
        let backoff = Backoff::new();
        loop {
            point(Point::LockAcquire);
            match take(m.stamp()) {
                Ok(()) => return,
                Err(Busy::Other) if !m.open().visits(&self.state) => pause(&backoff),
                Err(_) => already_held(verb),
            }
        }
    }

    /// The barrier at the start of writing. The lock has just been taken.
    fn start_writing<'a>(&'a self, m: &'gc Mutator) -> LockGuard<'a, 'gc, T> {
        let unlock = Unlock(&self.state);
        match m.mode() {
            Mode::Off => {}
            Mode::Both => {
                if !fault(Fault::CellNotShadedOnLock) {
                    self.shade_contents(m, Purpose::Shade);
                }
                if fault(Fault::CellCapturedInBoth) {
                    self.state.set_captured(m.cycle());
                }
                m.open().guard_made();
            }
            Mode::Deletion if fault(Fault::CellNotCaptured) || fault(Fault::CellCapturedLate) => {}
            Mode::Deletion => self.capture(m),
        }
        std::mem::forget(unlock);
        LockGuard { lock: self, m }
    }

    /// Shades the contents for this cycle, unless that has been done. The caller holds the lock for writing.
    fn capture(&self, m: &Mutator) {
        let cycle = m.cycle();
        if !self.state.is_captured(cycle) {
            self.shade_contents(m, Purpose::Capture { cycle });
            self.state.set_captured(cycle);
        }
    }

    /// Shades everything the contents refer to, tables of ephemerons included. The caller holds the lock for writing.
    #[cold]
    fn shade_contents(&self, m: &Mutator, purpose: Purpose) {
        point(Point::LockCapture);
        let outcome = Tracer::run(&mut ShadeSink(m), purpose, |t: &mut Tracer<'gc>| {
            // SAFETY: the lock is held for writing, and no `&mut` to the contents is in use: before the guard is made, or
            // while it is dropped.
            unsafe { &*self.value.get() }.trace(t);
        });
        debug_assert_eq!(
            outcome,
            Outcome::Complete,
            "who has the contents to itself finds no lock inside taken"
        );
    }
}

/// Waits a little: spins, then lets others run, then sleeps.
#[cold]
fn pause(backoff: &Backoff) {
    if backoff.is_completed() {
        thread::park_timeout(Duration::from_micros(50));
    } else {
        backoff.snooze();
    }
}

#[cold]
fn already_held(verb: &str) -> ! {
    panic!(
        "this mutator holds the Lock already, so it cannot be {verb}: drop the guard (a forgotten one counts until the \
         mutator next answers the collector or parks) or leave `with` first"
    );
}

/// Shades what is found, on a mutator.
struct ShadeSink<'a>(&'a Mutator);

impl EdgeSink for ShadeSink<'_> {
    fn edges(&mut self, addresses: &[usize]) {
        for &address in addresses {
            self.0.shade(address);
        }
    }

    fn stamp_is_live(&self, stamp: Stamp) -> bool {
        self.0.stamp_is_live(stamp)
    }

    /// From here on the map may be anywhere, or nowhere: the table is on the list.
    fn ephemeron_table(&mut self, table: &Arc<WeakTable>) {
        if !fault(Fault::CapturedTableUnregistered) {
            self.0.shared().ephemerons.register(table, self.0.cycle());
        }
    }
}

impl<'gc, T: Trace<'gc>> Drop for LockGuard<'_, 'gc, T> {
    fn drop(&mut self) {
        let _unlock = Unlock(&self.lock.state);
        if self.m.mode() == Mode::Both {
            if !fault(Fault::CellNotShadedOnUnlock) {
                self.lock.shade_contents(self.m, Purpose::Shade);
            }
            self.m.open().guard_dropped();
        }
        if fault(Fault::CellCapturedLate) && self.m.mode() == Mode::Deletion {
            self.lock.capture(self.m);
        }
    }
}

impl<'gc, T: Trace<'gc>> Deref for LockGuard<'_, 'gc, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard's invariant; the borrow of the guard excludes a `&mut`.
        unsafe { &*self.lock.value.get() }
    }
}

impl<'gc, T: Trace<'gc>> DerefMut for LockGuard<'_, 'gc, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard's invariant; the borrow of the guard excludes any other borrow through it.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<'gc, T: Trace<'gc>> Drop for ReadGuard<'_, 'gc, T> {
    fn drop(&mut self) {
        point(Point::LockRelease);
        self.lock.state.unlock_read();
    }
}

impl<'gc, T: Trace<'gc>> Deref for ReadGuard<'_, 'gc, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard's invariant: nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<'gc, T: Trace<'gc> + fmt::Debug> fmt::Debug for LockGuard<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'gc, T: Trace<'gc> + fmt::Debug> fmt::Debug for ReadGuard<'_, 'gc, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> fmt::Debug for Lock<'_, T> {
    /// Says nothing of the contents: looking needs a mutator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

impl<'gc, T: Trace<'gc> + Default> Default for Lock<'gc, T> {
    fn default() -> Self {
        Lock::new(T::default())
    }
}

// SAFETY: reports what the contents report, or puts the object off, or the contents have been reported in this cycle. Other
// threads see the contents under the lock only.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Lock<'gc, T> {
    fn trace(&self, t: &mut Tracer<'gc>) {
        if let Some(look) = t.look(&self.state) {
            // SAFETY: `look` is leave to read the contents while it lives.
            unsafe { &*self.value.get() }.trace(t);
            t.looked(look);
        }
    }
}
// SAFETY: a leaf only if the contents are; otherwise traced by a call.
unsafe impl<'gc, T: Shaped<'gc>> Shaped<'gc> for Lock<'gc, T> {
    const SHAPE: Shape = Shape::Leaf.either(T::SHAPE);
    const HASH: u64 = mix(hash_site("greyset", "Lock", 0, 0), T::HASH);
    const PLAIN: bool = T::PLAIN;
}
// SAFETY: `T` stands for its family by the contract of `Managed`.
unsafe impl<T: Managed> Managed for Lock<'static, T> {
    type At<'gc> = Lock<'gc, T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: Branded<'gc>> Branded<'gc> for Lock<'gc, T> {
    type Static = Lock<'static, T::Static>;
}
