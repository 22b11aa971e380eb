//! A graph that many threads share and check: every kind of handle, reference field and ending, random steps, sums in every
//! object. Threads race as they like: only what must hold in every order is checked.

use crate::log::sum;
use crate::random::Random;
use greyset::{
    Array, FinalizerQueue, Gc, Heap, Lock, Mutator, Root, Slot, Static, Str, Trace, Weak, WeakMap,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Slots of the table that all threads share; roots and weak handles they pass to each other.
const SHARED: usize = 48;

/// What was made and what has ended.
#[derive(Default)]
pub struct Tally {
    /// Nodes made.
    pub made: AtomicU64,
    /// Nodes whose drop glue has run.
    pub dropped: AtomicU64,
    /// Cleanups registered.
    pub cleanups: AtomicU64,
    /// Cleanups that have run.
    pub cleaned: AtomicU64,
}

struct Counted(Arc<Tally>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// No drop glue: swept by mutators too.
#[derive(Trace)]
pub struct Pair<'gc> {
    /// Pairs behind it.
    pub depth: u64,
    /// The sum of its depth.
    pub sum: u64,
    /// The next one.
    pub rest: Slot<'gc, Pair<'gc>>,
}

#[derive(Trace)]
struct Node<'gc> {
    id: u64,
    sum: u64,
    counted: Static<Counted>,
    left: Slot<'gc, Node<'gc>>,
    right: Slot<'gc, Node<'gc>>,
    items: Lock<'gc, Vec<Gc<'gc, Node<'gc>>>>,
    text: Slot<'gc, Str<'gc>>,
    pairs: Slot<'gc, Pair<'gc>>,
    names: WeakMap<'gc, Node<'gc>, Str<'gc>>,
    friend: Slot<'gc, Friend>,
}

