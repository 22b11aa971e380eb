//! The bench a workload runs on: a heap, its mutators on threads of their own, a budget, and the measured span.
//!
//! A workload prepares its data, calls [`Bench::start`], works within its [`Budget`], calls [`Bench::stop`], and then
//! checks what it made. Only what lies between start and stop is reported as time and as work of the collector.
use crate::failure::Failure;
use crate::machine;
use crate::options::Common;
use greyset::{Heap, Mutator, MutatorHandle, Stats};
use hdrhistogram::Histogram;
use std::any::Any;
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::{Duration, Instant};

/// Enough for every recursion of the workloads, which is at most a tree's depth.
const STACK_BYTES: usize = 8 << 20;

/// A heap with mutators, and the clocks.
pub struct Bench {
    heap: Heap,
    handles: Vec<MutatorHandle>,
    seconds: Option<Duration>,
    started: Reading,
    stopped: Option<Reading>,
}

/// What a workload hands back.
pub struct Outcome {
    /// Operations done in the measured span.
    pub ops: u64,
    /// What was computed and found right, the same for every program that does this work.
    pub check: String,
    /// Time of each operation, where they were timed one by one.
    pub op_times: Option<Histogram<u64>>,
    /// Figures of this workload for the text output.
    pub notes: Vec<String>,
}

/// The clocks and the heap's statistics at one moment.
#[derive(Clone)]
struct Reading {
    at: Instant,
    cpu: Duration,
    stats: Stats,
}

/// What the measured span cost.
pub struct Span {
    /// Time on the clock.
    pub wall: Duration,
    /// CPU time of all threads.
    pub cpu: Duration,
    /// Statistics of the heap when it began.
    pub before: Stats,
    /// Statistics of the heap when it ended.
    pub after: Stats,
}

