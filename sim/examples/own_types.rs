//! Simulated runs of an embedder's own types: a stack that several interpreters push to, with a heap that collects meanwhile.
//!
//!     cargo run --profile sim -p greyset-sim --example own_types
//!
//! Pushing by `compare_exchange` passes every schedule. Pushing by a load and a store loses what another has pushed in between:
//! a seed shows it, and repeats it with its story.

use greyset::{Gc, Heap, Mutator, Root, Slot, Trace};
use greyset_sim::record::on_a_thread;
use greyset_sim::sched::{self, Options, Report};
use greyset_sim::story;
use greyset_sim::strategy::Strategy;

#[derive(Trace)]
struct Job<'gc> {
    number: u32,
    below: Slot<'gc, Job<'gc>>,
}

#[derive(Trace)]
struct Stack<'gc> {
    top: Slot<'gc, Job<'gc>>,
}

impl<'gc> Stack<'gc> {
    fn push(&self, m: &'gc Mutator, number: u32) {
        loop {
            let top = self.top.load(m);
            let job = m.alloc(Job { number, below: Slot::new(top) });
            if self.top.compare_exchange(m, top, Some(job)).is_ok() {
                return;
            }
        }
    }

    /// The mistake.
    fn push_in_two_steps(&self, m: &'gc Mutator, number: u32) {
        let job = m.alloc(Job { number, below: Slot::new(self.top.load(m)) });
        self.top.store(m, Some(job));
    }

    fn numbers(&self, m: &'gc Mutator) -> Vec<u32> {
        let jobs = std::iter::successors(self.top.load(m), |job: &Gc<'gc, Job<'gc>>| job.below.load(m));
        jobs.map(|job| job.number).collect()
    }
}

type Push = for<'gc> fn(&Stack<'gc>, &'gc Mutator, u32);

/// Two interpreters push three jobs each; what must hold in the end.
fn program(push: Push) {
    let builder = Heap::builder().ignore_environment().reserve(64 << 20).workers(1).verify(true);
    let heap = builder.build().expect("a heap");
    let stack = heap.mutator().enter(|m| m.alloc(Stack { top: Slot::empty() }).root(m));
    let start = |me: u32| {
        let (heap, stack) = (heap.clone(), stack.clone());
        sched::spawn(&format!("interpreter {me}"), Box::new(move || interpret(&heap, &stack, me, push)))
    };
    let tasks = [start(0), start(1)];
    while !tasks.iter().all(|&task| sched::is_finished(task)) {
        heap.request_cycle();
        sched::park();
    }
    let mut numbers = heap.mutator().enter(|m| stack.get(m).numbers(m));
    numbers.sort_unstable();
    if numbers != [0, 1, 2, 10, 11, 12] {
        sched::fail(format!("jobs are missing: {numbers:?} are on the stack"));
    }
}

fn interpret(heap: &Heap, stack: &Root<Stack<'static>>, me: u32, push: Push) {
    heap.mutator().enter(|m| {
        for at in 0..3 {
            push(stack.get(m).get(), m, 10 * me + at);
            sched::tell(|| format!("has pushed {}", 10 * me + at));
            m.safepoint();
        }
    });
}

/// One schedule. After a failure its thread must not run another, so each has its own.
fn simulate(seed: u64, push: Push, story: bool) -> Report {
    on_a_thread(|| {
        let strategy = if seed.is_multiple_of(2) { Strategy::random(seed) } else { Strategy::pct(seed) };
        sched::run(Options { story, ..Options::new(strategy) }, Box::new(move || program(push)))
    })
}

/// The first of so many seeds that fails.
fn first_failure(seeds: u64, push: Push) -> Option<u64> {
    (0..seeds).find(|&seed| simulate(seed, push, false).failure.is_some())
}

const RIGHT: Push = |stack, m, number| stack.push(m, number);
const WRONG: Push = |stack, m, number| stack.push_in_two_steps(m, number);

fn main() {
    println!("by compare_exchange: the first of 1000 seeds that fails: {:?}", first_failure(1000, RIGHT));
    if let Some(seed) = first_failure(1000, WRONG) {
        println!("in two steps: seed {seed}\n{}", story::tell(&simulate(seed, WRONG, true), false));
    }
}

#[test]
fn the_right_push_passes() {
    assert_eq!(first_failure(300, RIGHT), None);
}

#[test]
fn the_wrong_push_is_found_and_told() {
    let seed = first_failure(300, WRONG).expect("a lost job");
    let report = simulate(seed, WRONG, true);
    let failure = report.failure.clone().expect("it fails again");
    assert!(failure.starts_with("jobs are missing"), "{failure}");
    let text = story::tell(&report, false);
    assert!(text.contains("interpreter 1:") && text.contains("has pushed 10"), "{text}");
}
