//! The list of attached mutators, and the part of a mutator that others may see.
//!
//! Attaching takes the mode the current phase implies, atomically with joining the list: both happen under the list's
//! lock, under which handshakes are asked too. No mutator takes the lock to answer, park or unpark.

use crate::barrier::Mode;
use crate::handle::Stamp;
use crate::mutator::answer::drop_cache;
use crate::mutator::word::HandshakeWord;
use greyset_alloc::Cache;
use greyset_sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering, fence};
use greyset_sync::{CachePadded, Fault, Mutex, Rank, fault};
use std::collections::HashSet;
use std::ptr;
use std::sync::Arc;

/// What others may see of a mutator.
///
/// | field | mutator, running | mutator, parking or unparking | collector, mutator parked and asked |
/// | --- | --- | --- | --- |
/// | `word` | poll, answered | park, unpark | answer_parked |
/// | `mode` | writes in its answer | reads on unpark | writes |
/// | `window` | writes in its answer | writes on park | – |
/// | `cache` | null | swaps in and out | swaps out, flushes, puts back |
/// | `changes` | counts | counts | – |
///
/// # Invariants
/// `cache` is null or a cache made by `new_cache` that nobody else has. If the mutator has gone it is a flushed one: who answers
/// flushes what is put back, and the verifier, which does not, holds the list's lock, without which no mutator goes.
pub(crate) struct Record {
    /// The handshake word, alone on its cache line.
    pub(crate) word: CachePadded<HandshakeWord>,
    mode: AtomicU8,
    window: AtomicU32,
    cache: AtomicPtr<Cache>,
    /// Changes of the allocator's tables by this mutator, begun and ended: odd while it is at one.
    changes: AtomicU32,
    id: u32,
    name: String,
}

impl Record {
    /// Number of the mutator in its heap, from 1.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Name of the thread that attached it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The mode last answered.
    pub(crate) fn mode(&self) -> Mode {
        Mode::from_byte(self.mode.load(Ordering::Relaxed))
    }

    /// Sets the mode: by the mutator in its answer, by the collector in its stead. Published by the word.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode.byte(), Ordering::Relaxed);
    }

    /// Number of the current window.
    pub(crate) fn window(&self) -> u32 {
        self.window.load(Ordering::Relaxed)
    }

    /// Stamp of the current window.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new(self.id, self.window())
    }

    /// The current window is over.
    pub(crate) fn next_window(&self) {
        let next = self.window.load(Ordering::Relaxed).wrapping_add(1);
        // ORDERING: release pairs with the acquire in `Mutators::stamp_is_live`: what the window wrote is visible to who
        // concludes that its guards are gone.
        self.window.store(next, Ordering::Release);
    }

    /// The mutator changes the allocator's tables for as long as what this returns lives.
    pub(crate) fn changing(&self) -> Changing<'_> {
        self.count_change();
        // ORDERING: pairs with the acquire fence in `changes`: who has seen any of it sees that it has begun.
        fence(Ordering::Release);
        Changing(self)
    }

    /// Only the mutator counts, and it is at one change at a time.
    fn count_change(&self) {
        let next = self.changes.load(Ordering::Relaxed).wrapping_add(1);
        // ORDERING: release pairs with the acquire load in `changes`: who sees that it has ended sees all of it.
        self.changes.store(next, Ordering::Release);
    }

    /// How often the mutator has begun and ended to change the allocator's tables, for the verifier: it has changed nothing
    /// between two looks that give the same even number.
    pub(crate) fn changes(&self) -> u32 {
        // ORDERING: pairs with the release fence in `changing`.
        fence(Ordering::Acquire);
        // ORDERING: pairs with the release store in `count_change`.
        self.changes.load(Ordering::Acquire)
    }

    /// Leaves the cache for the collector to flush, or takes back what is there.
    pub(crate) fn swap_cache(&self, cache: *mut Cache) -> *mut Cache {
        // ORDERING: acquire-release, pairs with itself and with `put_back`: contents of the cache travel with the pointer.
        self.cache.swap(cache, Ordering::AcqRel)
    }

    /// Puts a flushed cache back; false if there is one already.
    pub(crate) fn put_back(&self, cache: *mut Cache) -> bool {
        // ORDERING: release pairs with the acquire in `swap_cache`.
        let swap = self.cache.compare_exchange(ptr::null_mut(), cache, Ordering::Release, Ordering::Relaxed);
        swap.is_ok()
    }
}

impl Drop for Record {
    /// Who has answered for a parked mutator may put its cache back when the mutator has gone, which then nobody takes out.
    fn drop(&mut self) {
        drop_cache(self.swap_cache(ptr::null_mut()));
    }
}

/// See [`Record::changing`].
pub(crate) struct Changing<'a>(&'a Record);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.count_change();
    }
}

/// Guarded by the list's lock.
///
/// # Invariants
/// `seats` are those of the `records`, no two of which have the same: stamps tell attached mutators apart.
pub(crate) struct List {
    records: Vec<Arc<Record>>,
    seats: HashSet<u32>,
    next_id: u32,
    mode: Mode,
}

impl List {
    /// Every attached mutator.
    pub(crate) fn records(&self) -> &[Arc<Record>] {
        &self.records
    }

