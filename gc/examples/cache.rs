//! A bounded cache: what was used last is kept, and what somebody still uses is found even when the cache has let it go.
//!
//!     cargo run --release -p greyset --example cache
//!
//! What it shows: `Root`s in an ordinary Rust collection, [`Weak`] handles, and a cleanup that runs when an object is gone.
//!
//! A cache with strong references only has to choose: keep too much, or load a page a second time while the first copy is
//! still in use. Weak handles take that choice away: for each page there is one object at most.

use greyset::{Gc, Heap, Mutator, Root, Str, Trace, Weak};
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that is expensive to make.
#[derive(Trace)]
struct Page<'gc> {
    number: u64,
    text: Gc<'gc, Str<'gc>>,
}

/// A cache of pages. It is no heap object itself: it holds owned handles, so it can lie anywhere, and be sent to a thread.
struct Cache {
    capacity: usize,
    /// What was used last, the latest at the end. These keep their pages.
    recent: VecDeque<(u64, Root<Page<'static>>)>,
    /// Every page that may still be there. These do not.
    index: HashMap<u64, Weak<Page<'static>>>,
    /// How large the index may become before the empty handles in it are dropped.
    prune_at: usize,
    /// Pages that are gone, counted by the collector.
    gone: Arc<AtomicU64>,
    found: u64,
    loaded: u64,
}

impl Cache {
    fn new(capacity: usize) -> Cache {
        Cache {
            capacity,
            recent: VecDeque::new(),
            index: HashMap::new(),
            prune_at: 2 * capacity,
            gone: Arc::default(),
            found: 0,
            loaded: 0,
        }
    }

    /// The page with this number: from the cache, from wherever else it is in use, or newly made.
    fn get<'gc>(&mut self, m: &'gc Mutator, number: u64) -> Gc<'gc, Page<'gc>> {
        let known = self.index.get(&number).and_then(|weak| weak.upgrade(m));
        let page = match known {
            Some(page) => {
                self.found += 1;
                page
            }
            None => self.load(m, number),
        };
        self.recent.retain(|(other, _)| *other != number);
        self.recent.push_back((number, page.root(m)));
        if self.recent.len() > self.capacity {
            // The page goes as soon as nobody else has it. Until then `index` still finds it.
            self.recent.pop_front();
        }
        page
    }

    fn load<'gc>(&mut self, m: &'gc Mutator, number: u64) -> Gc<'gc, Page<'gc>> {
        self.loaded += 1;
        let page = m.alloc(Page { number, text: m.alloc_str(&format!("the text of page {number}")) });
        // The closure gets no reference to the page, which would keep it for ever: only what it needs to know.
        m.add_cleanup(
            page,
            |gone| {
                gone.fetch_add(1, Ordering::Relaxed);
            },
            Arc::clone(&self.gone),
        );
        self.index.insert(number, page.downgrade(m));
        if self.index.len() > self.prune_at {
            self.index.retain(|_, weak| !weak.is_cleared());
            // Twice what is left: a cycle may not come for long, and looking in vain must not cost more than loading.
            self.prune_at = 2 * self.index.len().max(self.capacity);
        }
        page
    }
}

/// What a run has done.
#[derive(Debug)]
pub struct Summary {
    /// Pages asked for.
    pub asked: u64,
    /// Found in the cache or in use elsewhere.
    pub found: u64,
    /// Made.
    pub loaded: u64,
    /// Gone again.
    pub gone: u64,
    /// Still there at the end: in the cache or in use.
    pub left: u64,
}

/// Asks for pages, some of them much more often than others, with a `capacity` for the cache and a reader that holds on to
/// every hundredth page.
pub fn run(requests: u64, capacity: usize) -> Result<Summary, Box<dyn Error>> {
    let heap = Heap::builder().build()?;
    let summary = heap.mutator().enter(|m| {
        let mut cache = Cache::new(capacity);
        let mut reading: VecDeque<Root<Page<'static>>> = VecDeque::new();
        let mut random = 1_u64;
        for request in 0..requests {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let spread = 1 << (1 + (random >> 60));
            let number = (random >> 30) % spread;
            let page = cache.get(m, number);
            assert!(page.number == number && page.text.ends_with(&number.to_string()));
            if request % 100 == 0 {
                reading.push_back(page.root(m));
                if reading.len() > 10 {
                    reading.pop_front();
                }
            }
            m.safepoint();
        }
        let mut left: Vec<u64> = cache.recent.iter().map(|(number, _)| *number).collect();
        left.extend(reading.iter().map(|root| root.get(m).number));
        left.sort_unstable();
        left.dedup();
        // A whole cycle: what nobody holds is found dead, its weak handles are empty, its cleanups due.
        m.collect();
        let known = cache.index.values().filter(|weak| weak.upgrade(m).is_some()).count();
        assert_eq!(known, left.len());
        let left = left.len() as u64;
        // Waiting is done parked: while a thread sleeps in a window the collector would wait for it.
        let gone = m.blocking(|| wait_for(&cache, left));
        Summary { asked: requests, found: cache.found, loaded: cache.loaded, gone, left }
    });
    Ok(summary)
}

/// Cleanups run on a thread of the collector, soon after the cycle; the number of pages that are gone, when all have run.
fn wait_for(cache: &Cache, left: u64) -> u64 {
    let gone = || cache.gone.load(Ordering::Relaxed);
    for _ in 0..10_000 {
        if gone() + left == cache.loaded {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    gone()
}

fn main() -> Result<(), Box<dyn Error>> {
    let Summary { asked, found, loaded, gone, left } = run(1_000_000, 100)?;
    let mut out = io::stdout();
    writeln!(out, "asked for {asked} pages: {found} found, {loaded} loaded")?;
    writeln!(out, "of those, {gone} are gone and {left} left")?;
    Ok(())
}
