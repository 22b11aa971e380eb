//! `live`: a heap full of live trees that go on being replaced, as in `churn`, while whole cycles run: does any operation take longer
//! because so much is alive?
use crate::failure::Failure;
use crate::latency::{OpTimes, Percentiles};
use crate::scale::figures::Figures;
use crate::scale::place::Place;
use crate::units;
use crate::workloads::churn;
use crate::xorshift::Xorshift;
use greyset::{Heap, Mutator, Root};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Live bytes at full size.
pub const FULL: u64 = 12 << 30;
/// Operations at full size: enough garbage for two cycles.
pub const FULL_OPS: u64 = 10_000_000;
/// Bytes of a tree and its slot.
pub const TREE_BYTES: u64 = churn::TREE_BYTES + 8;
/// Objects in a tree.
const NODES: u64 = 7;
/// Growth between two cycles, in percent: at the usual 100 the heap would need twice its live data.
const GOGC: u32 = 25;

/// Figures of this test alone.
#[derive(Serialize)]
struct Own {
    /// Bytes that the last collection found alive.
    live_bytes: u64,
    ops: u64,
    /// Cycles that ended while the operations ran.
    cycles: u64,
    /// Time of each operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    op_ns: Option<Percentiles>,
}

/// Memory that the heap will need for so much live data: what may grow before a cycle ends, tables, and some room.
pub fn need(live: u64) -> u64 {
    live.saturating_add(live / 2)
}

/// Builds the trees, collects them, works on them, and reads all of them.
///
/// # Errors
/// [`Failure::Check`] if a tree was damaged; [`Failure::Run`] without memory.
pub fn run(live: u64, ops: u64) -> Result<Figures, Failure> {
    let trees = live / TREE_BYTES;
    let mut place = Place::new(Heap::builder().gogc(GOGC))?;
    let forest = place.build(|place| Ok(place.enter(|m| churn::plant(m, trees as usize))))?;
    let collections = place.collections();
    let before = place.stats();
    let times = place.enter(|m| work(m, &forest, ops))?;
    let cycles = place.stats().cycles - before.cycles;
    // The trees are read in one window: no cycle may run that would have to wait for its end.
    place.collect();
    place.enter(|m| churn::inspect(m, &forest))?;
    let own = Own { live_bytes: before.live_bytes, ops, cycles, op_ns: Percentiles::of(&times) };
    let check = format!("{ops} trees read right, {trees} trees whole at the end");
    let figures = place.finish(&collections, trees * NODES, check, &own, forest);
    Ok(Figures { notes: own.notes(), ..figures })
}

/// Replaces trees, each on the clock.
fn work(m: &mut Mutator, forest: &Root<churn::Forest<'static>>, ops: u64) -> Result<Histogram<u64>, Failure> {
    let mut random = Xorshift::new(0);
    let mut times = OpTimes::start();
    for number in 0..ops {
        churn::operate(m, forest, &mut random, number)?;
        times.lap();
    }
    Ok(times.into_histogram())
}

impl Own {
    fn notes(&self) -> Vec<String> {
        let live = format!("{} alive at GOGC {GOGC}", units::bytes(self.live_bytes));
        let ops = self.op_ns.map(|p| {
            let [p9999, max] = [p.p9999, p.max].map(units::nanos);
            let count = units::count(p.count as f64);
            format!("{count} operations in {} cycles: p99.99 {p9999}, longest {max}", self.cycles)
        });
        [Some(live), ops].into_iter().flatten().collect()
    }
}