    /// The mode a mutator gets that attaches now.
    pub(crate) fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Takes a record off the list.
    pub(crate) fn remove(&mut self, id: u32) {
        self.records.retain(|record| record.id != id);
        self.seats.remove(&Stamp::seat(id));
    }

    /// The next number whose seat is nobody's: one look, but where numbers have gone round and meet those of mutators that are
    /// still attached.
    fn take_id(&mut self) -> u32 {
        assert!(
            self.seats.len() < Stamp::SEATS,
            "a heap has at most {} mutators at a time: drop handles that are not in use, or share heaps among fewer",
            Stamp::SEATS
        );
        loop {
            let id = self.next_id;
            self.next_id = id.wrapping_add(1);
            let seat = Stamp::seat(id);
            // INVARIANT: of the list. Seat 0 is the collector's.
            if seat != 0 && self.seats.insert(seat) {
                return id;
            }
        }
    }
}

/// All attached mutators.
pub(crate) struct Mutators {
    list: Mutex<List>,
}

impl Mutators {
    /// An empty list.
    pub(crate) fn new() -> Mutators {
        Mutators {
            list: Mutex::new(
                Rank::Mutators,
                List { records: Vec::new(), seats: HashSet::new(), next_id: 1, mode: Mode::Off },
            ),
        }
    }

    /// The list, if nobody has it locked.
    #[cfg(feature = "sim")]
    pub(crate) fn try_lock(&self) -> Option<greyset_sync::MutexGuard<'_, List>> {
        self.list.try_lock()
    }

    /// The list, locked.
    pub(crate) fn lock(&self) -> greyset_sync::MutexGuard<'_, List> {
        self.list.lock()
    }

    /// Joins the list, parked, in the mode the current phase implies.
    ///
    /// # Panics
    /// With 2²⁰ - 1 mutators attached.
    pub(crate) fn attach(&self, name: &str) -> Arc<Record> {
        let mut list = self.list.lock();
        let id = list.take_id();
        let record = Arc::new(Record {
            word: CachePadded::new(HandshakeWord::new()),
            mode: AtomicU8::new(if fault(Fault::AttachInOff) { Mode::Off } else { list.mode }.byte()),
            window: AtomicU32::new(0),
            cache: AtomicPtr::new(ptr::null_mut()),
            changes: AtomicU32::new(0),
            id,
            name: name.to_owned(),
        });
        list.records.push(Arc::clone(&record));
        record
    }

    /// Whether a guard of the window `stamp` could still exist.
    pub(crate) fn stamp_is_live(&self, stamp: Stamp) -> bool {
        if stamp == Stamp::COLLECTOR {
            return true;
        }
        let list = self.list.lock();
        list.records.iter().filter(|record| stamp.could_be_of(record.id)).any(|record| {
            // ORDERING: acquire pairs with the release in `next_window`.
            Stamp::new(record.id, record.window.load(Ordering::Acquire)) == stamp
        })
    }

    /// How many are in a window.
    pub(crate) fn running(&self) -> usize {
        self.list.lock().records.iter().filter(|record| record.word.is_running()).count()
    }

    /// How many are attached.
    pub(crate) fn len(&self) -> usize {
        self.list.lock().records.len()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_dies_with_its_window() {
        let mutators = Mutators::new();
        let record = mutators.attach("a");
        let stamp = record.stamp();
        assert!(mutators.stamp_is_live(stamp));
        record.next_window();
        assert!(!mutators.stamp_is_live(stamp));
        assert!(mutators.stamp_is_live(record.stamp()));
        mutators.lock().remove(record.id());
        assert!(!mutators.stamp_is_live(record.stamp()));
    }

    /// Ids of `count` mutators that attach, the first of them with the number `from` if that is to be had.
    fn attach_from(mutators: &Mutators, from: u32, count: usize) -> Vec<u32> {
        mutators.lock().next_id = from;
        (0..count).map(|_| mutators.attach("n").id()).collect()
    }

    #[test]
    fn attached_mutators_never_share_a_stamp() {
        const ROUND: u32 = 1 << 20;
        let mutators = Mutators::new();
        let first = mutators.attach("first");
        assert_eq!(
            attach_from(&mutators, ROUND, 2),
            [ROUND + 2, ROUND + 3],
            "0 is the collector's, 1 the first's"
        );
        assert!(mutators.lock().records().iter().skip(1).all(|record| record.stamp() != first.stamp()));
        mutators.lock().remove(first.id());
        assert_eq!(attach_from(&mutators, 2 * ROUND, 3), [2 * ROUND + 1, 2 * ROUND + 4, 2 * ROUND + 5]);
        assert_eq!(attach_from(&mutators, u32::MAX, 2), [u32::MAX, 6], "the numbers themselves go round");
    }

    #[test]
    #[should_panic(expected = "a heap has at most 1048575 mutators at a time")]
    fn more_mutators_than_stamps_are_refused() {
        let mutators = Mutators::new();
        mutators.lock().seats.extend(1..1 << 20);
        mutators.attach("one too many");
    }

    #[test]
    fn attaching_takes_the_mode_of_the_phase() {
        let mutators = Mutators::new();
        mutators.lock().set_mode(Mode::Deletion);
        assert_eq!(mutators.attach("b").mode(), Mode::Deletion);
        assert_eq!(mutators.len(), 1);
    }
}
