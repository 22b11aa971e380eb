//! The scheduler: what would be threads runs as coroutines on one thread, one at a time.
//!
//! At every choice point of the running task the [`Strategy`] says who goes on. What it chooses is noted only where it differs
//! from the default (go on; when the task waits or ends: the next one), so a recorded schedule is a short list of
//! [`Switch`]es, each tied to a task and the count of that task's own steps. That keeps its meaning when others are taken out.
//!
//! Nothing here knows of heaps.

mod stuck;

use crate::strategy::Strategy;
use crate::trap;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use greyset_sync::Point;
use greyset_sync::sim::{Hooks, Place, set_hooks};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr;

/// Bytes of a task's stack.
const STACK: usize = 192 << 10;
/// Nanoseconds that a step takes on the scheduler's clock.
const STEP_NS: u64 = 100;
/// The task that runs the others.
const MAIN: usize = 0;
/// Nobody runs next.
const NOBODY: usize = usize::MAX;

type Body = Box<dyn FnOnce()>;
type Yield = Yielder<(), ()>;

/// A choice that differs from the default: at step `at` of `task`, task `to` goes on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The task that made the step.
    pub task: u32,
    /// Which of its steps.
    pub at: u32,
    /// Who goes on.
    pub to: u32,
}

/// Why somebody has to be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A choice point: the task could go on.
    Point,
    /// It waits for another task to do something.
    Blocked,
    /// It sleeps until woken or until time passes.
    Sleep,
    /// It waits until woken.
    Park,
    /// It has ended.
    Done,
}

/// Whether a task can run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It can.
    Ready,
    /// It can, if time passes.
    Sleeping,
    /// It cannot: it waits to be woken.
    Parked,
    /// It has ended.
    Done,
}

impl State {
    /// Whether it may be chosen.
    pub fn can_go_on(self) -> bool {
        matches!(self, State::Ready | State::Sleeping)
    }
}

struct Task {
    name: String,
    /// A wake-up that has not been used.
    token: bool,
    steps: u32,
    /// The run's step at which it ran last, or was started.
    ran: u64,
    /// The choice point it came to last; `None` when it waits.
    at: Option<Point>,
    /// Where it waits, if the heap's code does.
    place: Option<Place>,
    yielder: *const Yield,
    coroutine: Option<Coroutine<(), (), (), DefaultStack>>,
}

/// A line of the story: who did what.
#[derive(Clone, Debug)]
pub struct Line {
    /// The task.
    pub task: u32,
    /// What it is about to do, or has done.
    pub text: String,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// What went wrong.
    pub failure: Option<String>,
    /// Choices that differ from the default, in order.
    pub switches: Vec<Switch>,
    /// Choice points passed.
    pub steps: u64,
    /// Names of the tasks; the first is task 1.
    pub tasks: Vec<String>,
    /// What happened, if asked for.
    pub story: Vec<Line>,
}

/// Runs tasks.
pub struct Scheduler {
    tasks: Vec<Task>,
    /// What each can do: apart from the rest, since strategies read all of it at every choice.
    states: Vec<State>,
    current: usize,
    next: usize,
    steps: u64,
    limit: u64,
    strategy: Strategy,
    switches: Vec<Switch>,
    failure: Option<String>,
    story: Option<Vec<Line>>,
    /// From here on every choice is the default.
    calm: bool,
    held: fn() -> Vec<usize>,
    name: fn(&str) -> String,
    blame: fn(usize) -> String,
    standing: fn() -> String,
    stacks: Vec<DefaultStack>,
}

thread_local! {
    static RUNNING: Cell<*mut Scheduler> = const { Cell::new(ptr::null_mut()) };
    static STACKS: Cell<Vec<DefaultStack>> = const { Cell::new(Vec::new()) };
}

/// What a run is asked for.
pub struct Options {
    /// Who chooses.
    pub strategy: Strategy,
    /// Steps after which a run counts as stuck.
    pub limit: u64,
    /// Whether to keep the story.
    pub story: bool,
    /// Addresses that open windows hold.
    pub held: fn() -> Vec<usize>,
    /// Puts names in the place of addresses.
    pub name: fn(&str) -> String,
    /// What is known of the object at an address that has been lost.
    pub blame: fn(usize) -> String,
    /// What else to say of a run that does not end. Must not switch tasks.
    pub standing: fn() -> String,
}

impl Options {
    /// Up to 100,000 steps, without a story, of a program of which nothing is known.
    pub fn new(strategy: Strategy) -> Options {
        Options {
            strategy,
            limit: 100_000,
            story: false,
            held: Vec::new,
            name: str::to_owned,
            blame: |_| String::new(),
            standing: String::new,
        }
    }
}

