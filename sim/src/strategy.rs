//! Who goes on at a choice point: random walk, PCT, holding tasks at some kinds of points, what bytes say, or what was recorded.

use crate::program::{HoldAt, Program};
use crate::rng::Rng;
use crate::sched::{Kind, Runnable, State, Switch};
use greyset_sync::Point;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// Chooses.
pub enum Strategy {
    /// A random walk.
    Random(Random),
    /// Priorities, changed at few random moments (Burckhardt and others, 2010).
    Pct(Pct),
    /// What bytes say, and the default when they are used up.
    Told(Told),
    /// Tasks are held at a few kinds of points until nobody else gets on.
    Hold(Hold),
    /// The default everywhere but where a switch is given.
    Replay(HashMap<(u32, u32), u32>),
    /// The same, noting every choice point.
    Watch(HashMap<(u32, u32), u32>, Rc<RefCell<Vec<Watch>>>),
}

/// A choice point passed.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The task.
    pub task: u32,
    /// Which of its steps.
    pub at: u32,
    /// Why.
    pub kind: Kind,
    /// How many tasks there were.
    pub tasks: u32,
}

impl Strategy {
    /// A random walk. How often it switches is itself random.
    pub fn random(seed: u64) -> Strategy {
        let mut rng = Rng::new(seed);
        let mean = [2, 3, 4, 8, 16, 40][rng.below(6)];
        let until = rng.below(2 * mean);
        Strategy::Random(Random { rng, mean, until })
    }

    /// Random priorities, and moments at which the running task gets the lowest: one to five anywhere, or any number where the
    /// protocol is in the middle of something.
    pub fn pct(seed: u64) -> Strategy {
        let mut rng = Rng::new(seed);
        let often = [0, 6, 12, 25, 50][rng.below(5)];
        let length = [300, 1000, 3000][rng.below(3)];
        let changes = if often > 0 { 0 } else { 1 + rng.below(5) };
        let mut at: Vec<u64> = (0..changes).map(|_| rng.below(length) as u64).collect();
        at.sort_unstable();
        at.reverse();
        Strategy::Pct(Pct { rng, priorities: Vec::new(), lowest: -1, at, often, steps: 0, row: (0, 0) })
    }

    /// As `bytes` say: how many points until the next switch, then to whom, and again.
    pub fn told(bytes: &[u8]) -> Strategy {
        Strategy::Told(Told { bytes: bytes.iter().copied().collect(), until: None })
    }

    /// One to four kinds of points, at which every other task, or one in four, is held until nobody else gets on. Where a
    /// program says whom to hold, mostly only those.
    pub fn hold(seed: u64, program: &Program) -> Strategy {
        let mut rng = Rng::new(seed);
        let directed = !program.holds.is_empty() && !rng.one_in(4);
        let holds = if directed { program.holds.clone() } else { Vec::new() };
        let any = if directed { 0 } else { 1 + rng.below(4) };
        let points = (0..any).map(|_| HELD[rng.below(HELD.len())]).collect();
        let often = if directed { [1, 1, 2] } else { [2, 2, 4] }[rng.below(3)];
        let between = [16, 64, 256][rng.below(3)];
        Strategy::Hold(Hold {
            rng,
            holds,
            points,
            mutators: Vec::new(),
            often,
            left: 60,
            between,
            held: Vec::new(),
            waits: 0,
            since: 0,
        })
    }

    /// A recorded schedule.
    pub fn replay(switches: &[Switch]) -> Strategy {
        Strategy::Replay(by_step(switches))
    }

    /// A recorded schedule whose choice points are noted.
    pub fn watch(switches: &[Switch], points: Rc<RefCell<Vec<Watch>>>) -> Strategy {
        Strategy::Watch(by_step(switches), points)
    }

    /// A task was started.
    pub fn task_added(&mut self, task: usize, name: &str) {
        if let Strategy::Hold(hold) = self {
            hold.mutators.push(mutator(name));
        }
        if let Strategy::Pct(pct) = self {
            let priority = pct.rng.below(1 << 20) as i64;
            debug_assert_eq!(task, pct.priorities.len());
            pct.priorities.push(priority);
        }
    }

