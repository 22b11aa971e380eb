//! `gc-probes`: operations of the heap, each in a function of its own, as an interpreter would write it. `.ci/count` looks at the
//! code that the compiler makes of these functions and counts the instructions that they execute.
//!
//! ```text
//! gc-probes NAME N    the probe N times, in a heap of its own
//! gc-probes all N     one probe after the other
//! gc-probes list      their names: a probe `alloc-16` is the function `alloc_16`
//! ```
//!
//! Heaps have no threads and begin no cycle, so the same N executes the same instructions. What is counted is the barrier's off
//! path, the safepoint at which nothing is asked, the lock that is free.
//!
//! A program of its own, without the libraries of `gc-bench`, so that nothing else in there can change the code. A second binary
//! rather than an example: examples are built with dev-dependencies, whose features would have everything built twice.

use greyset::{Driver, Gc, Heap, HeapError, Lock, Mutator, MutatorHandle, Root, Slot, Trace, Weak};
use std::hint::black_box;
use std::process::ExitCode;

/// An object of `WORDS + 1` words: a reference and data.
#[derive(Trace)]
struct Object<'gc, const WORDS: usize> {
    next: Slot<'gc, Object<'gc, WORDS>>,
    data: [u64; WORDS],
}

type Pair<'gc> = Object<'gc, 1>;

fn object<'gc, const WORDS: usize>(m: &'gc Mutator, number: u64) -> Gc<'gc, Object<'gc, WORDS>> {
    m.alloc(Object { next: Slot::empty(), data: [number; WORDS] })
}

#[inline(never)]
fn alloc_16(m: &Mutator, number: u64) -> Gc<'_, Pair<'_>> {
    object(m, number)
}

#[inline(never)]
fn alloc_32(m: &Mutator, number: u64) -> Gc<'_, Object<'_, 3>> {
    object(m, number)
}

#[inline(never)]
fn alloc_64(m: &Mutator, number: u64) -> Gc<'_, Object<'_, 7>> {
    object(m, number)
}

#[inline(never)]
fn slot_load<'gc>(m: &'gc Mutator, pair: Gc<'gc, Pair<'gc>>) -> Option<Gc<'gc, Pair<'gc>>> {
    pair.next.load(m)
}

#[inline(never)]
fn slot_store<'gc>(m: &'gc Mutator, pair: Gc<'gc, Pair<'gc>>, next: Gc<'gc, Pair<'gc>>) {
    pair.next.store(m, Some(next));
}

#[inline(never)]
fn safepoint(m: &mut Mutator) {
    m.safepoint();
}

#[inline(never)]
fn root_get<'gc>(m: &'gc Mutator, root: &Root<Pair<'static>>) -> Gc<'gc, Pair<'gc>> {
    root.get(m)
}

#[inline(never)]
fn root_and_drop<'gc>(m: &'gc Mutator, pair: Gc<'gc, Pair<'gc>>) {
    drop(pair.root(m));
}

#[inline(never)]
fn lock_read<'gc>(m: &'gc Mutator, lock: Gc<'gc, Lock<'gc, u64>>) -> u64 {
    *lock.read(m)
}

#[inline(never)]
fn lock_write<'gc>(m: &'gc Mutator, lock: Gc<'gc, Lock<'gc, u64>>, value: u64) {
    *lock.write(m) = value;
}

#[inline(never)]
fn weak_upgrade<'gc>(m: &'gc Mutator, weak: &Weak<Pair<'static>>) -> Option<Gc<'gc, Pair<'gc>>> {
    weak.upgrade(m)
}

#[inline(never)]
fn window(handle: &mut MutatorHandle) {
    handle.enter(|m| {
        black_box(m);
    });
}

/// Calls a probe so many times, outside of a window.
type Run = fn(&mut MutatorHandle, u64);

/// Arguments pass a black box, so that no call can be moved out of its loop.
const PROBES: [(&str, Run); 12] = [
    ("alloc-16", |handle, n| in_window(handle, n, |m, i| sink(alloc_16(m, i)))),
    ("alloc-32", |handle, n| in_window(handle, n, |m, i| sink(alloc_32(m, i)))),
    ("alloc-64", |handle, n| in_window(handle, n, |m, i| sink(alloc_64(m, i)))),
    ("slot-load", |handle, n| with_pair(handle, n, |m, pair| sink(slot_load(m, pair)))),
    ("slot-store", |handle, n| with_pair(handle, n, |m, pair| slot_store(m, pair, black_box(pair)))),
    ("safepoint", |handle, n| in_window(handle, n, |m, _| safepoint(m))),
    ("root-get", |handle, n| {
        let root = handle.enter(|m| alloc_16(m, 0).root(m));
        in_window(handle, n, |m, _| sink(root_get(m, black_box(&root))));
    }),
    ("root-and-drop", |handle, n| with_pair(handle, n, root_and_drop)),
    ("lock-read", |handle, n| with_lock(handle, n, |m, lock, _| sink(lock_read(m, lock)))),
    ("lock-write", |handle, n| with_lock(handle, n, lock_write)),
    ("weak-upgrade", |handle, n| {
        // What it refers to is garbage, and stays: no cycle runs.
        let weak = handle.enter(|m| alloc_16(m, 0).downgrade(m));
        in_window(handle, n, |m, _| sink(weak_upgrade(m, black_box(&weak))));
    }),
    ("window", |handle, n| (0..n).for_each(|_| window(black_box(handle)))),
];

fn sink<T>(value: T) {
    black_box(value);
}

fn in_window(handle: &mut MutatorHandle, n: u64, mut probe: impl FnMut(&mut Mutator, u64)) {
    handle.enter(|m| (0..n).for_each(|i| probe(black_box(&mut *m), i)));
}

fn with_pair(handle: &mut MutatorHandle, n: u64, probe: impl for<'gc> Fn(&'gc Mutator, Gc<'gc, Pair<'gc>>)) {
    handle.enter(|m| {
        let pair = alloc_16(m, 0);
        (0..n).for_each(|_| probe(m, black_box(pair)));
    });
}

fn with_lock(
    handle: &mut MutatorHandle,
    n: u64,
    probe: impl for<'gc> Fn(&'gc Mutator, Gc<'gc, Lock<'gc, u64>>, u64),
) {
    handle.enter(|m| {
        let lock = m.alloc(Lock::new(0));
        (0..n).for_each(|i| probe(m, black_box(lock), i));
    });
}

fn run(probe: Run, n: u64) -> Result<(), HeapError> {
    let heap = Heap::builder().ignore_environment().driver(Driver::Stepping).gogc_off().build()?;
    probe(&mut heap.mutator(), n);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, n) = match arguments[..] {
        ["list"] => {
            PROBES.iter().for_each(|(name, _)| println!("{name}"));
            return ExitCode::SUCCESS;
        }
        [name, n] => (name, n.parse::<u64>().ok()),
        _ => ("", None),
    };
    let probes: Vec<Run> =
        PROBES.iter().filter(|row| name == "all" || name == row.0).map(|row| row.1).collect();
    let Some(n) = n.filter(|_| !probes.is_empty()) else {
        eprintln!("gc-probes NAME N, gc-probes all N or gc-probes list");
        return ExitCode::from(2);
    };
    match probes.into_iter().try_for_each(|probe| run(probe, n)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gc-probes: {error}");
            ExitCode::FAILURE
        }
    }
}
