//! The tracer: what a value reports its references to.
//!
//! It gathers addresses in a small buffer and hands them to a sink: a marker's stack, the shading of a mutator, a verifier.
//! It knows how the contents of a [`Lock`](crate::Lock) may be looked at, because that depends on who asks.
//!
//! What it never does: look at what an address points to, or wait.

use super::Invariant;
use crate::handle::{Gc, LockState, Stamp, WeakTable};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

/// Addresses gathered before the sink is called.
const BUFFER: usize = 64;

/// Takes the references a value reports. Made by the collector only.
///
/// # Invariants
/// 1. The first `len` words of `buffer` are initialised.
/// 2. `sink` is valid for as long as the tracer exists: a tracer exists only inside `Tracer::run`.
pub struct Tracer<'gc> {
    sink: NonNull<dyn EdgeSink>,
    purpose: Purpose,
    deferred: bool,
    len: usize,
    buffer: [MaybeUninit<usize>; BUFFER],
    brand: Invariant<'gc>,
}

/// Where a tracer's findings go.
pub(crate) trait EdgeSink {
    /// References found: each the address of an object or of something inside one, never 0.
    fn edges(&mut self, addresses: &[usize]);

    /// Could a guard of this window still exist? An answer of `false` must acquire what the window's owner did in it.
    fn stamp_is_live(&self, stamp: Stamp) -> bool;

    /// A table of ephemerons (Hayes 1997): each value counts as referred to only while its key is marked.
    fn ephemeron_table(&mut self, table: &Arc<WeakTable>);
}

/// Why values are traced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A marker or an assist scans an object that mutators may be using, in this cycle.
    Mark {
        /// Number of the cycle.
        cycle: u32,
    },
    /// A mutator shades what lies in a `Lock` it holds for writing, before its first change in this cycle (mode Deletion).
    Capture {
        /// Number of the cycle.
        cycle: u32,
    },
    /// As `Capture` in mode Both: what is shaded now does not count as captured later.
    Shade,
    /// A verifier looks at everything, captured or not.
    Verify,
}

impl Purpose {
    /// The cycle for which contents count as captured once traced; `None` if they do not.
    pub(crate) fn captures(self) -> Option<u32> {
        match self {
            Purpose::Mark { cycle } | Purpose::Capture { cycle } => Some(cycle),
            Purpose::Shade | Purpose::Verify => None,
        }
    }

    /// Has the caller everything it traces to itself?
    ///
    /// So for the contents of a `Lock` held for writing: no guard of a `Lock` inside it can be in use, even if the word
    /// of that inner lock says so because a guard was forgotten.
    fn is_exclusive(self) -> bool {
        matches!(self, Purpose::Capture { .. } | Purpose::Shade)
    }
}

/// How tracing an object ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// Every reference has been reported.
    Complete,
    /// A lock was taken: everything has to be traced again.
    Deferred,
}

/// Leave to read the contents of a lock, until dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Look<'a> {
    lock: &'a LockState,
    /// Other readers may be there, and the lock knows of this one. Otherwise the contents are the caller's own.
    shared: bool,
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if self.shared {
            self.lock.leave();
        }
    }
}

