//! `mutators`: very many mutators that are attached and parked, while one works: what do they cost it, and the collector? The same
//! work is done beside a single one that is parked, in turns.
use crate::compare::metric::median;
use crate::failure::Failure;
use crate::scale::figures::Figures;
use crate::scale::place::Place;
use crate::units;
use crate::workloads::{churn, object};
use crate::xorshift::Xorshift;
use greyset::Heap;
use serde::Serialize;
use std::time::Instant;

/// Mutators at full size.
pub const FULL: u64 = 1000;
/// Operations of the one that works at full size: garbage for dozens of cycles.
pub const FULL_OPS: u64 = 500_000;
/// Bytes of a mutator: its buffer and its cache of allocation runs.
pub const MUTATOR_BYTES: u64 = 16 << 10;
/// Live trees of the one that works: 3.3 MiB.
const TREES: usize = 10_000;
/// Pairs of runs.
const PAIRS: usize = 3;

/// What the work took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Costs {
    /// Time on the clock, in seconds.
    wall_s: f64,
    /// The same of a whole collection.
    collection_s: f64,
    /// The median time of a handshake meanwhile, in nanoseconds; absent if no cycle ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake_ns: Option<f64>,
    /// The longest CPU time of a safepoint meanwhile; absent if none had anything to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    safepoint_max_ns: Option<f64>,
}

/// What it took beside all, divided by what it took beside one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Ratios {
    wall: Option<f64>,
    collection: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handshake: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safepoint_max: Option<f64>,
}

/// Figures of this test alone.
#[derive(Serialize)]
struct Own {
    ops: u64,
    /// Cycles that ended during the work, in the last run.
    cycles: u64,
    /// Medians of the runs.
    beside_one: Costs,
    beside_all: Costs,
    /// Medians of the ratios of each pair.
    ratio: Ratios,
}

/// A run: what the work took, the cycles in it, and all else.
struct Run {
    costs: Costs,
    cycles: u64,
    figures: Figures,
}

/// Runs both in turns; the figures that all tests have are those of the last run beside all.
///
/// # Errors
/// [`Failure::Check`] if a tree was damaged; [`Failure::Run`] without memory.
pub fn run(count: u64, ops: u64) -> Result<Figures, Failure> {
    let mut pairs = Vec::new();
    let mut last = None;
    for _ in 0..PAIRS {
        let (one, all) = (beside(1, ops)?, beside(count, ops)?);
        pairs.push((one.costs, all.costs));
        last = Some(all);
    }
    let Some(Run { cycles, figures, .. }) = last else {
        return Err(Failure::Run("no run was made".to_owned()));
    };
    let (ones, alls): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let own = Own {
        ops,
        cycles,
        beside_one: Costs::median(&ones),
        beside_all: Costs::median(&alls),
        ratio: Ratios::of(&pairs),
    };
    Ok(Figures { notes: own.notes(count), own: object(serde_json::to_value(&own)), ..figures })
}

/// The work of one mutator beside so many that are parked.
fn beside(count: u64, ops: u64) -> Result<Run, Failure> {
    let mut place = Place::new(Heap::builder())?;
    let parked = place.build(|place| Ok((0..count).map(|_| place.attach()).collect::<Vec<_>>()))?;
    let forest = place.enter(|m| churn::plant(m, TREES));
    place.handshakes();
    let (began, before) = (Instant::now(), place.stats().cycles);
    place.enter(|m| {
        let mut random = Xorshift::new(0);
        (0..ops).try_for_each(|number| churn::operate(m, &forest, &mut random, number))
    })?;
    let (wall_s, cycles) = (began.elapsed().as_secs_f64(), place.stats().cycles - before);
    let handshake_ns = place.handshakes().map(|p| p.p50 as f64);
    let safepoints = place.stats().safepoints;
    let safepoint_max_ns = (safepoints.count() > 0).then(|| safepoints.max() as f64);
    let collections = place.collections();
    place.enter(|m| churn::inspect(m, &forest))?;
    let attached = place.stats().mutators;
    let costs = Costs { wall_s, collection_s: collections.wall_s, handshake_ns, safepoint_max_ns };
    let check = format!("{ops} trees read right beside {} parked mutators", attached - 1);
    let figures = place.finish(&collections, count, check, &(), (forest, parked));
    Ok(Run { costs, cycles, figures })
}

impl Costs {
    fn median(runs: &[Costs]) -> Costs {
        let middle = |of: fn(&Costs) -> Option<f64>| median(runs.iter().filter_map(of).collect());
        Costs {
            wall_s: middle(|costs| Some(costs.wall_s)).unwrap_or_default(),
            collection_s: middle(|costs| Some(costs.collection_s)).unwrap_or_default(),
            handshake_ns: middle(|costs| costs.handshake_ns),
            safepoint_max_ns: middle(|costs| costs.safepoint_max_ns),
        }
    }

    fn text(&self) -> [String; 4] {
        let [wall, collection] = [self.wall_s, self.collection_s].map(units::seconds);
        let nanos = |ns: Option<f64>| ns.map_or("none".to_owned(), |ns| units::nanos(ns as u64));
        [wall, collection, nanos(self.handshake_ns), nanos(self.safepoint_max_ns)]
    }
}

impl Ratios {
    fn of(pairs: &[(Costs, Costs)]) -> Ratios {
        let ratio = |of: fn(&Costs) -> Option<f64>| {
            let both = pairs.iter().filter_map(|(one, all)| Some((of(one)?, of(all)?)));
            median(both.filter(|(one, _)| *one > 0.0).map(|(one, all)| all / one).collect())
        };
        Ratios {
            wall: ratio(|costs| Some(costs.wall_s)),
            collection: ratio(|costs| Some(costs.collection_s)),
            handshake: ratio(|costs| costs.handshake_ns),
            safepoint_max: ratio(|costs| costs.safepoint_max_ns),
        }
    }
}

impl Own {
    fn notes(&self, count: u64) -> Vec<String> {
        let Ratios { wall, collection, handshake, safepoint_max } = self.ratio;
        let ratios = [wall, collection, handshake, safepoint_max];
        let both = self.beside_one.text().into_iter().zip(self.beside_all.text()).zip(ratios);
        let told = ["the work", "a whole collection", "a handshake (median)", "the longest safepoint"];
        let lines = told.into_iter().zip(both).map(|(what, ((one, all), ratio))| {
            let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2} ×"));
            format!("{what}: {one} beside 1 that is parked, {all} beside {count}, {ratio}")
        });
        lines
            .chain([format!("{} operations, {} cycles", units::count(self.ops as f64), self.cycles)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let costs = |wall_s, handshake_ns| Costs {
            wall_s,
            collection_s: 2.0 * wall_s,
            handshake_ns,
            safepoint_max_ns: handshake_ns,
        };
        // The second pair was disturbed, and no cycle ran in one run of the third.
        let pairs = [
            (costs(1.0, Some(10.0)), costs(1.5, Some(40.0))),
            (costs(8.0, Some(20.0)), costs(12.0, Some(60.0))),
            (costs(1.0, None), costs(1.5, Some(50.0))),
        ];
        let (time, most) = (Some(1.5), Some(3.5));
        let ratios = Ratios { wall: time, collection: time, handshake: most, safepoint_max: most };
        assert_eq!(Ratios::of(&pairs), ratios);
        let (ones, _): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        assert_eq!(Costs::median(&ones), costs(1.0, Some(15.0)));
    }
}
