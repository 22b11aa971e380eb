//! Prints what the allocator's operations cost, in nanoseconds: the best of several rounds, so that what else the
//! machine does shows as little as possible.
//!
//! `cargo bench -p greyset-alloc` runs all; a word as argument runs the rows that contain it.

use greyset_alloc::{
    Cache, Colour, Config, DeadSlots, MHeap, RealOs, Reclaim, Role, Span, SweepLeft, TypeInfo,
};
use std::hint::black_box;
use std::time::Instant;

struct Nobody;
impl Reclaim for Nobody {
    fn reclaim(&self, _: &Span, _: DeadSlots<'_>) {}
}

static NODE: TypeInfo = TypeInfo { name: || "node", size: 16, align: 8, drop: None, leaf: false, hash: 1 };
static BOXED: TypeInfo = TypeInfo { name: || "boxed", size: 64, align: 8, drop: None, leaf: false, hash: 2 };
static PAGE: TypeInfo = TypeInfo { name: || "page", size: 8192, align: 8, drop: None, leaf: true, hash: 3 };
static RIVALS: [TypeInfo; 2] = [
    TypeInfo { name: || "one", size: 32, align: 8, drop: None, leaf: true, hash: 7 },
    TypeInfo { name: || "other", size: 32, align: 8, drop: None, leaf: true, hash: 7 },
];
static TINY: TypeInfo = TypeInfo { name: || "small", size: 8, align: 8, drop: None, leaf: true, hash: 0 };

fn heap() -> MHeap {
    MHeap::new(&Config::default(), Box::new(RealOs)).expect("address space")
}

#[inline(always)]
fn alloc(heap: &MHeap, cache: &Cache, info: &'static TypeInfo, colour: Colour) -> usize {
    match cache.alloc(info) {
        Some(ptr) => ptr.addr().get(),
        None => {
            let refilled = cache.refill(heap, &Nobody, info, info.size, colour);
            refilled.expect("memory").ptr.addr().get()
        }
    }
}

/// Best over `rounds` of the nanoseconds for one of the `items` that a round handles.
fn best(rounds: usize, items: usize, mut round: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        round();
        start.elapsed().as_secs_f64() * 1e9 / items as f64
    };
    (0..rounds).map(time).fold(f64::INFINITY, f64::min)
}

fn row(name: &str, f: impl FnOnce() -> f64) {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
        println!("{name:58} {:10.1} ns", f());
    }
}

fn sweep_all(heap: &MHeap, white: Colour) {
    heap.begin_sweep(white);
    heap.open_sweep();
    while heap.sweep_some(Role::Background, usize::MAX, &Nobody).left != SweepLeft::Nothing {}
}

fn set_colour(heap: &MHeap, addr: usize, colour: Colour) {
    let byte = heap.space().colour_at(heap.space().page(addr), addr);
    byte.store(colour.byte(), greyset_sync::atomic::Ordering::Relaxed);
}

/// A heap with `objects` of a type whose every `keep`-th is alive, ready for a lazy sweep with white A.
fn fragmented(info: &'static TypeInfo, objects: usize, keep: usize) -> MHeap {
    let heap = heap();
    let cache = Cache::new(&heap);
    for at in 0..objects {
        let addr = alloc(&heap, &cache, info, Colour::A);
        if at % keep == 0 {
            set_colour(&heap, addr, Colour::B);
        }
    }
    cache.flush(&heap);
    heap
}

/// Allocates `items` objects in an open sweep.
fn refill_row(name: &str, info: &'static TypeInfo, objects: usize, keep: usize) {
    let items = objects - objects.div_ceil(keep);
    row(name, || {
        let round = |_| {
            let heap = fragmented(info, objects, keep);
            let cache = Cache::new(&heap);
            heap.begin_sweep(Colour::A);
            heap.open_sweep();
            let time = best(1, items, || {
                for _ in 0..items {
                    black_box(alloc(&heap, &cache, info, Colour::B));
                }
            });
            cache.flush(&heap);
            time
        };
        (0..9).map(round).fold(f64::INFINITY, f64::min)
    });
}

fn creation() {
    row("heap: create and drop", || best(200, 1, || drop(heap())));
    row("heap: create, first object, drop", || {
        best(200, 1, || {
            let heap = heap();
            let cache = Cache::new(&heap);
            black_box(alloc(&heap, &cache, &NODE, Colour::A));
            cache.flush(&heap);
        })
    });
}

fn allocation() {
    const ITEMS: usize = 1 << 20;
    row("bump: 16 B, fresh memory (page faults and all)", || {
        best(5, ITEMS, || {
            let heap = heap();
            let cache = Cache::new(&heap);
            for _ in 0..ITEMS {
                black_box(alloc(&heap, &cache, &NODE, Colour::A));
            }
            cache.flush(&heap);
        })
    });
    for (name, info) in [("16 B", &NODE), ("64 B", &BOXED), ("tiny 8 B", &TINY)] {
        row(&format!("bump: {name}, memory used before, sweep included"), || {
            let heap = heap();
            let cache = Cache::new(&heap);
            let mut white = Colour::A;
            best(9, ITEMS, || {
                for _ in 0..ITEMS {
                    black_box(alloc(&heap, &cache, info, white));
                }
                cache.flush(&heap);
                heap.begin_sweep(white);
                heap.open_sweep();
                while heap.sweep_some(Role::Background, 64, &Nobody).left != SweepLeft::Nothing {}
                white = white.other();
            })
        });
    }
    row("alternating types that share a bin", || {
        let heap = heap();
        let cache = Cache::new(&heap);
        best(5, ITEMS, || {
            for at in 0..ITEMS {
                black_box(alloc(&heap, &cache, &RIVALS[at % 2], Colour::A));
            }
            cache.flush(&heap);
            sweep_all(&heap, Colour::A);
        })
    });
}

fn spans() {
    row("span: make and free, 8 KiB objects (1 to 8 pages)", || {
        let heap = heap();
        let cache = Cache::new(&heap);
        best(20, 1000, || {
            for _ in 0..1000 {
                black_box(alloc(&heap, &cache, &PAGE, Colour::A));
            }
            cache.flush(&heap);
            sweep_all(&heap, Colour::A);
        })
    });
    for pages in [1, 4, 8, 64] {
        row(&format!("large: make, sweep and free a span of {pages} pages"), || {
            let heap = heap();
            let cache = Cache::new(&heap);
            best(20, 1000, || {
                for _ in 0..1000 {
                    black_box(cache.large(&heap, &Nobody, &PAGE, pages * 8192, Colour::A).expect("memory"));
                }
                sweep_all(&heap, Colour::A);
            })
        });
    }
    row("sweep: a 64 KiB span of 4096 slots, half of them dead", || {
        let spans = 1000;
        let mut heaps: Vec<MHeap> = (0..5).map(|_| fragmented(&NODE, spans * 4096, 2)).collect();
        best(5, spans, || sweep_all(&heaps.pop().expect("one a round"), Colour::A))
    });
}

fn main() {
    creation();
    allocation();
    refill_row("refill: 16 B, every 2nd slot live (a run each)", &NODE, 1 << 18, 2);
    refill_row("refill: 16 B, every 8th slot live", &NODE, 1 << 20, 8);
    refill_row("refill: 64 B, every 2nd slot live (a run each)", &BOXED, 1 << 18, 2);
    refill_row("refill: 64 B, every 64th slot live", &BOXED, 1 << 18, 64);
    spans();
}
