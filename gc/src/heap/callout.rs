//! User code that the heap calls: drop glue, cleanups, event sinks. What it must not do there is wait for the collector, which waits
//! for it.
//!
//! Each thread notes for which heaps it is in such code. So the wait is refused, by a panic (which is caught where the code was
//! called), whoever runs the collector: its threads, a mutator at a safepoint, a test. What cannot be seen is a wait for another
//! thread that waits: the documentation of each of the three says so.
//!
//! A mutator that runs the collector is parked meanwhile (`Mutator::collect`, `inline_step`). So drop glue and cleanups find their
//! thread outside of the heap, whoever calls them, and may enter it through a mutator of their own: there is no window below them on the
//! stack that would have to answer, and none that holds a `Lock`. Their own safepoints take no step of the collector: steps would nest,
//! as deep as there are spans to sweep.

use crate::heap::Shared;
use greyset_sync::thread::task;
use std::cell::RefCell;
use std::ptr;

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Callout {
    /// Drop glue or a cleanup, with no lock held.
    Reclaim,
    /// An event sink, perhaps with the collector's lock held.
    Sink,
}

/// A call under way: the task that makes it (0 without a simulator), the address of the heap, what is called.
type Call = (u32, usize, Callout);

thread_local! {
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
}

/// The thread is in user code for as long as this lives.
#[must_use]
pub(crate) struct Called(Call);

impl Drop for Called {
    fn drop(&mut self) {
        let _ = CALLS.try_with(|calls| {
            let mut calls = calls.borrow_mut();
            if let Some(at) = calls.iter().rposition(|call| *call == self.0) {
                calls.remove(at);
            }
        });
    }
}

/// Whether the caller is in a call of this kind.
fn is_called(is_it: impl Fn(&Call) -> bool) -> bool {
    let me = task();
    CALLS.try_with(|calls| calls.borrow().iter().any(|call| call.0 == me && is_it(call))).unwrap_or(false)
}

/// Whether the caller is in user code that any heap has called.
pub(crate) fn in_any_callout() -> bool {
    is_called(|_| true)
}

impl Shared {
    /// User code is about to be called.
    pub(crate) fn calls_out(&self, what: Callout) -> Called {
        let call = (task(), ptr::from_ref(self).addr(), what);
        // A thread that ends, and drops its last handles, may have none: then a wait is not refused.
        let _ = CALLS.try_with(|calls| calls.borrow_mut().push(call));
        Called(call)
    }

    fn is_called(&self, is_it: impl Fn(Callout) -> bool) -> bool {
        let heap = ptr::from_ref(self).addr();
        is_called(|call| call.1 == heap && is_it(call.2))
    }

    /// Whether the caller is in user code that this heap has called: then no step of the collector is to be taken here.
    pub(crate) fn in_callout(&self) -> bool {
        self.is_called(|_| true)
    }

    /// The caller is about to wait until a cycle is complete.
    ///
    /// # Panics
    /// If the cycle would wait for the caller.
    #[track_caller]
    pub(crate) fn will_wait(&self) {
        assert!(
            !self.in_callout(),
            "drop glue, cleanups and event sinks must not collect in the heap that calls them: it would wait for itself for ever; \
             ask for a cycle with Heap::request_cycle, which waits for nothing, or have a thread of your own collect"
        );
    }

    /// The caller is about to lock the collector.
    ///
    /// # Panics
    /// If it may have it locked already.
    #[track_caller]
    pub(crate) fn will_lock(&self) {
        assert!(
            !self.is_called(|what| what == Callout::Sink),
            "an event sink must not change, step or verify the heap that tells it something, which may wait for the sink just now: \
             have another thread do it"
        );
    }
}