#[derive(Trace)]
struct Friend(Weak<Node<'static>>);

type Shelf<'gc> = Array<'gc, Slot<'gc, Node<'gc>>>;

/// What the threads share.
pub struct World {
    heap: Heap,
    shelf: Root<Shelf<'static>>,
    roots: Mutex<Vec<Root<Node<'static>>>>,
    weaks: Mutex<Vec<Weak<Node<'static>>>>,
    queue: FinalizerQueue<Node<'static>>,
    tally: Arc<Tally>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts `item` into a list of at most [`SHARED`], in the place of another if it is full; returns what has to go.
fn put<T>(list: &Mutex<Vec<T>>, item: T, random: &mut Random) -> Option<T> {
    let mut list = locked(list);
    if list.len() < SHARED {
        list.push(item);
        return None;
    }
    let at = random.below(SHARED);
    Some(std::mem::replace(&mut list[at], item))
}

impl World {
    /// An empty graph in a heap.
    pub fn new(heap: Heap) -> World {
        let shelf = heap.mutator().enter(|m| m.alloc_array(SHARED, |_| Slot::<Node>::empty()).root(m));
        let queue = heap.finalizer_queue();
        let (roots, weaks, tally) = Default::default();
        World { heap, shelf, roots, weaks, queue, tally }
    }

    /// The heap the graph is in.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// One thread's share of the work: windows until `goes_on`, asked now and then, says no; at
    /// most `rounds`.
    pub fn work(&self, seed: u64, rounds: usize, goes_on: impl Fn() -> bool) {
        let mut random = Random::new(seed);
        let mut handle = self.heap.mutator();
        let mut left = rounds;
        while left > 0 && goes_on() {
            handle.enter(|m| {
                for _ in 0..random.below(100).min(left) {
                    let window = Window { m, world: self };
                    for _ in 0..=random.below(30) {
                        window.act(&mut random);
                    }
                    match random.below(200) {
                        0 => m.collect(),
                        1..4 => m.heap().request_cycle(),
                        4..10 => m.blocking(thread::yield_now),
                        _ => m.safepoint(),
                    }
                    left -= 1;
                }
            });
            left = left.saturating_sub(1);
            if random.one_in(10) {
                handle = self.heap.mutator();
            }
        }
    }

    /// Lets go of everything; the heap is empty after a few cycles.
    ///
    /// # Panics
    /// If anything is left or lost.
    pub fn wind_up(self, threads: u64) -> Arc<Tally> {
        let World { heap, shelf, roots, weaks, queue, tally } = self;
        drop((shelf, roots));
        heap.mutator().enter(|m| {
            for _ in 0..4 {
                m.collect();
                while let Some(root) = queue.poll() {
                    check(m, root.get(m));
                }
            }
        });
        assert!(locked(&weaks).iter().all(Weak::is_cleared));
        assert_eq!(tally.made.load(Ordering::Relaxed), tally.dropped.load(Ordering::Relaxed));
        let stats = heap.stats();
        assert_eq!((stats.drop_panics, stats.trace_panics, stats.mutators), (0, 0, 0));
        assert!(stats.cycles > 4 * threads, "{stats}");
        assert!(stats.peak_bytes < 1 << 30, "{stats}");
        tally
    }
}

/// Everything about a node that never changes, and the contents of what it refers to.
fn check<'gc>(m: &'gc Mutator, node: Gc<'gc, Node<'gc>>) {
    assert_eq!(node.sum, sum(node.id), "a node is spoilt");
    if let Some(text) = node.text.load(m) {
        let (id, found) = text.as_str().split_once(' ').expect("two numbers");
        assert_eq!(id.parse().map(sum), found.parse(), "a text is spoilt");
    }
    let (mut pairs, mut depth) = (node.pairs.load(m), u64::MAX);
    while let Some(pair) = pairs {
        assert!(
            pair.sum == sum(pair.depth) && (depth == u64::MAX || pair.depth + 1 == depth),
            "a pair is spoilt"
        );
        (pairs, depth) = (pair.rest.load(m), pair.depth);
    }
}

struct Window<'gc, 'w> {
    m: &'gc Mutator,
    world: &'w World,
}

impl<'gc> Window<'gc, '_> {
    fn slot(&self, random: &mut Random) -> &'gc Slot<'gc, Node<'gc>> {
        &self.world.shelf.get(self.m).get()[random.below(SHARED)]
    }

    /// A node from the shelf, or some steps away from it.
    fn any(&self, random: &mut Random) -> Option<Gc<'gc, Node<'gc>>> {
        let mut node = self.slot(random).load(self.m)?;
        for _ in 0..random.below(6) {
            check(self.m, node);
            let next = match random.below(3) {
                0 => node.left.load(self.m),
                1 => node.right.load(self.m),
                _ => node.items.with(self.m, |items| items.last().copied()),
            };
            node = next.unwrap_or(node);
        }
        check(self.m, node);
        Some(node)
    }

    fn text(&self, id: u64) -> Gc<'gc, Str<'gc>> {
        self.m.alloc_str(&format!("{id} {}", sum(id)))
    }

    fn make(&self, random: &mut Random) -> Gc<'gc, Node<'gc>> {
        let tally = &self.world.tally;
        let id = tally.made.fetch_add(1, Ordering::Relaxed);
        let some = |random: &mut Random| if random.one_in(3) { None } else { self.any(random) };
        self.m.alloc(Node {
            id,
            sum: sum(id),
            counted: Static(Counted(Arc::clone(tally))),
            left: Slot::new(some(random)),
            right: Slot::empty(),
            items: Lock::new(some(random).into_iter().collect()),
            text: Slot::empty(),
            pairs: Slot::empty(),
            names: WeakMap::new(),
            friend: Slot::empty(),
        })
    }

    fn act(&self, random: &mut Random) {
        let m = self.m;
        if random.one_in(4) {
            let node = self.make(random);
            return self.slot(random).store(m, Some(node));
        }
        if random.one_in(8) {
            return self.slot(random).store(m, None);
        }
        match random.below(8) {
            0 => self.handles(random),
            1 => {
                if let Some(node) = self.world.queue.poll() {
                    check(m, node.get(m));
                    self.slot(random).store(m, node.get(m).left.swap(m, None));
                }
            }
            _ => {
                if let (Some(node), Some(other)) = (self.any(random), self.any(random)) {
                    self.on_node(node, other, random);
                }
            }
        }
    }

    /// What threads pass to each other outside of the heap.
    fn handles(&self, random: &mut Random) {
        let m = self.m;
        let old = match (random.below(4), self.any(random)) {
            (0, Some(node)) => put(&self.world.roots, node.root(m), random),
            (1, Some(node)) => {
                drop(put(&self.world.weaks, node.downgrade(m), random));
                None
            }
            (2, _) => locked(&self.world.roots).pop(),
            _ => None,
        };
        let weak = locked(&self.world.weaks).pop();
        for node in old.map(|root| root.get(m)).into_iter().chain(weak.and_then(|weak| weak.upgrade(m))) {
            check(m, node);
            self.slot(random).store(m, Some(node));
        }
    }

    fn on_node(&self, node: Gc<'gc, Node<'gc>>, other: Gc<'gc, Node<'gc>>, random: &mut Random) {
        let m = self.m;
        match random.below(12) {
            0 => node.left.store(m, Some(other)),
            1 => _ = node.right.swap(m, Some(other)),
            2 => _ = node.left.compare_exchange(m, node.left.load(m), None),
            3 => {
                let mut items = node.items.write(m);
                if items.len() > 4 { items.clear() } else { items.push(other) }
            }
            4 => _ = node.items.with_mut(m, Vec::pop),
            5 => node.text.store(m, Some(self.text(other.id))),
            6 | 7 => {
                let rest = node.pairs.load(m).filter(|rest| rest.depth < 20);
                let depth = rest.map_or(0, |rest| rest.depth + 1);
                let pair = m.alloc(Pair { depth, sum: sum(depth), rest: Slot::new(rest) });
                node.pairs.store(m, Some(pair));
            }
            8 => _ = node.names.insert(m, other, self.text(other.id)),
            9 => {
                if let Some(name) = node.names.get(m, other) {
                    assert!(name.as_str().starts_with(&format!("{} ", other.id)));
                    node.names.remove(m, other);
                }
            }
            10 => match node.friend.load(m).map(|friend| friend.0.upgrade(m)) {
                None => node.friend.store(m, Some(m.alloc(Friend(other.downgrade(m))))),
                Some(None) => node.friend.store(m, None),
                Some(Some(friend)) => check(m, friend),
            },
            _ if random.one_in(4) => {
                self.world.tally.cleanups.fetch_add(1, Ordering::Relaxed);
                let count = |tally: Arc<Tally>| _ = tally.cleaned.fetch_add(1, Ordering::Relaxed);
                m.add_cleanup(node, count, Arc::clone(&self.world.tally));
            }
            _ => self.world.queue.register(m, node),
        }
    }
}
