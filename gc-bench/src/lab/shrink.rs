//! `gc-bench shrink`: a heap after a peak, while its program runs on: how soon what it needed goes back to the system, and what that costs.
//!
//! One thread replaces trees, as `churn` does. What lives on was there before the peak, or is scattered all over it, the worst case for a
//! heap that moves nothing: then pages come back only as what is on them dies.
use crate::failure::Failure;
use crate::machine;
use crate::options::{build, duration};
use crate::output::{emit, json_line};
use crate::units::{self, parse_size};
use crate::workloads::churn;
use crate::xorshift::Xorshift;
use greyset::{Array, Heap, Mutator, Root, Slot};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Operations between two looks at the clock.
const OPS: u64 = 256;
/// Between two looks at the memory held.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What is resident counts as given back when it is at most so many times the goal.
const ENOUGH: f64 = 1.2;

/// Options of `shrink`.
#[derive(clap::Args)]
pub struct Shrink {
    /// Live data at the peak.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_size)]
    peak: u64,
    /// Live data from then on.
    #[arg(long, value_name = "SIZE", default_value = "50MiB", value_parser = parse_size)]
    live: u64,
    /// What lives on is scattered over all that there was.
    #[arg(long)]
    scattered: bool,
    /// Seconds to watch.
    #[arg(long, value_name = "S", default_value = "10", value_parser = duration)]
    seconds: Duration,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// The result, as `--json` prints it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Told {
    peak_bytes: u64,
    live_bytes: u64,
    scattered: bool,
    /// Resident memory of the process at the peak, and at the end.
    resident_at_peak_bytes: u64,
    resident_bytes: u64,
    /// The goal at the end.
    goal_bytes: u64,
    /// From letting go to resident memory that is at most 1.2 times the goal, and stays so.
    enough_after_s: Option<f64>,
    /// Processor time of giving back, as a part of what all processors had, in percent.
    release_cpu_pct: f64,
    /// Calls that gave back, and how long they took.
    calls: u64,
    call_p50_ns: u64,
    call_p99_ns: u64,
    call_max_ns: u64,
    /// Operations a second meanwhile.
    ops_per_s: f64,
}

type Forest = Root<churn::Forest<'static>>;

impl Shrink {
    /// Goes through the peak and prints what follows.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the peak is no peak; [`Failure::Check`] if a tree was damaged.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let told = self.run()?;
        emit(&if self.json { json_line(&told) } else { told.text() })
    }

    fn run(&self) -> Result<Told, Failure> {
        let [peak, live] = [self.peak, self.live].map(|bytes| (bytes / churn::TREE_BYTES) as usize);
        if live == 0 || peak < 2 * live {
            return Err(Failure::Usage(format!(
                "--peak {} must be twice --live {} at least, and that a tree, {} bytes",
                units::bytes(self.peak),
                units::bytes(self.live),
                churn::TREE_BYTES
            )));
        }
        let heap = build(Heap::builder())?;
        let mut handle = heap.mutator();
        let (forest, resident_at_peak_bytes) = handle.enter(|m| {
            let before = (!self.scattered).then(|| churn::plant(m, live));
            let all = churn::plant(m, peak - before.as_ref().map_or(0, |_| live));
            let resident = resident();
            let forest = before.unwrap_or_else(|| thin_out(m, &all, live));
            (forest, resident)
        });
        let mut watch = Watch::new(&heap);
        let mut random = Xorshift::new(0);
        let mut done = 0;
        while watch.began.elapsed() < self.seconds {
            handle
                .enter(|m| (0..OPS).try_for_each(|op| churn::operate(m, &forest, &mut random, done + op)))?;
            done += OPS;
            watch.look(&heap);
        }
        let told = self.told(watch, &heap, resident_at_peak_bytes, done);
        handle.enter(|m| churn::inspect(m, &forest))?;
        Ok(told)
    }

    /// What has been seen, after so many operations.
    fn told(&self, watch: Watch, heap: &Heap, resident_at_peak_bytes: u64, ops: u64) -> Told {
        let (wall, stats) = (watch.began.elapsed().as_secs_f64(), heap.stats());
        let release_cpu = (stats.release_cpu - watch.release_cpu).as_secs_f64();
        Told {
            peak_bytes: self.peak,
            live_bytes: self.live,
            scattered: self.scattered,
            resident_at_peak_bytes,
            resident_bytes: resident(),
            goal_bytes: stats.goal_bytes,
            enough_after_s: watch.enough.map(|at| (at - watch.began).as_secs_f64()),
            release_cpu_pct: 100.0 * release_cpu / wall / machine::processors() as f64,
            calls: stats.releases.count() - watch.releases,
            call_p50_ns: stats.releases.p50(),
            call_p99_ns: stats.releases.p99(),
            call_max_ns: stats.releases.max(),
            ops_per_s: ops as f64 / wall,
        }
    }
}