    /// Who goes on.
    pub fn choose(
        &mut self,
        current: usize,
        at: u32,
        kind: Kind,
        point: Option<Point>,
        default: usize,
        tasks: &Runnable<'_>,
    ) -> usize {
        match self {
            Strategy::Random(random) => random.choose(current, kind, default, tasks),
            Strategy::Told(told) => told.choose(current, kind, default, tasks),
            Strategy::Pct(pct) => {
                let delicate = point.is_some_and(is_delicate);
                pct.choose(current, kind, delicate, default, tasks)
            }
            Strategy::Hold(hold) => hold.choose(current, kind, point, default, tasks),
            Strategy::Replay(switches) => recorded(switches, current, at, default, tasks),
            Strategy::Watch(switches, points) => {
                let task = current as u32 + 1;
                points.borrow_mut().push(Watch { task, at, kind, tasks: tasks.count() as u32 });
                recorded(switches, current, at, default, tasks)
            }
        }
    }
}

/// Whether the protocol is in the middle of something there.
fn is_delicate(point: Point) -> bool {
    !matches!(
        point,
        Point::SlotLoad
            | Point::MutexLock
            | Point::Scan
            | Point::QueueLook
            | Point::HandshakeLook
            | Point::SpanSweep
            | Point::DropGlue
    )
}

fn by_step(switches: &[Switch]) -> HashMap<(u32, u32), u32> {
    switches.iter().map(|s| ((s.task, s.at), s.to)).collect()
}

fn recorded(
    switches: &HashMap<(u32, u32), u32>,
    current: usize,
    at: u32,
    default: usize,
    tasks: &Runnable<'_>,
) -> usize {
    let to = switches.get(&(current as u32 + 1, at)).map(|&to| (to as usize).wrapping_sub(1));
    to.filter(|&to| to < tasks.count() && tasks.state(to).can_go_on()).unwrap_or(default)
}

/// A walk that bytes direct.
pub struct Told {
    bytes: VecDeque<u8>,
    /// Points until the next switch, once a byte has said so.
    until: Option<u8>,
}

impl Told {
    fn choose(&mut self, current: usize, kind: Kind, default: usize, tasks: &Runnable<'_>) -> usize {
        if kind == Kind::Point {
            let Some(until) = self.until.or_else(|| self.bytes.pop_front()) else { return default };
            self.until = until.checked_sub(1);
            if self.until.is_some() {
                return default;
            }
        }
        let Some(pick) = self.bytes.pop_front() else { return default };
        // Who sleeps goes on only if the byte is large: else time would pass at every turn.
        let state = if pick >= 240 { State::Sleeping } else { State::Ready };
        let count = tasks.others(current, state).count();
        tasks.others(current, state).nth(usize::from(pick) % count.max(1)).unwrap_or(default)
    }
}

/// A random walk: after a random number of points, a random task.
pub struct Random {
    rng: Rng,
    mean: usize,
    until: usize,
}

impl Random {
    fn choose(&mut self, current: usize, kind: Kind, default: usize, tasks: &Runnable<'_>) -> usize {
        if kind == Kind::Point {
            if self.until > 0 {
                self.until -= 1;
                return default;
            }
            self.until = self.rng.below(2 * self.mean);
        }
        let sleeper = self.rng.below(16) == 0;
        let state = if sleeper { State::Sleeping } else { State::Ready };
        let count = tasks.others(current, state).count();
        if count == 0 {
            return default;
        }
        let pick = self.rng.below(count);
        tasks.others(current, state).nth(pick).unwrap_or(default)
    }
}

/// Probabilistic concurrency testing: the ready task of highest priority runs.
pub struct Pct {
    rng: Rng,
    priorities: Vec<i64>,
    lowest: i64,
    /// Steps at which the running task becomes the last, latest first.
    at: Vec<u64>,
    /// Once in how many delicate points the running task becomes the last; 0: never.
    often: usize,
    steps: u64,
    /// The task that went on last, and for how many steps without a break.
    row: (usize, u32),
}

/// Steps in a row after which a task counts as spinning and becomes the last.
const SPIN: u32 = 2000;

