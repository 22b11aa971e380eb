//! What a marker did: counted in its own words, added to the heap's now and then.

use crate::heap::Shared;
use greyset_sync::atomic::Ordering;

/// What a marker did since it last reported.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct MarkCounters {
    /// Objects marked: leaves turned black and others scanned.
    pub(crate) objects: u64,
    /// Bytes of leaves turned black; the others are in `scanned`.
    pub(crate) bytes: u64,
    /// Bytes of objects scanned: the pacer's unit of work.
    pub(crate) scanned: u64,
}

impl MarkCounters {
    /// So many objects of `size` bytes are scanned: grey objects are counted here, leaves where they turn black.
    #[inline(always)]
    pub(crate) fn scan_many(&mut self, count: usize, size: usize) {
        self.objects += count as u64;
        self.scanned += count as u64 * size as u64;
    }

    /// A part of an object is scanned, of so many bytes: its first one, or another.
    pub(crate) fn scan_part(&mut self, is_first: bool, bytes: usize) {
        self.objects += u64::from(is_first);
        self.scanned += bytes as u64;
    }

    /// So many leaves of `size` bytes have turned black.
    #[inline(always)]
    pub(crate) fn leaves(&mut self, count: usize, size: usize) {
        self.objects += count as u64;
        self.bytes += count as u64 * size as u64;
    }

    /// Adds to the heap's counters, as work mutators may draw on, and starts again from 0.
    pub(crate) fn flush_as_credit(&mut self, shared: &Shared) {
        let scanned = i64::try_from(self.scanned).unwrap_or(i64::MAX);
        shared.pace.credit.fetch_add(scanned, Ordering::Relaxed);
        self.flush(shared);
    }

    /// Adds to the heap's counters and starts again from 0.
    pub(crate) fn flush(&mut self, shared: &Shared) {
        let pace = &shared.pace;
        pace.marked_objects.fetch_add(self.objects, Ordering::Relaxed);
        pace.marked_bytes.fetch_add(self.bytes + self.scanned, Ordering::Relaxed);
        pace.scan_work.fetch_add(self.scanned, Ordering::Relaxed);
        *self = MarkCounters::default();
    }
}
