//! What the tests of several modules share: heaps, types, a collector that only counts.

use crate::os::FakeOs;
use crate::*;
use greyset_sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

/// A type of fixed size.
pub(crate) const fn fixed(size: usize, hash: usize) -> TypeInfo {
    TypeInfo { name: || "fixed", size, align: 8, drop: None, leaf: false, hash }
}

/// A type of variable length.
pub(crate) const fn sized(hash: usize) -> TypeInfo {
    TypeInfo { name: || "sized", size: 0, align: 8, drop: None, leaf: true, hash }
}

unsafe fn no_drop(_: *mut u8) {}

/// A type with drop glue.
pub(crate) const fn dropping(size: usize, hash: usize) -> TypeInfo {
    TypeInfo { name: || "dropping", size, align: 8, drop: Some(no_drop), leaf: true, hash }
}

/// A tiny leaf type.
pub(crate) const fn tiny(size: usize) -> TypeInfo {
    TypeInfo { name: || "tiny", size, align: size, drop: None, leaf: true, hash: 0 }
}

pub(crate) static NODE16: TypeInfo = fixed(16, 1);
pub(crate) static NODE64: TypeInfo = fixed(64, 2);
/// Same bin as `NODE16`.
pub(crate) static RIVAL: TypeInfo = fixed(48, 1 + BINS);
pub(crate) static DROP32: TypeInfo = dropping(32, 3);
pub(crate) static ARRAY: TypeInfo = sized(9);
pub(crate) static TINY1: TypeInfo = tiny(1);
pub(crate) static TINY4: TypeInfo = tiny(4);
pub(crate) static TINY8: TypeInfo = tiny(8);

/// A heap of 64 MiB on a system that fails on demand.
pub(crate) fn heap() -> (MHeap, Arc<FakeOs>) {
    heap_of(Config { reserve: Config::MIN_RESERVE, ..Config::default() })
}

pub(crate) fn heap_of(config: Config) -> (MHeap, Arc<FakeOs>) {
    let os = Arc::new(if cfg!(miri) { FakeOs::allocated() } else { FakeOs::new() });
    let heap = MHeap::new(&config, Box::new(Arc::clone(&os))).expect("the system has 64 MiB of addresses");
    (heap, os)
}

/// A collector that counts the dead it is shown.
#[derive(Default)]
pub(crate) struct Counting {
    pub(crate) dead: AtomicUsize,
    pub(crate) spans: AtomicUsize,
    pub(crate) wants_all: bool,
}

impl Reclaim for Counting {
    fn reclaim(&self, _: &Span, dead: DeadSlots<'_>) {
        self.spans.fetch_add(1, Relaxed);
        self.dead.fetch_add(dead.total(), Relaxed);
        assert_eq!(dead.clone().count(), dead.total());
    }
    fn wants_dead(&self) -> bool {
        self.wants_all
    }
}

/// A value of fixed size: from the run, or after a refill.
pub(crate) fn alloc(heap: &MHeap, cache: &Cache, info: &'static TypeInfo, colour: Colour) -> usize {
    try_alloc(heap, cache, info, info.size, colour).expect("enough memory")
}

pub(crate) fn try_alloc(
    heap: &MHeap,
    cache: &Cache,
    info: &'static TypeInfo,
    size: usize,
    colour: Colour,
) -> Result<usize, OutOfMemory> {
    let fast = match info.size {
        0 => cache.bump_sized(info, SizeClass::of(size, info.align)),
        _ => cache.alloc(info),
    };
    match fast {
        Some(ptr) => Ok(ptr.addr().get()),
        None => {
            let refilled = cache.refill(heap, &Counting::default(), info, size, colour)?;
            Ok(refilled.ptr.addr().get())
        }
    }
}

/// A value of variable length in a span of its own.
pub(crate) fn alloc_large(
    heap: &MHeap,
    cache: &Cache,
    size: usize,
    colour: Colour,
) -> Result<Refilled, OutOfMemory> {
    cache.large(heap, &Counting::default(), &ARRAY, size, colour)
}

/// Sets the colour of the object at `addr`, as a marker does.
pub(crate) fn mark(heap: &MHeap, addr: usize, colour: Colour) {
    let byte = heap.space().colour_at(heap.space().page(addr), addr);
    byte.store(colour.paint(byte.load(Relaxed)), Relaxed);
}

/// The colour of the object at `addr`.
pub(crate) fn colour(heap: &MHeap, addr: usize) -> Colour {
    Colour::of(heap.space().colour_at(heap.space().page(addr), addr).load(Relaxed))
}

/// Sweeps everything as the background sweeper, after all caches have been flushed.
pub(crate) fn sweep_all(heap: &MHeap, white: Colour, reclaim: &dyn Reclaim) {
    heap.begin_sweep(white);
    heap.open_sweep();
    while heap.sweep_some(Role::Background, 16, reclaim).left != SweepLeft::Nothing {}
    assert_eq!(heap.unswept_pages(), 0);
}
