//! Lock-free sets of spans: a stack of span numbers, linked through the spans themselves.
//!
//! The algorithm is R. K. Treiber's stack (1986) with a counted head: the head word holds the top's number and a tag that
//! every change increments. A popper that slept between reading a span's link and its swap fails unless exactly a multiple
//! of 2^32 changes passed meanwhile. Spans are never unmapped while the heap lives, so reading a link of a span that
//! somebody else has just popped is harmless: the swap fails.
//!
//! Never allocates, never waits.

use crate::unit::SpanId;
use greyset_sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Where the links of spans are.
pub(crate) trait Links {
    /// The link word of span `id`.
    fn link(&self, id: SpanId) -> &AtomicU32;
}

/// A stack of spans.
///
/// # Invariants
/// 1. The low half of `head` is the top's number or 0, the high half the number of changes so far, modulo 2^32.
/// 2. From the top, links lead through distinct spans to 0. A span is in at most one stack; while it is in one, its link
///    belongs to the stack.
#[derive(Debug)]
pub(crate) struct SpanStack {
    head: AtomicU64,
}

const fn pack(id: SpanId, tag: u32) -> u64 {
    (tag as u64) << 32 | id.0 as u64
}

const fn unpack(head: u64) -> (SpanId, u32) {
    (SpanId(head as u32), (head >> 32) as u32)
}

impl SpanStack {
    #[cfg(test)]
    pub(crate) fn new() -> SpanStack {
        SpanStack { head: AtomicU64::new(0) }
    }

    /// Puts a span, which the caller owns, on the stack.
    pub(crate) fn push(&self, links: &impl Links, id: SpanId) {
        debug_assert!(id.is_some());
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let (top, tag) = unpack(head);
            links.link(id).store(top.0, Ordering::Relaxed);
            let new = pack(id, tag.wrapping_add(1));
            // ORDERING: pairs with the acquire swap in `pop`: who pops the span sees all that its owner did to it.
            match self.head.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes a span from the stack; it belongs to the caller then.
    #[must_use]
    pub(crate) fn pop(&self, links: &impl Links) -> Option<SpanId> {
        // ORDERING: pairs with the release swap in `push`: the top's link is read after it was written.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let (top, tag) = unpack(head);
            if !top.is_some() {
                return None;
            }
            let next = SpanId(links.link(top).load(Ordering::Relaxed));
            let new = pack(next, tag.wrapping_add(1));
            // ORDERING: pairs with the release swap in `push`, directly or through the other pops between (a release
            // sequence of read-modify-writes); a failure acquires for the next link to be read.
            match self.head.compare_exchange_weak(head, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(top),
                Err(now) => head = now,
            }
        }
    }

    /// Calls `f` with every span on it as long as that answers true. For a heap at rest: spans that come or go meanwhile may be missed
    /// or repeated.
    pub(crate) fn for_each(&self, links: &impl Links, mut f: impl FnMut(SpanId) -> bool) {
        // ORDERING: pairs with the release swap in `push`, so that links are read after they were written.
        let (mut at, _) = unpack(self.head.load(Ordering::Acquire));
        while at.is_some() && f(at) {
            at = SpanId(links.link(at).load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests;
