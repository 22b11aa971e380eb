//! Systems that are slow, or give less than was asked for.

use super::*;
use crate::os::{Call, FakeOs, Os, ReleaseError, Reservation};
use crate::testing::*;
use crate::{Cache, Colour, Config};
use greyset_sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

const A: Colour = Colour::A;
const B: Colour = Colour::B;

/// A system that can be told to be slow: the next call of [`Os::release`] lasts until it is let go.
struct Slow {
    os: FakeOs,
    next: AtomicUsize,
}

impl Slow {
    const FAST: usize = 0;
    const SLOW: usize = 1;
    const UNDER_WAY: usize = 2;
}

impl Os for Slow {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        self.os.reserve(len)
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        self.os.commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        if self.next.compare_exchange(Slow::SLOW, Slow::UNDER_WAY, Relaxed, Relaxed).is_ok() {
            while self.next.load(Relaxed) == Slow::UNDER_WAY {
                thread::yield_now();
            }
        }
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.os.release(memory, ranges) }
    }
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        self.os.advise_huge(memory, range, wanted)
    }
}

thread_local! {
    /// Says that this thread waits for what others are giving back.
    static WAITS: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
    /// How often this thread has said that memory is on its way to the system.
    static LEAVES: Cell<usize> = const { Cell::new(0) };
}

/// The calling thread says that memory is on its way to the system.
pub(super) fn leaves() {
    LEAVES.set(LEAVES.get() + 1);
}

/// The calling thread waits for what others are giving back.
pub(super) fn waits() {
    WAITS.with_borrow(|waits| {
        if let Some(waits) = waits {
            waits.store(true, Relaxed);
        }
    });
}

/// With all free pages in the hands of a thread that gives them back: an allocation waits, and then has what it needs.
fn waits_for_what_is_given_back(limit: Option<u64>, size: usize) {
    let os = Arc::new(Slow { os: FakeOs::new(), next: AtomicUsize::new(Slow::FAST) });
    let config = Config { reserve: Config::MIN_RESERVE, limit, ..Config::default() };
    let heap = MHeap::new(&config, Box::new(Arc::clone(&os))).expect("memory");
    let cache = Cache::new(&heap);
    let row = RELEASE_STEP * PAGE_SIZE;
    let values: Vec<_> = std::iter::from_fn(|| alloc_large(&heap, &cache, row, A).ok()).collect();
    assert!(values.len() > 5);
    values[1..].iter().for_each(|value| mark(&heap, value.ptr.addr().get(), B));
    sweep_all(&heap, A, &Counting::default());
    if limit.is_some() {
        heap.set_limit(Some(heap.in_use()));
    }
    let before = heap.releases();
    assert!(before.is_some(), "nothing is on its way");
    std::thread::scope(|scope| {
        os.next.store(Slow::SLOW, Relaxed);
        let giving = scope.spawn(|| heap.release(RELEASE_STEP).pages);
        while os.next.load(Relaxed) != Slow::UNDER_WAY {
            thread::yield_now();
        }
        let waits = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&waits);
        let needy = scope.spawn(|| {
            WAITS.set(Some(told));
            let cache = Cache::new(&heap);
            let info = if size > crate::MAX_SMALL { &ARRAY } else { &NODE64 };
            let taken = try_alloc(&heap, &cache, info, size, B);
            cache.flush(&heap);
            taken
        });
        while !waits.load(Relaxed) && !needy.is_finished() {
            thread::yield_now();
        }
        let waits = !needy.is_finished();
        assert_eq!(heap.releases(), None, "pages are on their way");
        os.next.store(Slow::FAST, Relaxed);
        assert!(waits, "{:?}", needy.join());
        assert_eq!(giving.join().expect("no panic"), RELEASE_STEP);
        needy.join().expect("no panic").expect("the pages that were on their way");
    });
    cache.flush(&heap);
    heap.verify().expect("sound");
    assert!(heap.releases() > before, "{before:?}");
}

#[test]
fn at_the_limit_an_allocation_waits_for_pages_on_their_way() {
    waits_for_what_is_given_back(Some(4 << 20), 64);
}

#[test]
fn in_a_full_reservation_a_large_value_waits_for_pages_on_their_way() {
    waits_for_what_is_given_back(None, RELEASE_STEP * PAGE_SIZE);
}

/// A system that takes nothing back, and takes its time to say so.
struct Refusing(FakeOs);

impl Os for Refusing {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        self.0.reserve(len)
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        self.0.commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        (0..100).for_each(|_| thread::yield_now());
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.0.release(memory, ranges) }
    }
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        self.0.advise_huge(memory, range, wanted)
    }
}

