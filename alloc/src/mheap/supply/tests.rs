//! Systems that are slow, or give less than was asked for.

use super::*;
use crate::os::{FakeOs, Os, Reservation};
use crate::testing::*;
use crate::{Cache, Colour, Config};
use greyset_sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::cell::RefCell;
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
    unsafe fn release(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        if self.next.compare_exchange(Slow::SLOW, Slow::UNDER_WAY, Relaxed, Relaxed).is_ok() {
            while self.next.load(Relaxed) == Slow::UNDER_WAY {
                thread::yield_now();
            }
        }
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.os.release(memory, range) }
    }
    fn advise_huge(&self, memory: &Reservation, range: Range<usize>, wanted: bool) -> io::Result<()> {
        self.os.advise_huge(memory, range, wanted)
    }
}

thread_local! {
    /// Says that this thread waits for what others are giving back.
    static WAITS: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
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
    let before = heap.releases().expect("nothing is on its way");
    assert!(before > 0 && heap.release(1).error.is_none());
    assert!(heap.releases() > Some(before), "{before}");
}

#[test]
fn at_the_limit_an_allocation_waits_for_pages_on_their_way() {
    waits_for_what_is_given_back(Some(4 << 20), 64);
}

#[test]
fn in_a_full_reservation_a_large_value_waits_for_pages_on_their_way() {
    waits_for_what_is_given_back(None, RELEASE_STEP * PAGE_SIZE);
}

/// A system that gives less than is asked for, from a certain reservation on.
struct Stingy {
    os: FakeOs,
    first: usize,
}

impl Os for Stingy {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        let is_short = self.os.calls(crate::os::Call::Reserve) >= self.first;
        self.os.reserve(if is_short { len - PAGE_SIZE / 2 } else { len })
    }
    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        self.os.commit(memory, range)
    }
    unsafe fn release(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.os.release(memory, range) }
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
            Ok(_) => return assert!(first > 5, "the heap and its tables"),
            Err(error) => assert!(error.to_string().contains("given"), "{error}"),
        }
    }
}
