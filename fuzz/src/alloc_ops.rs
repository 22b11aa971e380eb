//! Caches, refill, flush and sweep against a model that knows every object by itself.
//!
//! Two caches take turns; objects live and die at random; cycles run through their steps (recolour, mark, begin, flush, open,
//! sweep) with allocations between, while the system refuses what it is told to refuse. Every object has its address written all
//! over it and is looked at when it dies and at the end, so that no two ever share a byte.

use arbitrary::{Arbitrary, Unstructured};
use greyset_alloc::os::{Call, FakeOs};
use greyset_alloc::{
    Cache, Colour, Config, DeadSlots, MHeap, PAGE_SIZE, Reclaim, Role, SizeClass, Span, SpanFlags, SweepLeft,
    TINY, TypeInfo,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

/// One operation.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Step {
    /// An object.
    Alloc {
        /// With which of the two caches.
        second: bool,
        /// Its type, modulo how many there are.
        kind: u8,
        /// Bytes, if its length is variable; every 16th is large.
        size: u16,
    },
    /// Many of one kind.
    Burst {
        /// With which of the two caches.
        second: bool,
        /// Their type.
        kind: u8,
        /// How many, modulo 600.
        count: u16,
    },
    /// An object dies, by its number among all.
    Kill(u16),
    /// Most objects die.
    KillMost(u8),
    /// The next step of the cycle.
    Advance,
    /// Sweeps some pages, if the sweep is open.
    Sweep {
        /// As a mutator does, or in the background.
        mutator: bool,
        /// How many.
        pages: u8,
    },
    /// Gives pages back.
    GiveBack(u8),
    /// A call of the system fails, by its number from now on.
    Fail {
        /// Committing or else giving back.
        commit: bool,
        /// Which one.
        nth: u8,
    },
    /// Sets the limit so many pages above what is in use, or (0) takes it away.
    Limit(u8),
    /// The allocator checks itself, and the model all objects.
    Verify,
}

/// Most steps of a run.
const MOST: usize = 120;

static KINDS: [TypeInfo; 9] = [
    fixed(16, 1),
    fixed(64, 2),
    fixed(48, 1 + greyset_alloc::BINS), // the bin of the first
    dropping(32, 3),
    TypeInfo { name: || "sized", size: 0, align: 8, drop: None, leaf: true, hash: 9 },
    tiny(1),
    tiny(4),
    tiny(8),
    dropping(3000, 11),
];

const fn fixed(size: usize, hash: usize) -> TypeInfo {
    TypeInfo { name: || "fixed", size, align: 8, drop: None, leaf: false, hash }
}

const fn dropping(size: usize, hash: usize) -> TypeInfo {
    unsafe fn no_drop(_: *mut u8) {}
    TypeInfo { name: || "dropping", size, align: 8, drop: Some(no_drop), leaf: true, hash }
}

const fn tiny(size: usize) -> TypeInfo {
    TypeInfo { name: || "tiny", size, align: size, drop: None, leaf: true, hash: 0 }
}

/// Runs the steps that `bytes` mean.
///
/// # Panics
/// When allocator and model differ.
pub fn run(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let next = || if bytes.is_empty() { None } else { Step::arbitrary(&mut bytes).ok() };
    run_steps(std::iter::from_fn(next).take(MOST));
}

/// Runs some steps, then two whole cycles that must leave nothing.
///
/// # Panics
/// When allocator and model differ.
pub fn run_steps(steps: impl IntoIterator<Item = Step>) {
    let mut model = Model::new();
    steps.into_iter().for_each(|step| model.run(step));
    model.finish();
}

/// Sets the colour of the object at `addr`, as a marker does.
fn mark(heap: &MHeap, addr: usize, colour: Colour) {
    let byte = heap.space().colour_at(heap.space().page(addr), addr);
    byte.store(colour.paint(byte.load(Relaxed)), Relaxed);
}

fn colour(heap: &MHeap, addr: usize) -> Colour {
    Colour::of(heap.space().colour_at(heap.space().page(addr), addr).load(Relaxed))
}

/// Where the cycle stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Idle,
    /// Handshake 2 has been answered by so many caches.
    Recolouring(usize),
    /// Sweep begun; so many caches are flushed.
    Flushing(usize),
    Sweeping,
}

struct Object {
    size: usize,
    kind: &'static TypeInfo,
    alive: bool,
}

/// Objects by address; what the collector is shown.
#[derive(Default)]
struct Shown(Mutex<BTreeSet<usize>>);