/// Runs `main` as task 1, and what it spawns, until all have ended or something is wrong.
///
/// A panic of a task is a failure. After a failure the tasks are left where they are and what they hold is leaked; the thread should not be used for another
/// run, since thread-local state of the heap is as they left it.
pub fn run(options: Options, main: Body) -> Report {
    let mut scheduler = Box::new(Scheduler {
        tasks: Vec::new(),
        states: Vec::new(),
        current: NOBODY,
        next: 0,
        steps: 0,
        limit: options.limit,
        strategy: options.strategy,
        switches: Vec::new(),
        failure: None,
        story: options.story.then(Vec::new),
        calm: false,
        held: options.held,
        name: options.name,
        blame: options.blame,
        standing: options.standing,
        stacks: STACKS.take(),
    });
    let this: *mut Scheduler = &mut *scheduler;
    RUNNING.set(this);
    set_hooks(Some(&HOOKS));
    with(|s| s.add("main", main));
    while let Some(mut coroutine) = with(Scheduler::take_next) {
        trap::running(Some(coroutine.trap_handler()));
        let result = coroutine.resume(());
        trap::running(None);
        with(|s| s.put_back(coroutine, matches!(result, CoroutineResult::Return(()))));
    }
    set_hooks(None);
    RUNNING.set(ptr::null_mut());
    scheduler.close()
}

/// What a panic says.
fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Calls `f` with the scheduler of this thread. `f` must not switch tasks.
fn with<R>(f: impl FnOnce(&mut Scheduler) -> R) -> R {
    let running = RUNNING.get();
    assert!(!running.is_null(), "hooks without a scheduler");
    // SAFETY: set by `run` for as long as its scheduler lives; only this thread uses it, and no closure given here calls
    // anything that comes back to `with` or switches tasks.
    f(unsafe { &mut *running })
}

impl Scheduler {
    fn add(&mut self, name: &str, body: Body) -> u32 {
        let index = self.tasks.len();
        let stack = self.stacks.pop().unwrap_or_else(|| match DefaultStack::new(STACK) {
            Ok(stack) => stack,
            Err(error) => panic!("no memory for a task's stack: {error}"),
        });
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yield, ()| {
            with(|s| s.tasks[index].yielder = yielder);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(body)) {
                fail(format!("a task panicked: {}", text_of(&*payload)));
            }
        });
        self.tasks.push(Task {
            name: name.to_owned(),
            token: false,
            steps: 0,
            ran: self.steps,
            at: None,
            place: None,
            yielder: ptr::null(),
            coroutine: Some(coroutine),
        });
        self.states.push(State::Ready);
        self.strategy.task_added(index, name);
        index as u32 + 1
    }

    fn take_next(&mut self) -> Option<Coroutine<(), (), (), DefaultStack>> {
        if self.failure.is_some() || self.next == NOBODY {
            return None;
        }
        self.current = self.next;
        self.states[self.current] = State::Ready;
        self.tasks[self.current].coroutine.take()
    }

    fn put_back(&mut self, coroutine: Coroutine<(), (), (), DefaultStack>, ended: bool) {
        if !ended {
            self.tasks[self.current].coroutine = Some(coroutine);
            return;
        }
        self.stacks.push(coroutine.into_stack());
        self.states[self.current] = State::Done;
        self.wake(MAIN);
        self.next = self.choose(Kind::Done, None);
    }

    fn close(mut self: Box<Self>) -> Report {
        for task in &mut self.tasks {
            if let Some(mut coroutine) = task.coroutine.take() {
                // SAFETY: what the task holds is leaked: nothing on its stack is used again, and nobody else refers to it
                // but the heap of this run, which is leaked too.
                unsafe { coroutine.force_reset() };
                self.stacks.push(coroutine.into_stack());
            }
        }
        STACKS.set(std::mem::take(&mut self.stacks));
        Report {
            failure: self.failure.take(),
            switches: std::mem::take(&mut self.switches),
            steps: self.steps,
            tasks: self.tasks.iter().map(|task| task.name.clone()).collect(),
            story: self.story.take().unwrap_or_default(),
        }
    }

    /// Counts a step of the running task and says who goes on.
    fn step(&mut self, kind: Kind, point: Option<Point>) -> usize {
        self.steps += 1;
        if self.steps > self.limit && self.failure.is_none() {
            self.end(self.stuck(&format!("{} steps and no end", self.limit)));
            return NOBODY;
        }
        self.choose(kind, point)
    }

    fn choose(&mut self, kind: Kind, point: Option<Point>) -> usize {
        let task = &mut self.tasks[self.current];
        task.steps += 1;
        task.ran = self.steps;
        task.at = point;
        let at = task.steps;
        if matches!(kind, Kind::Sleep | Kind::Park) && !std::mem::take(&mut task.token) {
            self.states[self.current] = if kind == Kind::Park { State::Parked } else { State::Sleeping };
        }
        let default = self.default(kind);
        if default == NOBODY && self.states.iter().any(|&state| state != State::Done) {
            self.end(self.stuck("everybody waits to be woken"));
        }
        if default == NOBODY || self.calm {
            return default;
        }
        let chosen = self.strategy.choose(self.current, at, kind, point, default, &Runnable(&self.states));
        let to = self.starved().unwrap_or(chosen);
        if to != default {
            self.switches.push(Switch { task: self.current as u32 + 1, at, to: to as u32 + 1 });
        }
        to
    }

    /// Who goes on if nobody chooses: the running task if it can, else the next one that has not ended; time always passes for
    /// those that sleep.
    fn default(&self, kind: Kind) -> usize {
        if kind == Kind::Point {
            return self.current;
        }
        let count = self.tasks.len();
        let mut all = (1..=count).map(|by| (self.current + by) % count);
        all.find(|&at| self.states[at].can_go_on()).unwrap_or(NOBODY)
    }

    fn wake(&mut self, task: usize) {
        match self.states[task] {
            State::Sleeping | State::Parked => self.states[task] = State::Ready,
            State::Ready => self.tasks[task].token = true,
            State::Done => {}
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(Line { task: self.current as u32 + 1, text: text() });
        }
    }
}