/// In a heap at its limit, of which so many values are alive, threads ask for more than there is, all at once: how many calls of the
/// system that made.
fn refused_together(alive: usize, threads: usize) -> usize {
    let os = Arc::new(Refusing(FakeOs::new()));
    let config = Config { reserve: Config::MIN_RESERVE, limit: Some(4 << 20), ..Config::default() };
    let heap = MHeap::new(&config, Box::new(Arc::clone(&os))).expect("memory");
    let cache = Cache::new(&heap);
    let row = RELEASE_STEP * PAGE_SIZE;
    let values: Vec<_> = std::iter::from_fn(|| alloc_large(&heap, &cache, row, A).ok()).collect();
    values.iter().take(alive).for_each(|value| mark(&heap, value.ptr.addr().get(), B));
    sweep_all(&heap, A, &Counting::default());
    heap.set_limit(Some(heap.in_use()));
    os.0.fail_all(Call::GiveBack);
    let together = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let cache = Cache::new(&heap);
                together.wait();
                let taken = try_alloc(&heap, &cache, &ARRAY, 8 << 20, B);
                assert!(taken.is_err());
                cache.flush(&heap);
            });
        }
    });
    cache.flush(&heap);
    heap.verify().expect("sound");
    os.0.calls(Call::GiveBack)
}

/// Who finds nothing to give back must not look like one who gives: those at the limit would wait for each other.
#[test]
fn who_has_nothing_to_give_gives_nothing() {
    let config = Config { reserve: Config::MIN_RESERVE, ..Config::default() };
    let heap = MHeap::new(&config, Box::new(FakeOs::new())).expect("memory");
    let cache = Cache::new(&heap);
    alloc_large(&heap, &cache, PAGE_SIZE, A).expect("memory");
    cache.flush(&heap);
    assert!(heap.release(usize::MAX).is_nothing());
    assert_eq!(LEAVES.get(), 0);
    sweep_all(&heap, A, &Counting::default());
    assert!(!heap.release(usize::MAX).is_nothing());
    assert!(LEAVES.get() > 0);
}

/// Where the system takes nothing back each asks once, however many others ask meanwhile.
#[test]
fn a_system_that_takes_nothing_back_is_not_asked_again_and_again() {
    let calls = refused_together(1, 8);
    assert!((1..=8).contains(&calls), "{calls}");
}

/// A heap of single free pages, each between two in use: how many.
fn in_holes() -> (MHeap, Arc<FakeOs>, usize) {
    let (heap, os) = heap();
    let cache = Cache::new(&heap);
    let values: Vec<_> = (0..200).filter_map(|_| alloc_large(&heap, &cache, PAGE_SIZE, A).ok()).collect();
    values.iter().step_by(2).for_each(|value| mark(&heap, value.ptr.addr().get(), B));
    cache.flush(&heap);
    sweep_all(&heap, A, &Counting::default());
    let free = heap.stats().pages_free;
    assert!(free >= 100, "{free}");
    (heap, os, free)
}

/// Half a MiB goes with one call, wherever its pages lie; what the system refuses of them stays the heap's, what it took before is gone.
#[test]
fn many_rows_go_back_with_one_call() {
    let (heap, os, free) = in_holes();
    assert_eq!(heap.release_once(10).pages, 10);
    assert_eq!((LEAVES.take(), os.calls(Call::GiveBack)), (1, 10), "one call, and ten rows of it");
    os.fail_nth(Call::GiveBack, 21);
    let progress = heap.release_once(usize::MAX);
    assert_eq!((progress.pages, progress.left), (20, free - 30));
    assert!(progress.error.is_some_and(|error| error.to_string().contains("refused by the fake system")));
    assert_eq!(heap.stats().pages_released, 30);
    heap.verify().expect("sound");
    let progress = heap.release_once(usize::MAX);
    assert_eq!((progress.pages, progress.error.is_none()), (RELEASE_STEP, true));
    let rest = heap.release(usize::MAX);
    assert_eq!((rest.pages, rest.left), (free - 30 - RELEASE_STEP, 0));
    heap.verify().expect("sound");
}

/// A system that gives less than is asked for, from a certain reservation on.
struct Stingy {
    os: FakeOs,
    first: usize,
}

impl Os for Stingy {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        let is_short = self.os.calls(Call::Reserve) >= self.first;
        self.os.reserve(if is_short { len - PAGE_SIZE / 2 } else { len })
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        self.os.commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.os.release(memory, ranges) }
    }
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        self.os.advise_huge(memory, range, wanted)
    }
}

#[test]
fn a_system_that_gives_less_than_asked_is_not_used() {
    let config = Config { reserve: Config::MIN_RESERVE, ..Config::default() };
    for first in 0.. {
        let os = Stingy { os: FakeOs::new(), first };
        match MHeap::new(&config, Box::new(os)) {
            Ok(_) => return assert!(first > 1, "the heap and its tables"),
            Err(error) => assert!(error.to_string().contains("given"), "{error}"),
        }
    }
}