impl Reclaim for Shown {
    fn reclaim(&self, span: &Span, dead: DeadSlots<'_>) {
        assert!(span.flags().contains(SpanFlags::DROP));
        let mut shown = self.0.lock().expect("no panic inside");
        dead.for_each(|dead| assert!(shown.insert(dead.ptr.addr()), "shown twice"));
    }
}

fn kind_of(kind: u8) -> &'static TypeInfo {
    &KINDS[usize::from(kind) % KINDS.len()]
}

/// The size of an object of variable length: up to 4 KiB, one in 16 up to 96 KiB.
fn bytes_of(size: u16) -> usize {
    let (size, large) = (usize::from(size >> 4), size.is_multiple_of(16));
    if large { 24 * size + 1 } else { size + 1 }
}

/// What an object at `addr` is filled with: its address, over and over.
fn pattern(addr: usize) -> impl Iterator<Item = u8> {
    addr.to_ne_bytes().into_iter().cycle()
}

struct Model {
    heap: MHeap,
    os: Arc<FakeOs>,
    caches: [Cache; 2],
    /// The colour each cache allocates in.
    colours: [Colour; 2],
    white: Colour,
    phase: Phase,
    objects: BTreeMap<usize, Object>,
    shown: Shown,
    /// Objects with drop glue that must be shown in this cycle.
    condemned: RefCell<BTreeSet<usize>>,
    /// Some call of the system may fail.
    failing: bool,
}

impl Model {
    fn new() -> Model {
        let os = Arc::new(FakeOs::new());
        let config = Config { reserve: Config::MIN_RESERVE, ..Config::default() };
        let heap =
            MHeap::new(&config, Box::new(Arc::clone(&os))).expect("the system has 64 MiB of addresses");
        Model {
            caches: [Cache::new(&heap), Cache::new(&heap)],
            heap,
            os,
            colours: [Colour::A; 2],
            white: Colour::A,
            phase: Phase::Idle,
            objects: BTreeMap::new(),
            shown: Shown::default(),
            condemned: RefCell::default(),
            failing: false,
        }
    }

    fn alloc(&mut self, cache: bool, kind: &'static TypeInfo, size: usize) {
        let at = usize::from(cache);
        let size = if kind.size == 0 { size } else { kind.size };
        let fast = match kind.size {
            0 => self.caches[at].bump_sized(kind, SizeClass::of(size, kind.align)),
            _ => self.caches[at].alloc(kind),
        };
        let addr = match fast {
            Some(ptr) => ptr.addr().get(),
            None => {
                let refill = self.caches[at].refill(&self.heap, &self.shown, kind, size, self.colours[at]);
                let Ok(refilled) = refill else { return };
                assert_eq!(refilled.bytes == 0, refilled.objects == 0);
                refilled.ptr.addr().get()
            }
        };
        assert_eq!(addr % kind.align, 0);
        let below = self.objects.range(..addr + size).next_back();
        assert!(below.is_none_or(|(&at, object)| at + object.size <= addr), "objects overlap");
        let (base, span) = self.heap.space().object_base(addr + size - 1).expect("a coloured slot");
        let (whole, flags) = (addr - base + size <= span.object_bytes(), span.flags());
        assert!(whole && (base == addr || flags.contains(SpanFlags::TINY)));
        assert!(std::ptr::eq(span.info(), if kind.is_tiny() { &TINY } else { kind }));
        let fresh_slot = base == addr;
        assert!(!fresh_slot || colour(&self.heap, addr) == self.colours[at]);
        self.write(addr, size);
        self.objects.insert(addr, Object { size, kind, alive: true });
    }

    /// Writes the object's address all over it.
    fn write(&self, addr: usize, size: usize) {
        let first = self.heap.space().pointer(addr);
        // SAFETY: the allocator gave these bytes out for this object alone, which is what is tested.
        let bytes = unsafe { std::slice::from_raw_parts_mut(first.cast::<MaybeUninit<u8>>(), size) };
        for (byte, value) in bytes.iter_mut().zip(pattern(addr)) {
            byte.write(value);
        }
    }

    fn check(&self, addr: usize, size: usize) {
        let first = self.heap.space().pointer(addr);
        // SAFETY: as in `write`; it has been written.
        let bytes = unsafe { std::slice::from_raw_parts(first, size) };
        assert!(bytes.iter().copied().eq(pattern(addr).take(size)), "another object wrote over {addr:#x}");
    }

    /// Marks what is alive; what is not is gone for the model from here on.
    fn mark(&mut self) {
        let black = self.white.other();
        let mut condemned = BTreeSet::new();
        let white: BTreeMap<usize, bool> = self
            .objects
            .iter()
            .map(|(&addr, object)| (addr, object.alive || colour(&self.heap, addr) == black))
            .collect();
        for (&addr, &lives) in &white {
            let object = &self.objects[&addr];
            self.check(addr, object.size);
            if lives {
                mark(&self.heap, addr, black);
            } else if object.kind.drop.is_some() {
                condemned.insert(addr);
            }
        }
        self.objects.retain(|addr, _| white[addr]);
        *self.condemned.borrow_mut() = condemned;
        self.shown.0.lock().expect("no panic inside").clear();
    }