/// Which tasks there are and whether they can run.
pub struct Runnable<'a>(&'a [State]);

impl Runnable<'_> {
    /// How many tasks there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a task can run.
    pub fn state(&self, task: usize) -> State {
        self.0[task]
    }

    /// Tasks in this state, but for one.
    pub fn others(&self, but: usize, state: State) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len()).filter(move |&at| at != but && self.0[at] == state)
    }
}

/// Adds a line to the story of the run, if one is kept.
pub fn tell(text: impl FnOnce() -> String) {
    with(|s| s.note(text));
}

/// Starts a task; its number.
pub fn spawn(name: &str, body: Body) -> u32 {
    with(|s| s.add(name, body))
}

/// Whether a task has ended.
pub fn is_finished(task: u32) -> bool {
    with(|s| s.states[task as usize - 1] == State::Done)
}

/// Something is wrong: the run ends here and does not come back.
pub fn fail(what: String) -> ! {
    let name = with(|s| s.name);
    let what = name(&what);
    with(|s| {
        s.note(|| format!("FAILURE: {what}"));
        if s.failure.is_none() {
            s.failure = Some(what);
        }
    });
    loop {
        suspend();
    }
}

/// The running task was stopped by a signal; it has ended. Calls nothing of the run's: it may be in any state.
pub fn trapped(signal: &str) {
    with(|s| {
        s.note(|| format!("FAILURE: {signal}"));
        s.failure.get_or_insert_with(|| signal.to_owned());
    });
}

fn suspend() {
    let yielder = with(|s| s.tasks[s.current].yielder);
    // SAFETY: the running task's yielder is on its own stack, below this frame.
    unsafe { &*yielder }.suspend(());
}

fn pass(kind: Kind, point: Option<Point>) {
    let switch = with(|s| {
        if s.calm && kind == Kind::Point && s.steps < s.limit {
            s.steps += 1;
            s.tasks[s.current].at = point;
            return false;
        }
        s.next = s.step(kind, point);
        s.next != s.current
    });
    if switch {
        suspend();
    } else if kind != Kind::Point {
        with(|s| s.states[s.current] = State::Ready);
    }
}

fn at_point(point: Point) {
    with(|s| s.note(|| format!("{point:?}")));
    pass(Kind::Point, Some(point));
}

fn wait_at(kind: Kind, place: Place) {
    with(|s| s.tasks[s.current].place = Some(place));
    pass(kind, None);
}

/// Lets others run until something may have changed.
#[track_caller]
pub fn wait() {
    wait_at(Kind::Blocked, Location::caller());
}

/// Waits until woken, by [`wake`]; task 1 also by the end of any other.
pub fn park() {
    pass(Kind::Park, None);
}

/// Wakes a task that waits or sleeps, or lets its next wait end at once.
pub fn wake(task: u32) {
    with(|s| s.wake(task as usize - 1));
}

static HOOKS: Hooks = Hooks {
    point: at_point,
    blocked: |place| wait_at(Kind::Blocked, place),
    sleep: |place| wait_at(Kind::Sleep, place),
    spawn,
    wake,
    is_finished,
    task: || with(|s| if s.current == NOBODY { 0 } else { s.current as u32 + 1 }),
    now: || with(|s| s.steps * STEP_NS),
    fail: |what| fail(what),
    held: || (with(|s| s.held))(),
    keeps_story: || with(|s| s.story.is_some()),
    tell: |text| {
        let name = with(|s| s.name);
        tell(|| name(&text));
    },
    blame: |addr| (with(|s| s.blame))(addr),
};

/// From here on every choice is the default.
pub fn calm() {
    with(|s| s.calm = true);
}