impl Pct {
    fn choose(
        &mut self,
        current: usize,
        kind: Kind,
        delicate: bool,
        default: usize,
        tasks: &Runnable<'_>,
    ) -> usize {
        self.steps += 1;
        self.row = if self.row.0 == current { (current, self.row.1 + 1) } else { (current, 0) };
        let change = self.at.last().is_some_and(|&at| at <= self.steps);
        if change {
            self.at.pop();
        }
        let change = change || delicate && self.often > 0 && self.rng.one_in(self.often);
        let due = change || self.row.1 > SPIN;
        if kind == Kind::Blocked && self.rng.one_in(2) {
            self.priorities[current] = self.rng.below(1 << 20) as i64;
        } else if due || kind == Kind::Blocked {
            self.priorities[current] = self.lowest;
            self.lowest -= 1;
            if change {
                let raised = self.rng.below(tasks.count());
                self.priorities[raised] = self.rng.below(2 << 20) as i64;
            }
        }
        if kind != Kind::Point {
            let sleepers = tasks.others(current, State::Sleeping).count();
            if sleepers > 0 && self.rng.one_in(8) {
                let pick = self.rng.below(sleepers);
                return tasks.others(current, State::Sleeping).nth(pick).unwrap_or(default);
            }
        }
        let ready = tasks.others(usize::MAX, State::Ready);
        let ready = ready.filter(|&task| !(kind == Kind::Blocked && task == current));
        ready.max_by_key(|&task| self.priorities[task]).unwrap_or(default)
    }
}

/// Points in the middle of what must not be interrupted, or is only seldom.
const HELD: [Point; 19] = [
    Point::SlotSwap,
    Point::SlotSwap,
    Point::ShadeRead,
    Point::ShadeRead,
    Point::ShadeWrite,
    Point::ShadePush,
    Point::MarkerBegin,
    Point::MarkerCount,
    Point::WeakJudge,
    Point::WeakJudge,
    Point::WeakClear,
    Point::RootDrop,
    Point::RootFree,
    Point::HandshakeAnswer,
    Point::LockAcquire,
    Point::LockRelease,
    Point::PhasePublish,
    Point::BufferHandOver,
    Point::MutexLock,
];

/// Runs each task until it waits, but holds some where it matters; they go on when all others only wait.
pub struct Hold {
    rng: Rng,
    holds: Vec<HoldAt>,
    points: Vec<Point>,
    /// Which mutator each task is, if any.
    mutators: Vec<Option<usize>>,
    often: usize,
    /// Tasks to be held yet: in the end all get on.
    left: usize,
    /// Steps between switches for no reason, about.
    between: usize,
    held: Vec<usize>,
    /// Waits in a row, of whatever tasks, without a step of anybody.
    waits: usize,
    /// Steps since one was held or let go.
    since: u32,
}

/// Whom a task of this name is for [`HoldAt`].
fn mutator(name: &str) -> Option<usize> {
    match name {
        "dropper" => Some(0),
        "greyset-mark" => Some(HoldAt::MARKER),
        "greyset-gc" => Some(HoldAt::COLLECTOR),
        "greyset-sweep" => Some(HoldAt::SWEEPER),
        _ => name.strip_prefix("mutator ")?.parse().ok(),
    }
}

impl Hold {
    fn is_due(&self, task: usize, point: Point) -> bool {
        let mutator = self.mutators.get(task).copied().flatten();
        self.points.contains(&point)
            || mutator.is_some_and(|mutator| self.holds.contains(&HoldAt { mutator, point }))
    }

    fn choose(
        &mut self,
        current: usize,
        kind: Kind,
        point: Option<Point>,
        default: usize,
        tasks: &Runnable<'_>,
    ) -> usize {
        self.since += 1;
        if kind == Kind::Point {
            // Who looks whether there is something to do, and goes to sleep again, has not got on.
            if point.is_some_and(is_delicate) {
                self.waits = 0;
            }
            let due = self.left > 0 && point.is_some_and(|point| self.is_due(current, point));
            if due && self.rng.one_in(self.often) {
                self.left -= 1;
                self.held.push(current);
                self.since = 0;
            } else if self.since <= SPIN && !self.rng.one_in(self.between) {
                return current;
            }
        } else {
            self.waits += 1;
        }
        let state = if self.rng.one_in(8) { State::Sleeping } else { State::Ready };
        let others = tasks.others(current, state).filter(|task| !self.held.contains(task));
        let stuck = self.waits > 4 * tasks.count() || self.since > SPIN;
        let count = if stuck && !self.held.is_empty() { 0 } else { others.count() };
        if count > 0 {
            let pick = self.rng.below(count);
            let mut others = tasks.others(current, state).filter(|task| !self.held.contains(task));
            return others.nth(pick).unwrap_or(default);
        }
        self.waits = 0;
        if self.held.is_empty() {
            return default;
        }
        self.since = 0;
        // Mostly who was held first.
        let pick = if self.rng.one_in(4) { self.rng.below(self.held.len()) } else { 0 };
        self.held.remove(pick)
    }
}