    fn advance(&mut self) {
        self.phase = match self.phase {
            Phase::Idle => Phase::Recolouring(0),
            Phase::Recolouring(at) if at < 2 => {
                self.colours[at] = self.white.other();
                self.caches[at].recolour(&self.heap, self.white.other());
                Phase::Recolouring(at + 1)
            }
            Phase::Recolouring(_) => {
                self.mark();
                self.heap.begin_sweep(self.white);
                Phase::Flushing(0)
            }
            Phase::Flushing(at) if at < 2 => {
                let reserved = self.caches[at].reserved_bytes() as u64;
                let bytes = self.caches[at].flush(&self.heap);
                assert!(bytes <= reserved && reserved - bytes < 16, "{bytes} of {reserved}");
                Phase::Flushing(at + 1)
            }
            Phase::Flushing(_) => {
                self.heap.open_sweep();
                Phase::Sweeping
            }
            Phase::Sweeping => {
                while self.sweep(Role::Background, 64) != SweepLeft::Nothing {}
                Phase::Idle
            }
        };
    }

    fn sweep(&mut self, role: Role, pages: usize) -> SweepLeft {
        let progress = self.heap.sweep_some(role, pages, &self.shown);
        if progress.left == SweepLeft::Nothing && self.phase == Phase::Sweeping {
            assert_eq!(*self.shown.0.lock().expect("no panic inside"), *self.condemned.borrow());
            self.white = self.white.other();
            self.phase = Phase::Idle;
        }
        progress.left
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Alloc { second, kind, size } => self.alloc(second, kind_of(kind), bytes_of(size)),
            Step::Burst { second, kind, count } => {
                (0..count % 600).for_each(|_| self.alloc(second, kind_of(kind), 24));
            }
            Step::Kill(pick) => {
                let at = usize::from(pick) % self.objects.len().max(1);
                self.objects.values_mut().skip(at).take(1).for_each(|object| object.alive = false);
            }
            Step::KillMost(seed) => {
                let dead = |at: usize| !(at * 31 + seed as usize).is_multiple_of(7);
                let objects = self.objects.values_mut().enumerate();
                objects.filter(|(at, _)| dead(*at)).for_each(|(_, object)| object.alive = false);
            }
            Step::Advance => self.advance(),
            Step::Sweep { mutator, pages } if self.phase == Phase::Sweeping => {
                self.sweep(if mutator { Role::Mutator } else { Role::Background }, usize::from(pages));
            }
            Step::Sweep { .. } => {}
            Step::GiveBack(pages) => {
                let failing = self.failing;
                let released = self.heap.release(usize::from(pages));
                assert!(released.error.is_none() || failing, "{released:?}");
            }
            Step::Fail { commit, nth } => {
                self.failing = true;
                self.os
                    .fail_nth(if commit { Call::Commit } else { Call::GiveBack }, usize::from(nth % 16) + 1);
            }
            Step::Limit(pages) => {
                let room = u64::from(pages) * PAGE_SIZE as u64;
                self.heap.set_limit((pages > 0).then(|| self.heap.in_use() + room));
            }
            Step::Verify => self.verify(),
        }
    }

    fn verify(&self) {
        let report = self.heap.verify().expect("sound");
        for (&addr, object) in &self.objects {
            assert!(colour(&self.heap, addr).is_live());
            self.check(addr, object.size);
        }
        let slots: BTreeSet<usize> = self
            .objects
            .keys()
            .map(|&addr| self.heap.space().object_base(addr).expect("coloured").0)
            .collect();
        if self.phase == Phase::Idle {
            let reserved: usize = self.caches.iter().map(Cache::reserved_bytes).sum();
            let coloured = report.coloured[0] + report.coloured[1];
            assert!(coloured >= slots.len() && (reserved > 0 || coloured == slots.len()));
        }
    }

    /// Two whole cycles without anybody alive leave nothing.
    fn finish(mut self) {
        self.verify();
        while self.phase != Phase::Idle {
            self.advance();
        }
        for _ in 0..2 {
            self.objects.values_mut().for_each(|object| object.alive = false);
            self.advance();
            while self.phase != Phase::Idle {
                self.advance();
            }
        }
        self.verify();
        assert_eq!((self.heap.stats().spans, self.objects.len()), (0, 0));
    }
}
