//! One run: a heap, a program, a schedule.

use crate::interp;
use crate::memory::Recycled;
use crate::program::{Driver, Program};
use crate::sched::{self, Options, Report};
use crate::strategy::Strategy;
use crate::world::{self, Kind};
use greyset::{Event, EventSink, Heap};
use greyset_sync::Fault;
use greyset_sync::sim::set_fault;
use std::cell::Cell;
use std::panic;
use std::rc::Rc;
use std::sync::{Arc, Once};

/// Steps after which a run counts as stuck.
pub const LIMIT: u64 = 100_000;

/// Runs `program` under `strategy` with a rule broken, or none. After a failure this thread must not run another.
pub fn run(program: &Program, strategy: Strategy, fault: Option<Fault>, story: bool) -> Report {
    run_within(program, strategy, fault, story, LIMIT)
}

/// As [`run`]; a run of more than `limit` steps counts as stuck.
pub fn run_within(
    program: &Program,
    strategy: Strategy,
    fault: Option<Fault>,
    story: bool,
    limit: u64,
) -> Report {
    report_panics();
    world::reset(program.mutators.len());
    set_fault(fault);
    let options = Options {
        limit,
        story,
        held: world::held,
        name: world::named,
        blame: world::blame,
        standing,
        ..Options::new(strategy)
    };
    let program = program.clone();
    let report = sched::run(options, Box::new(move || main(&program)));
    set_fault(None);
    if report.failure.is_some() {
        world::abandon();
    }
    report
}

/// Where the collector stands, for the report on a run that does not end.
fn standing() -> String {
    world::globals(|all| all.heap.as_ref().map_or(String::new(), |heap| format!(", {}", heap.standing())))
}

/// Panics of tasks are failures, and nothing is printed.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if greyset_sync::sim::hooks().is_some() {
                let what = info.payload_as_str().unwrap_or("without a message");
                let place = info.location().map_or(String::new(), |place| format!(" at {place}"));
                sched::fail(format!("panic{place}: {what}"));
            }
            before(info);
        }));
    });
}

fn build(program: &Program) -> Heap {
    let builder = Heap::builder()
        .ignore_environment()
        .reserve(64 << 20)
        .gogc_off()
        .memory_limit_off()
        .workers(program.workers)
        .release_cpu(0)
        .watchdog_off()
        .verify(true)
        .sink(Arc::new(NextCycle))
        .driver(match program.driver {
            Driver::Background => greyset::Driver::Background,
            Driver::Inline => greyset::Driver::Inline,
        });
    match builder.build_on(Box::new(Recycled)) {
        Ok(heap) => heap,
        Err(error) => sched::fail(format!("no heap: {error}")),
    }
}

/// Wakes task 1 for the next cycle when one has ended, and tells the shadow when one is given up.
struct NextCycle;

impl EventSink for NextCycle {
    fn event(&self, _: &str, event: &Event) {
        match event {
            Event::TracePanic { .. } => {
                sched::tell(|| "gives the cycle up".to_owned());
                world::given_up(true);
            }
            Event::CycleEnd(_) => {
                world::given_up(false);
                sched::wake(1);
            }
            _ => {}
        }
    }
}

/// Task 1.
fn main(program: &Program) {
    let heap = build(program);
    let queue = Rc::new(heap.finalizer_queue());
    world::globals(|all| {
        all.queue = Some(queue);
        all.heap = Some(heap.clone());
    });
    interp::prepare(&heap, &program.setup);
    let mut tasks = Vec::new();
    for (at, ops) in program.mutators.iter().enumerate() {
        let (heap, ops) = (heap.clone(), ops.clone());
        let name = format!("mutator {}", at + 1);
        tasks.push(sched::spawn(&name, Box::new(move || interp::mutator(&heap, at + 1, &ops))));
    }
    let over = Rc::new(Cell::new(false));
    let ends = Rc::clone(&over);
    let dropper = sched::spawn("dropper", Box::new(move || drop_roots(&ends)));
    world::globals(|all| all.dropper = dropper);
    while !tasks.iter().all(|&task| sched::is_finished(task)) {
        if program.driver == Driver::Background {
            heap.request_cycle();
        }
        sched::park();
    }
    over.set(true);
    sched::wake(dropper);
    while !sched::is_finished(dropper) {
        sched::park();
    }
    sched::calm();
    world::put_out();
    collect(&heap, 1);
    interp::walk(&heap);
    verify(&heap, "with roots");
    account(&heap);
    if program.to_the_end {
        return check_end(heap);
    }
    drop(world::take_globals());
}

/// Another thread, no mutator, that only drops and clones roots.
fn drop_roots(over: &Cell<bool>) {
    loop {
        let (root, copy) = world::globals(|all| (all.far.pop(), all.copies.pop()));
        match (root, copy) {
            (None, None) if over.get() => return,
            (None, None) => sched::park(),
            (root, copy) => {
                drop(root);
                if let Some((root, to)) = copy {
                    let copy = Rc::new((*root).clone());
                    drop(world::globals(|all| all.roots[to as usize].replace(copy)));
                }
            }
        }
    }
}

/// What must hold when all mutators are gone: the account is right, and without roots nothing is left after two cycles.
fn check_end(heap: Heap) {
    drop(world::take_globals());
    collect(&heap, 2);
    verify(&heap, "without roots");
    let left = heap.census();
    if let Some(row) = left.rows().iter().find(|row| row.objects > 0) {
        sched::fail(format!("{} {} are left without roots", row.objects, row.type_name));
    }
    let bytes = heap.stats().heap_bytes;
    if bytes > 0 {
        sched::fail(format!("the account says {bytes} bytes when nothing is left"));
    }
    drop(heap);
    if let Some(left) = world::leftovers() {
        sched::fail(left);
    }
}

/// What the heap says has been allocated must be what was made. Sizes of slots are learnt from what is left.
fn account(heap: &Heap) {
    let census = heap.census();
    let mut sum = 0;
    for (kind, name) in [
        (Kind::Node, "Node"),
        (Kind::Leaf, "Leaf"),
        (Kind::Cell, "Cell"),
        (Kind::Table, "Table"),
        (Kind::Row, "Row"),
        (Kind::Row, "Array"),
        (Kind::Words, "Words"),
    ] {
        let made = world::made(kind);
        let is_it =
            |full: &str| full.split('<').next().is_some_and(|path| path.rsplit("::").next() == Some(name));
        let row = census.rows().iter().find(|row| is_it(row.type_name) && row.objects > 0);
        match row {
            Some(row) => sum += made * (row.bytes / row.objects),
            None if made > 0 => return,
            None => {}
        }
    }
    let said = heap.stats().allocated_bytes;
    if said != sum {
        sched::fail(format!("the account says {said} bytes were allocated, and {sum} were"));
    }
}

fn collect(heap: &Heap, times: usize) {
    let mut handle = heap.mutator_named("sim");
    (0..times).for_each(|_| handle.enter(|m| m.collect()));
}

fn verify(heap: &Heap, when: &str) {
    if let Err(blame) = heap.verify() {
        let lost = blame.path.as_ref().and_then(|path| path.links.last()).map_or(0, |link| link.addr);
        sched::fail(format!("{when}: {blame}{}", world::blame(lost)));
    }
}