/// Resident memory of this process, in bytes; 0 if unknown.
fn resident() -> u64 {
    machine::rss_of(std::process::id()).unwrap_or(0)
}

/// So many trees of a forest, from all of it.
fn thin_out(m: &mut Mutator, all: &Forest, live: usize) -> Forest {
    let few = m.alloc_array(live, |_| Slot::<churn::Node<'_>>::empty()).root(m);
    let (from, to): (&Array<'_, _>, &Array<'_, _>) = (&all.get(m), &few.get(m));
    for place in 0..live {
        to[place].store(m, from[place * from.len() / live].load(m));
    }
    few
}

/// The memory of the process, from the moment when the peak is let go.
struct Watch {
    began: Instant,
    looked: Instant,
    releases: u64,
    release_cpu: Duration,
    enough: Option<Instant>,
}

impl Watch {
    fn new(heap: &Heap) -> Watch {
        let (now, stats) = (Instant::now(), heap.stats());
        Watch {
            began: now,
            looked: now,
            releases: stats.releases.count(),
            release_cpu: stats.release_cpu,
            enough: None,
        }
    }

    /// Looks, if it is time to.
    fn look(&mut self, heap: &Heap) {
        let now = Instant::now();
        if now - self.looked >= LOOK_EVERY {
            self.looked = now;
            let enough = resident() as f64 <= ENOUGH * heap.stats().goal_bytes as f64;
            self.enough = if enough { self.enough.or(Some(now)) } else { None };
        }
    }
}

impl Told {
    fn text(&self) -> String {
        let [peak, live, at_peak, resident, goal] = [
            self.peak_bytes,
            self.live_bytes,
            self.resident_at_peak_bytes,
            self.resident_bytes,
            self.goal_bytes,
        ]
        .map(units::bytes);
        let how = if self.scattered { " scattered over all of it" } else { "" };
        let enough =
            self.enough_after_s.map_or("never".to_owned(), |s| format!("after {}", units::seconds(s)));
        let [p50, p99, max] = [self.call_p50_ns, self.call_p99_ns, self.call_max_ns].map(units::nanos);
        format!(
            "peak            {peak} live, {at_peak} resident; then {live}{how}, {} operations/s\n\
             resident        {resident} at the end, {:.2} of a goal of {goal}; at most {ENOUGH} of it {enough}\n\
             giving back     {:.2} % of all processors, {} calls: p50 {p50}, p99 {p99}, max {max}\n",
            units::count(self.ops_per_s),
            self.resident_bytes as f64 / self.goal_bytes.max(1) as f64,
            self.release_cpu_pct,
            self.calls,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_peak_passes_and_its_trees_are_whole() {
        for scattered in [false, true] {
            let shrink = Shrink {
                peak: 8 << 20,
                live: 1 << 20,
                scattered,
                seconds: Duration::from_millis(50),
                json: false,
            };
            let told = shrink.run().expect("no failure");
            assert!(told.goal_bytes > 1 << 20 && told.resident_bytes > 1 << 20, "{told:?}");
            assert!(told.ops_per_s > 0.0 && told.text().lines().count() == 3, "{}", told.text());
        }
        let flat =
            Shrink { peak: 1 << 20, live: 1 << 20, scattered: false, seconds: Duration::ZERO, json: false };
        assert!(matches!(flat.run(), Err(Failure::Usage(_))));
    }
}
