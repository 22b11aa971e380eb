//! `gc-bench budget`: several heaps under one `Budget`, and under equal parts of it.
//!
//! All heaps hold the same live data; each allocates twice as fast as the one before. One thread goes from heap to heap, a piece of
//! work in each, so that the rates stay in proportion. GOGC is off: only limits ask for cycles.
use crate::compare::metric::median;
use crate::failure::Failure;
use crate::machine;
use crate::options::{build, count};
use crate::output::emit;
use crate::report::align_figures;
use crate::units::{self, parse_size};
use crate::workloads::churn;
use crate::xorshift::Xorshift;
use comfy_table::{Table, presets};
use greyset::{Budget, Heap, HeapBuilder, MutatorHandle, Root};
use std::time::{Duration, Instant};

/// Operations in the slowest heap before the next heap's turn.
const OPS: u64 = 16;
/// The fastest heap allocates at most 2 to this power as fast as the slowest.
const DOUBLINGS: usize = 7;

/// Options of `budget`.
#[derive(clap::Args)]
pub struct SharedBudget {
    /// Heaps.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(2, 64))]
    heaps: usize,
    /// Memory of all heaps together.
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = parse_size)]
    total: u64,
    /// Live data in each heap.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = parse_size)]
    live: u64,
    /// Rounds through all heaps.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = count(1, 100_000_000))]
    rounds: usize,
    /// Pairs of runs; the table shows medians.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count(1, 1000))]
    pairs: usize,
}

/// Who splits the memory.
#[derive(Clone, Copy)]
enum Split {
    Equal,
    Budget,
}

/// A heap with its work.
struct Place {
    heap: Heap,
    handle: MutatorHandle,
    forest: Root<churn::Forest<'static>>,
    random: Xorshift,
    done: u64,
}

/// What a run cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    wall: Duration,
    /// Processor time of all collectors.
    collection: Duration,
    cycles: u64,
    /// The most that all heaps held together at the end of a round, in bytes.
    held: u64,
    /// Peak resident memory of the process.
    resident: u64,
}

impl SharedBudget {
    /// Runs both splits in turns and prints the table.
    ///
    /// # Errors
    /// [`Failure::Usage`] if the live data leave no room; [`Failure::Check`] if a tree was damaged.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let part = self.total / self.heaps as u64;
        if self.live < churn::TREE_BYTES || self.live > part / 4 * 3 {
            return Err(Failure::Usage(format!(
                "--live {} must be at least one tree of {} bytes and at most three quarters of a heap's equal part, {}",
                units::bytes(self.live),
                churn::TREE_BYTES,
                units::bytes(part)
            )));
        }
        let mut costs = [Vec::new(), Vec::new()];
        for _ in 0..self.pairs {
            for (split, costs) in [Split::Equal, Split::Budget].into_iter().zip(&mut costs) {
                costs.push(self.run(split)?);
            }
        }
        emit(&format!("{}\n", self.table(&costs)))
    }

    fn run(&self, split: Split) -> Result<Cost, Failure> {
        machine::reset_peak_rss();
        let budget = Budget::new(self.total);
        let limited = |builder: HeapBuilder| match split {
            Split::Equal => builder.memory_limit(self.total / self.heaps as u64),
            Split::Budget => builder.budget(budget.member()),
        };
        let trees = (self.live / churn::TREE_BYTES) as usize;
        let mut places = Vec::with_capacity(self.heaps);
        for number in 0..self.heaps {
            let heap = build(limited(Heap::builder().gogc_off()))?;
            let mut handle = heap.mutator();
            let forest = handle.enter(|m| churn::plant(m, trees));
            places.push(Place { heap, handle, forest, random: Xorshift::new(number as u64), done: 0 });
        }
        let began = Instant::now();
        let mut held = 0;
        for _ in 0..self.rounds {
            for (number, place) in places.iter_mut().enumerate() {
                place.work(OPS << number.min(DOUBLINGS))?;
            }
            held = held.max(places.iter().map(|place| place.heap.stats().mapped_bytes).sum());
        }
        let wall = began.elapsed();
        for Place { handle, forest, .. } in &mut places {
            handle.enter(|m| churn::inspect(m, forest))?;
        }
        let stats = places.iter().map(|place| place.heap.stats());
        let (collection, cycles) = stats.fold((Duration::ZERO, 0), |(cpu, cycles), stats| {
            (cpu + stats.cpu.total(), cycles + stats.cycles)
        });
        Ok(Cost { wall, collection, cycles, held, resident: machine::peak_rss() })
    }

    fn table(&self, costs: &[Vec<Cost>; 2]) -> Table {
        let mut table = Table::new();
        let of_total = format!("of {}", units::bytes(self.total));
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "split",
            "wall",
            "CPU of collection",
            "cycles",
            "held at most",
            &of_total,
            "resident",
        ]);
        let middle =
            |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect()).unwrap_or_default();
        for (name, costs) in ["equal parts", "budget"].into_iter().zip(costs) {
            let held = middle(costs, |cost| cost.held as f64);
            table.add_row([
                name.to_owned(),
                units::seconds(middle(costs, |cost| cost.wall.as_secs_f64())),
                units::seconds(middle(costs, |cost| cost.collection.as_secs_f64())),
                format!("{:.0}", middle(costs, |cost| cost.cycles as f64)),
                units::bytes(held as u64),
                format!("{:.1} %", held / self.total as f64 * 100.0),
                units::bytes(middle(costs, |cost| cost.resident as f64) as u64),
            ]);
        }
        let ratio = |of: fn(&Cost) -> f64| {
            let pairs = costs[1].iter().zip(&costs[0]).map(|(budget, equal)| (of(budget), of(equal)));
            let ratios = pairs.filter(|(_, equal)| *equal > 0.0).map(|(budget, equal)| budget / equal);
            median(ratios.collect()).map_or("–".to_owned(), |ratio| format!("{ratio:.2} ×"))
        };
        table.add_row([
            "ratio".to_owned(),
            ratio(|cost| cost.wall.as_secs_f64()),
            ratio(|cost| cost.collection.as_secs_f64()),
            ratio(|cost| cost.cycles as f64),
            ratio(|cost| cost.held as f64),
            String::new(),
            ratio(|cost| cost.resident as f64),
        ]);
        align_figures(&mut table, 1);
        table
    }
}

impl Place {
    fn work(&mut self, ops: u64) -> Result<(), Failure> {
        let (forest, random) = (&self.forest, &mut self.random);
        let numbers = self.done..self.done + ops;
        self.done += ops;
        self.handle
            .enter(|m| numbers.into_iter().try_for_each(|number| churn::operate(m, forest, random, number)))
    }
}