impl Bench {
    /// A bench with the heap and the mutators of these options.
    pub fn new(common: &Common) -> Result<Bench, Failure> {
        let heap = common.heap()?;
        let handles = (0..common.mutators).map(|_| heap.mutator()).collect();
        let started = Reading::now(&heap);
        Ok(Bench { heap, handles, seconds: common.seconds, started, stopped: None })
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// How many mutators work here.
    pub fn mutators(&self) -> usize {
        self.handles.len()
    }

    /// The measured span begins.
    pub fn start(&mut self) {
        self.stopped = None;
        self.started = Reading::now(&self.heap);
    }

    /// The measured span ends.
    pub fn stop(&mut self) {
        self.stopped = Some(Reading::now(&self.heap));
    }

    /// The measured span, up to now if it has not been stopped.
    pub fn span(&self) -> Span {
        let start = self.started.clone();
        let end = self.stopped.clone().unwrap_or_else(|| Reading::now(&self.heap));
        Span { wall: end.at - start.at, cpu: end.cpu - start.cpu, before: start.stats, after: end.stats }
    }

    /// How much to do from [`Bench::start`] on: `asked` operations; else, with `--seconds`, as many as there is time
    /// for; else `default`.
    pub fn budget(&self, asked: Option<u64>, default: u64) -> Budget {
        let count = asked.unwrap_or(if self.seconds.is_some() { u64::MAX } else { default });
        Budget { count, until: self.seconds.map(|s| self.started.at + s) }
    }

    /// Runs `work` inside the heap on the first mutator alone.
    pub fn on_first<S: Send, R: Send>(
        &mut self,
        state: S,
        work: impl Fn(&mut Mutator, S) -> Result<R, Failure> + Sync,
    ) -> Result<R, Failure> {
        let results = self.on_some([state], work)?;
        results.into_iter().next().ok_or_else(|| Failure::Run("the bench has no mutator".to_owned()))
    }

    /// Runs `work` inside the heap on every mutator at the same time, a thread each. Each gets its number and one of
    /// `states`, of which there must be as many.
    pub fn on_each<S: Send, R: Send>(
        &mut self,
        states: Vec<S>,
        work: impl Fn(&mut Mutator, usize, S) -> Result<R, Failure> + Sync,
    ) -> Result<Vec<R>, Failure> {
        debug_assert_eq!(states.len(), self.handles.len());
        self.on_some(states.into_iter().enumerate(), |m, (index, state)| work(m, index, state))
    }

    fn on_some<S: Send, R: Send>(
        &mut self,
        states: impl IntoIterator<Item = S>,
        work: impl Fn(&mut Mutator, S) -> Result<R, Failure> + Sync,
    ) -> Result<Vec<R>, Failure> {
        let work = &work;
        scope(|scope| {
            let mut threads = Vec::new();
            for (handle, state) in self.handles.iter_mut().zip(states) {
                threads.push(spawn(scope, move || handle.enter(|m| work(m, state)))?);
            }
            threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
        })
    }
}

/// The name of every thread that runs a workload; see [`quiet_panics`].
const MUTATOR: &str = "mutator";

/// Runs `work`, which has a heap of its own, on a thread of its own: a panic is a failure, as one of a mutator of a bench.
///
/// # Errors
/// Those of `work`; [`Failure::Run`] for a panic, and if the system refuses the thread.
pub fn on_a_thread<R: Send>(work: impl FnOnce() -> Result<R, Failure> + Send) -> Result<R, Failure> {
    scope(|scope| spawn(scope, work).and_then(join))
}

fn spawn<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> Result<R, Failure> + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<R, Failure>>, Failure> {
    let thread = Builder::new().name(MUTATOR.to_owned()).stack_size(STACK_BYTES);
    thread.spawn_scoped(scope, work).map_err(|e| Failure::Run(format!("cannot start a thread: {e}")))
}

fn join<R>(thread: ScopedJoinHandle<'_, Result<R, Failure>>) -> Result<R, Failure> {
    thread.join().unwrap_or_else(|panic| Err(Failure::Run(panic_text(panic.as_ref()))))
}

/// A panic of a mutator, for example an allocation over the hard limit, ends the run with its message as the one
/// line of the failure. This keeps the default report of such panics off the terminal, unless `RUST_BACKTRACE` is set.
pub fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() != Some(MUTATOR) {
            default(info);
        }
    }));
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text =
        payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a mutator panicked").lines().next().unwrap_or_default().to_owned()
}

impl Reading {
    fn now(heap: &Heap) -> Reading {
        Reading { at: Instant::now(), cpu: machine::cpu_time(), stats: heap.stats() }
    }
}

/// How much work to do: a number of operations, and maybe a time to stop at.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    count: u64,
    until: Option<Instant>,
}

impl Budget {
    /// The share of one of `parts` mutators; together the shares are the whole.
    pub fn share(self, index: usize, parts: usize) -> Budget {
        let (index, parts) = (index as u64, parts as u64);
        Budget { count: self.count / parts + u64::from(index < self.count % parts), until: self.until }
    }

    /// Operations at most.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Is the time up?
    #[inline]
    pub fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        let whole = Budget { count: 11, until: None };
        assert_eq!((0..4).map(|i| whole.share(i, 4).count()).collect::<Vec<_>>(), [3, 3, 3, 2]);
        assert!(!whole.is_over(Instant::now()));
        assert!(Budget { count: 1, until: Some(Instant::now()) }.is_over(Instant::now()));
    }

    #[test]
    fn a_panic_of_one_mutator_is_one_line_and_ends_the_run() {
        quiet_panics();
        let common = Common { mutators: 2, ..Common::default() };
        let mut bench = Bench::new(&common).expect("a heap");
        let result = bench.on_each(vec![0, 1], |_, index, state| {
            assert_eq!(index, state);
            assert!(index == 0, "no room\nat all");
            Ok(())
        });
        assert_eq!(result, Err(Failure::Run("no room".to_owned())));
    }
}