impl<'gc> Tracer<'gc> {
    /// Lets `body` trace into `sink`.
    ///
    /// A panic in `body` passes through; what had been gathered is lost, so the caller has to give up the cycle.
    pub(crate) fn run(
        sink: &mut (dyn EdgeSink + '_),
        purpose: Purpose,
        body: impl FnOnce(&mut Tracer<'gc>),
    ) -> Outcome {
        let sink = NonNull::from(sink);
        // SAFETY: only the lifetime bound of the `dyn` type changes. The pointer does not leave `tracer`, which does not
        // leave this function (invariant 2): `body` gets it for a lifetime of the callee's choosing.
        let sink = unsafe {
            std::mem::transmute::<NonNull<dyn EdgeSink + '_>, NonNull<dyn EdgeSink + 'static>>(sink)
        };
        let mut tracer = Tracer {
            sink,
            purpose,
            deferred: false,
            len: 0,
            buffer: [const { MaybeUninit::uninit() }; BUFFER],
            brand: PhantomData,
        };
        body(&mut tracer);
        tracer.flush();
        if tracer.deferred { Outcome::Deferred } else { Outcome::Complete }
    }

    /// Reports a reference.
    ///
    /// Cost: a store; every 64th call hands the batch on.
    #[inline]
    pub fn edge<T: ?Sized>(&mut self, gc: Gc<'gc, T>) {
        self.address(gc.as_addr());
    }

    /// Reports the address of an object, or of something inside one; 0 is none.
    #[inline]
    pub(crate) fn address(&mut self, address: usize) {
        if address == 0 {
            return;
        }
        if self.len == BUFFER {
            self.flush();
        }
        self.buffer[self.len].write(address);
        self.len += 1;
    }

    /// Asks for a look into the contents of a lock. `None`: they need not be traced now.
    ///
    /// Never waits. If the contents were captured in this cycle there is nothing to do, whoever has the lock; so a writer is
    /// in the way only until it has captured them itself. Then the object is put off as a whole.
    #[inline]
    pub(crate) fn look<'a>(&mut self, lock: &'a LockState) -> Option<Look<'a>> {
        if let Some(cycle) = self.purpose.captures()
            && lock.is_captured(cycle)
        {
            return None;
        }
        let shared = !self.purpose.is_exclusive();
        if shared {
            // SAFETY: invariant 2.
            let sink = unsafe { self.sink.as_ref() };
            if !lock.try_visit(|stamp| sink.stamp_is_live(stamp)) {
                self.deferred = true;
                return None;
            }
        }
        Some(Look { lock, shared })
    }

    /// Ends a look: all contents have been traced. They count as captured if the purpose says so and nothing was put off.
    #[inline]
    pub(crate) fn looked(&mut self, look: Look<'_>) {
        if let Some(cycle) = self.purpose.captures()
            && !self.deferred
        {
            look.lock.set_captured(cycle);
        }
    }

    /// Reports a table of ephemerons.
    pub(crate) fn ephemerons(&mut self, table: &Arc<WeakTable>) {
        // SAFETY: invariant 2; nothing else uses the sink during the call, since it takes `&mut self`.
        unsafe { self.sink.as_mut() }.ephemeron_table(table);
    }

    #[cold]
    fn flush(&mut self) {
        let gathered: *const [MaybeUninit<usize>] = &self.buffer[..self.len];
        // SAFETY: the first `len` words are initialised (invariant 1), and `MaybeUninit<usize>` has the layout of `usize`.
        let addresses = unsafe { &*(gathered as *const [usize]) };
        if !addresses.is_empty() {
            // SAFETY: invariant 2; nothing else uses the sink during the call, since this takes `&mut self`.
            unsafe { self.sink.as_mut() }.edges(addresses);
        }
        self.len = 0;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::handle::Lock;
    use crate::trace::Trace;
    use std::slice;

    /// Keeps what it is told; every window is live, or none.
    #[derive(Default)]
    struct Sink {
        batches: Vec<Vec<usize>>,
        live: bool,
        tables: usize,
    }

    impl EdgeSink for Sink {
        fn edges(&mut self, addresses: &[usize]) {
            self.batches.push(addresses.to_vec());
        }
        fn stamp_is_live(&self, _: Stamp) -> bool {
            self.live
        }
        fn ephemeron_table(&mut self, _: &Arc<WeakTable>) {
            self.tables += 1;
        }
    }

    const MARK: Purpose = Purpose::Mark { cycle: 3 };
    const CAPTURE: Purpose = Purpose::Capture { cycle: 3 };

    /// A reference that is never followed.
    fn reference(address: &u64) -> Gc<'static, u64> {
        // SAFETY: only its address is looked at, and only while the number is there.
        unsafe { Gc::from_ptr(NonNull::from(address)) }
    }

