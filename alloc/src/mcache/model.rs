//! Caches, refill, flush and sweep against a model that knows every object by itself.
//!
//! Two caches take turns; objects live and die at random; cycles run through their steps (recolour, mark, begin, flush, open,
//! sweep) with allocations between. Every object has its address written all over it and is looked at when it dies and at the
//! end, so that no two ever share a byte.

use super::*;
use crate::testing::*;
use crate::{DeadSlots, Role, Span, SpanFlags, SweepLeft};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::MaybeUninit;
use std::sync::Mutex;

#[derive(Clone, Debug)]
enum Step {
    /// With cache `.0` an object of kind `.1` and, if that is of variable length, `.2` bytes.
    Alloc(bool, usize, usize),
    /// Many of one kind.
    Burst(bool, usize, usize),
    /// An object dies.
    Kill(prop::sample::Index),
    /// Most objects die.
    KillMost(u8),
    /// The next step of the cycle.
    Advance,
    /// Sweeps some pages, if the sweep is open.
    Sweep(bool, usize),
    GiveBack(usize),
    Verify,
}

static KINDS: [&TypeInfo; 9] = [&NODE16, &NODE64, &RIVAL, &DROP32, &ARRAY, &TINY1, &TINY4, &TINY8, &DROP_BIG];
static DROP_BIG: TypeInfo = dropping(3000, 11);

fn step() -> impl Strategy<Value = Step> {
    let kind = || 0..KINDS.len();
    let size = prop_oneof![4 => 1usize..300, 2 => 300usize..33_000, 1 => 33_000usize..100_000];
    prop_oneof![
        6 => (any::<bool>(), kind(), size).prop_map(|(cache, kind, size)| Step::Alloc(cache, kind, size)),
        3 => (any::<bool>(), kind(), 1usize..600).prop_map(|(cache, kind, count)| Step::Burst(cache, kind, count)),
        3 => any::<prop::sample::Index>().prop_map(Step::Kill),
        1 => any::<u8>().prop_map(Step::KillMost),
        4 => Just(Step::Advance),
        3 => (any::<bool>(), 1usize..20).prop_map(|(mutator, pages)| Step::Sweep(mutator, pages)),
        1 => (1usize..100).prop_map(Step::GiveBack),
        1 => Just(Step::Verify),
    ]
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

/// What an object at `addr` is filled with: its address, over and over.
fn pattern(addr: usize) -> impl Iterator<Item = u8> {
    addr.to_ne_bytes().into_iter().cycle()
}

struct Model {
    heap: MHeap,
    caches: [Cache; 2],
    /// The colour each cache allocates in.
    colours: [Colour; 2],
    white: Colour,
    phase: Phase,
    objects: BTreeMap<usize, Object>,
    shown: Shown,
    /// Objects with drop glue that must be shown in this cycle.
    condemned: RefCell<BTreeSet<usize>>,
}

impl Model {
    fn new() -> Model {
        let (heap, _) = heap();
        Model {
            caches: [Cache::new(&heap), Cache::new(&heap)],
            heap,
            colours: [Colour::A; 2],
            white: Colour::A,
            phase: Phase::Idle,
            objects: BTreeMap::new(),
            shown: Shown::default(),
            condemned: RefCell::default(),
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
            Step::Alloc(cache, kind, size) => self.alloc(cache, KINDS[kind], size),
            Step::Burst(cache, kind, count) => (0..count).for_each(|_| self.alloc(cache, KINDS[kind], 24)),
            Step::Kill(pick) if !self.objects.is_empty() => {
                let at = pick.index(self.objects.len());
                self.objects.values_mut().nth(at).expect("picked inside").alive = false;
            }
            Step::Kill(_) => {}
            Step::KillMost(seed) => {
                let dead = |at: usize| !(at * 31 + seed as usize).is_multiple_of(7);
                let objects = self.objects.values_mut().enumerate();
                objects.filter(|(at, _)| dead(*at)).for_each(|(_, object)| object.alive = false);
            }
            Step::Advance => self.advance(),
            Step::Sweep(mutator, pages) if self.phase == Phase::Sweeping => {
                self.sweep(if mutator { Role::Mutator } else { Role::Background }, pages);
            }
            Step::Sweep(..) => {}
            Step::GiveBack(pages) => assert!(self.heap.release(pages).error.is_none()),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 100 }, ..ProptestConfig::default() })]
    #[test]
    fn the_heap_behaves_as_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.run(step));
        model.finish();
    }
}