    #[test]
    fn references_come_in_batches_in_order() {
        let numbers: Vec<u64> = (0..130).collect();
        let references: Vec<_> = numbers.iter().map(reference).collect();
        let mut sink = Sink::default();
        let outcome = Tracer::run(&mut sink, MARK, |t| {
            t.address(0);
            references.trace(t);
        });
        assert_eq!(outcome, Outcome::Complete);
        assert_eq!(sink.batches.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 2]);
        assert!(
            sink.batches.concat().into_iter().eq(numbers.iter().map(|n| slice::from_ref(n).as_ptr().addr()))
        );
    }

    #[test]
    fn nothing_found_is_nothing_told() {
        let mut sink = Sink::default();
        assert_eq!(Tracer::run(&mut sink, MARK, |t| (1_u64, "text").trace(t)), Outcome::Complete);
        assert!(sink.batches.is_empty());
    }

    fn trace<'a>(lock: &Lock<'a, Option<Gc<'a, u64>>>, purpose: Purpose, live: bool) -> (Outcome, usize) {
        let mut sink = Sink { live, ..Sink::default() };
        let outcome = Tracer::run(&mut sink, purpose, |t| lock.trace(t));
        (outcome, sink.batches.concat().len())
    }

    #[test]
    fn contents_are_captured_once_a_cycle() {
        let number = 1;
        for purpose in [MARK, CAPTURE] {
            let lock = Lock::new(Some(reference(&number)));
            assert_eq!(trace(&lock, purpose, true), (Outcome::Complete, 1));
            assert_eq!(trace(&lock, purpose, true), (Outcome::Complete, 0));
            assert_eq!(trace(&lock, Purpose::Mark { cycle: 4 }, true), (Outcome::Complete, 1));
        }
    }

    #[test]
    fn shading_and_verifying_look_at_everything_and_capture_nothing() {
        let number = 1;
        let lock = Lock::new(Some(reference(&number)));
        for purpose in
            [Purpose::Shade, Purpose::Verify, Purpose::Verify, MARK, Purpose::Shade, Purpose::Verify]
        {
            assert_eq!(trace(&lock, purpose, true), (Outcome::Complete, 1), "{purpose:?}");
        }
        assert_eq!(trace(&lock, MARK, true), (Outcome::Complete, 0));
    }

    #[test]
    fn a_taken_lock_puts_the_object_off_unless_its_owner_is_gone() {
        let state = LockState::new();
        assert!(state.try_write(Stamp::new(1, 1), |_| true).is_ok());
        let look = |live| {
            let mut seen = false;
            let outcome = Tracer::run(&mut Sink { live, ..Sink::default() }, MARK, |t| {
                if let Some(look) = t.look(&state) {
                    seen = true;
                    t.looked(look);
                }
            });
            (outcome, seen)
        };
        assert_eq!(look(true), (Outcome::Deferred, false));
        assert_eq!(look(false), (Outcome::Complete, true));
        assert!(state.try_write(Stamp::new(2, 1), |_| true).is_ok(), "the look is over");
        assert_eq!(look(true), (Outcome::Complete, false), "captured, so nobody minds that it is taken");
    }

    #[test]
    fn a_panic_in_a_look_gives_the_lock_back() {
        let state = LockState::new();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = Tracer::run(&mut Sink::default(), MARK, |t| {
                let _look = t.look(&state);
                panic!("in trace");
            });
        }));
        assert!(result.is_err() && !state.is_captured(3));
        assert!(state.try_write(Stamp::new(2, 1), |_| true).is_ok());
    }

    #[test]
    fn a_table_of_ephemerons_is_for_everybody() {
        let table = Arc::new(WeakTable::new());
        for purpose in [MARK, CAPTURE, Purpose::Shade, Purpose::Verify] {
            let state = LockState::new();
            let mut sink = Sink::default();
            let outcome = Tracer::run(&mut sink, purpose, |t| {
                let look = t.look(&state).expect("not captured yet");
                t.ephemerons(&table);
                t.looked(look);
            });
            assert_eq!((outcome, sink.tables), (Outcome::Complete, 1), "{purpose:?}");
            assert_eq!(state.is_captured(3), purpose.captures().is_some(), "{purpose:?}");
        }
    }
}
