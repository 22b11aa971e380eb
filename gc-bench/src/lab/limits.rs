//! `gc-bench limits`: a program whose live data grows past its soft limit, then to its hard one, and gets small again.
//!
//! One thread replaces pairs of nodes all the time; when the heap refuses it memory it collects and tries again. What is shown is what
//! the heap promises there: collection takes the limiter's share at most, the program is told, the hard limit is an error that it
//! survives, and memory and speed are as before afterwards.
use crate::failure::Failure;
use crate::machine;
use crate::options::{build, duration, with_gogc};
use crate::output::{emit, json_line};
use crate::report::align_figures;
use crate::sampler::{Sample, Sampler};
use crate::units::{self, parse_size};
use crate::xorshift::Xorshift;
use comfy_table::{Table, presets};
use greyset::{Array, Bytes, Gc, Gogc, Heap, Mutator, MutatorHandle, OutOfMemory, Root, Slot, Trace};
use serde::Serialize;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Between two looks at the heap.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The share of collection is looked at over so many seconds, or over the whole phase if it is shorter.
const WINDOW_S: f64 = 10.0;
/// Bytes of a block that fills the heap to its hard limit.
const BLOCK: usize = 64 << 10;
/// Operations between two looks at the clock.
const OPS: u64 = 256;
/// Bytes of a pair and the slot that holds it.
const PAIR: u64 = 2 * size_of::<Node<'static>>() as u64 + 8;
/// Percent of the processors that collection may take for long.
const CPU_LIMIT: u32 = 50;

/// Options of `limits`.
#[derive(clap::Args)]
pub struct Limits {
    /// Soft limit.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    memory_limit: u64,
    /// Hard limit; four times the soft one without it.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    hard_limit: Option<u64>,
    /// Live data above the soft limit, in percent of it.
    #[arg(long, value_name = "N", default_value_t = 115, value_parser = clap::value_parser!(u64).range(101..=1000))]
    above: u64,
    /// Heap growth in percent of the live data before the next cycle, or off.
    #[arg(long, value_name = "N|off", default_value_t)]
    gogc: Gogc,
    /// Seconds above the soft limit; before and after it is a third of that.
    #[arg(long, value_name = "S", default_value = "15", value_parser = duration)]
    seconds: Duration,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What the program went through.
#[derive(Clone, Copy, Debug, Serialize)]
struct Stage {
    name: &'static str,
    /// Bytes of live pairs.
    live_bytes: u64,
    /// How long it was, in seconds.
    wall_s: f64,
    /// Pairs replaced a second.
    ops_per_s: f64,
    /// Allocations that were refused in it, and done after a collection.
    refused: u64,
    /// The largest share of all processors that collection took over ten seconds, in percent.
    collection_pct: f64,
    /// The most memory the heap held, in bytes, how much of it was in tables, mark stacks and buffers, and what it held at the end.
    held_most_bytes: u64,
    held_most_metadata_bytes: u64,
    held_last_bytes: u64,
    /// Cycles that ended in it.
    cycles: u64,
}

/// The result, as `--json` prints it.
#[derive(Serialize)]
struct Told {
    memory_limit_bytes: u64,
    hard_limit_bytes: u64,
    cpu_limit_pct: u32,
    stages: [Stage; 3],
    /// From the allocation that took live data over the soft limit to the call of `on_thrash`.
    thrash_after_s: Option<f64>,
    thrashes: u64,
    /// Blocks that fitted on top below the hard limit, and allocations that had been refused by then, and survived.
    blocks: usize,
    refused: u64,
    /// From letting go of all that came on top to the heap holding no more than its soft limit.
    back_below_after_s: Option<f64>,
    /// Speed afterwards as a part of that before.
    recovered: f64,
}

/// 48 bytes: what it belongs with, and five words.
#[derive(Trace)]
struct Node<'gc> {
    other: Option<Gc<'gc, Node<'gc>>>,
    words: [u64; 5],
}

type Pairs<'gc> = Array<'gc, Slot<'gc, Node<'gc>>>;

/// The heap, its program, and what it holds.
struct Program {
    heap: Heap,
    handle: MutatorHandle,
    tables: Vec<Root<Pairs<'static>>>,
    random: Xorshift,
    done: u64,
}

impl Limits {
    /// Goes through the stages and prints what they were like.
    ///
    /// # Errors
    /// [`Failure::Usage`] for limits that no heap takes; [`Failure::Check`] if a pair was damaged or the hard limit refused nothing;
    /// [`Failure::Run`] if collecting does not make room.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let told = self.run()?;
        emit(&if self.json { json_line(&told) } else { told.text() })
    }

    fn hard_limit(&self) -> u64 {
        self.hard_limit.unwrap_or(self.memory_limit.saturating_mul(4))
    }

    fn above_bytes(&self) -> u64 {
        self.memory_limit / 100 * self.above
    }

    fn run(&self) -> Result<Told, Failure> {
        let thrash = Arc::new(OnceLock::new());
        let mut program = self.program(&thrash)?;
        let (below, above) = (self.memory_limit / 4, self.above_bytes());
        program.plant(below)?;
        let before = program.stage("below", below, self.seconds / 3)?;
        program.plant(self.memory_limit - below)?;
        let passed = Instant::now();
        program.plant(above - self.memory_limit)?;
        let during = program.stage("above", above, self.seconds)?;
        let blocks = program.fill();
        let refused = program.heap.stats().limit_failures;
        program.inspect()?;
        // The first table is what was there before.
        program.tables.truncate(1);
        let count = blocks.len();
        drop(blocks);
        let let_go = Instant::now();
        let back_below_after_s = program.back_below(self.memory_limit, self.seconds)?;
        let after = program.stage("after", below, self.seconds / 3)?;
        program.inspect()?;
        let stats = program.heap.stats();
        Ok(Told {
            memory_limit_bytes: self.memory_limit,
            hard_limit_bytes: self.hard_limit(),
            cpu_limit_pct: CPU_LIMIT,
            thrash_after_s: thrash
                .get()
                .map(|at: &Instant| at.saturating_duration_since(passed).as_secs_f64()),
            thrashes: stats.thrashes,
            blocks: count,
            refused,
            back_below_after_s: back_below_after_s.map(|at| (at - let_go).as_secs_f64()),
            recovered: after.ops_per_s / before.ops_per_s.max(1e-9),
            stages: [before, during, after],
        })
    }

    /// A heap with these limits, that holds nothing. `thrash` becomes the moment when it first says so.
    fn program(&self, thrash: &Arc<OnceLock<Instant>>) -> Result<Program, Failure> {
        let seen = Arc::clone(thrash);
        let builder = Heap::builder()
            .memory_limit(self.memory_limit)
            .hard_limit(self.hard_limit())
            .cpu_limit(CPU_LIMIT)
            .on_thrash(move |_| _ = seen.set(Instant::now()));
        let heap = build(with_gogc(builder, self.gogc))?;
        if self.above_bytes() > self.hard_limit() / 10 * 9 {
            return Err(Failure::Usage(format!(
                "--above {} of --memory-limit {} must leave a tenth of --hard-limit {} free",
                self.above,
                units::bytes(self.memory_limit),
                units::bytes(self.hard_limit())
            )));
        }
        let handle = heap.mutator();
        Ok(Program { heap, handle, tables: Vec::new(), random: Xorshift::new(0), done: 0 })
    }
}

impl Program {
    /// A table of so many more bytes of live pairs.
    fn plant(&mut self, bytes: u64) -> Result<(), Failure> {
        let count = (bytes / PAIR).max(1) as usize;
        let Program { handle, tables, .. } = self;
        let table = handle.enter(|m| {
            let table = insist(m, |m| {
                let table = m.try_alloc_array(count, |_| Slot::<Node<'_>>::empty())?;
                Ok(table.root(m))
            })?;
            for place in 0..count {
                replace(m, &table, place, place as u64)?;
            }
            Ok(table)
        });
        tables.push(table?);
        Ok(())
    }

    /// Works for so long, watched.
    fn stage(&mut self, name: &'static str, live_bytes: u64, time: Duration) -> Result<Stage, Failure> {
        let sampler = Sampler::start(self.heap.clone(), LOOK_EVERY, |_| ());
        let (began, done, refused) = (Instant::now(), self.done, self.heap.stats().limit_failures);
        let mut result = Ok(());
        while result.is_ok() && began.elapsed() < time {
            result = self.work();
        }
        let wall_s = began.elapsed().as_secs_f64();
        let samples = sampler.finish();
        result?;
        let most = samples.iter().copied().max_by_key(|sample| sample.mapped_bytes).unwrap_or_default();
        Ok(Stage {
            name,
            live_bytes,
            wall_s,
            ops_per_s: (self.done - done) as f64 / wall_s.max(1e-9),
            refused: self.heap.stats().limit_failures - refused,
            collection_pct: largest_share(&samples),
            held_most_bytes: most.mapped_bytes,
            held_most_metadata_bytes: most.metadata_bytes,
            held_last_bytes: samples.last().map_or(0, |sample| sample.mapped_bytes),
            cycles: match (samples.first(), samples.last()) {
                (Some(first), Some(last)) => last.cycles - first.cycles,
                _ => 0,
            },
        })
    }

    /// Some operations in one of the tables, the more in a larger one.
    fn work(&mut self) -> Result<(), Failure> {
        let Program { handle, tables, random, done, .. } = self;
        let number = *done;
        *done += OPS;
        handle.enter(|m| {
            let lens = tables.iter().map(|table| table.get(m).len()).collect::<Vec<_>>();
            let all = lens.iter().sum();
            (number..number + OPS).try_for_each(|number| {
                let (mut place, mut at) = (random.below(all), 0);
                while place >= lens[at] {
                    place -= lens[at];
                    at += 1;
                }
                replace(m, &tables[at], place, number)
            })
        })
    }

    /// Blocks until the hard limit refuses one, and a dozen more are refused.
    fn fill(&mut self) -> Vec<Root<Bytes<'static>>> {
        let (block, mut blocks, mut refused) = (vec![7; BLOCK], Vec::new(), 0);
        self.handle.enter(|m| {
            m.collect();
            while refused < 12 {
                match m.try_alloc_bytes(&block) {
                    Ok(bytes) => blocks.push(bytes.root(m)),
                    Err(_) => refused += 1,
                }
                m.safepoint();
            }
        });
        blocks
    }

    /// Works until the heap holds no more than so many bytes: when that was. Gives up after `most`.
    fn back_below(&mut self, bytes: u64, most: Duration) -> Result<Option<Instant>, Failure> {
        let began = Instant::now();
        while began.elapsed() < most {
            self.work()?;
            if self.heap.stats().mapped_bytes <= bytes {
                return Ok(Some(Instant::now()));
            }
        }
        Ok(None)
    }

    /// Reads every pair.
    fn inspect(&mut self) -> Result<(), Failure> {
        let Program { handle, tables, .. } = self;
        handle.enter(|m| {
            let whole = |node: Gc<'_, Node<'_>>| {
                let other = node.other.map(|other| other.words);
                node.words == [node.words[0]; 5] && other == Some([!node.words[0]; 5])
            };
            for table in tables.iter() {
                if !table.get(m).iter().all(|slot| slot.load(m).is_some_and(whole)) {
                    return Err(Failure::Check("a pair is damaged".to_owned()));
                }
            }
            Ok(())
        })
    }
}

/// Does what may be refused, after a collection if it was; fails if that makes no room.
fn insist<R>(m: &mut Mutator, mut act: impl FnMut(&Mutator) -> Result<R, OutOfMemory>) -> Result<R, Failure> {
    if let Ok(done) = act(m) {
        return Ok(done);
    }
    m.collect();
    act(m).map_err(|error| Failure::Run(format!("after a collection, still {error}")))
}

fn node<'gc>(
    m: &'gc Mutator,
    other: Option<Gc<'gc, Node<'gc>>>,
    number: u64,
) -> Result<Gc<'gc, Node<'gc>>, OutOfMemory> {
    m.try_alloc(Node { other, words: [number; 5] }).map_err(|error| error.into_parts().1)
}

/// The pair of this number in a place of the table; another one is made and dropped on the way.
fn replace(m: &mut Mutator, table: &Root<Pairs<'static>>, place: usize, number: u64) -> Result<(), Failure> {
    insist(m, |m| {
        for _ in 0..2 {
            let other = node(m, None, !number)?;
            let node = node(m, Some(other), number)?;
            table.get(m)[place].store(m, Some(node));
        }
        Ok(())
    })?;
    m.safepoint();
    Ok(())
}

/// The largest part of all processors that collection took over a window, in percent.
fn largest_share(samples: &[Sample]) -> f64 {
    let processors = machine::processors() as f64;
    let Some(last) = samples.last() else { return 0.0 };
    let window = WINDOW_S.min(last.at_s - samples[0].at_s);
    let mut end = 0;
    let mut shares = Vec::new();
    for from in samples {
        while end < samples.len() && samples[end].at_s < from.at_s + window {
            end += 1;
        }
        let Some(to) = samples.get(end) else { break };
        shares.push((to.collection_s - from.collection_s) / (to.at_s - from.at_s).max(1e-9) / processors);
    }
    100.0 * shares.into_iter().fold(0.0, f64::max)
}

impl Told {
    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header([
            "live data",
            "",
            "pairs/s",
            "refused",
            "collection, worst 10 s",
            "cycles",
            "held at most",
            "held at the end",
        ]);
        for stage in &self.stages {
            table.add_row([
                stage.name.to_owned(),
                units::bytes(stage.live_bytes),
                units::count(stage.ops_per_s),
                stage.refused.to_string(),
                format!("{:.1} %", stage.collection_pct),
                stage.cycles.to_string(),
                units::bytes(stage.held_most_bytes),
                units::bytes(stage.held_last_bytes),
            ]);
        }
        align_figures(&mut table, 1);
        let or_never =
            |time: Option<f64>| time.map_or("never".to_owned(), |s| format!("after {}", units::seconds(s)));
        let [soft, hard] = [self.memory_limit_bytes, self.hard_limit_bytes].map(units::bytes);
        format!(
            "soft limit {soft}, hard limit {hard}, collection may take {} % of the processors\n{table}\n\
             thrashing told {}, {} times in all\n\
             {} blocks of 64 KiB fitted on top, {} allocations were refused\n\
             back below the soft limit {}, then {:.2} of the speed before\n",
            self.cpu_limit_pct,
            or_never(self.thrash_after_s),
            self.thrashes,
            self.blocks,
            self.refused,
            or_never(self.back_below_after_s),
            self.recovered
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: f64, collection_s: f64) -> Sample {
        Sample { at_s, collection_s, ..Sample::default() }
    }

    #[test]
    fn the_worst_window_counts() {
        let processors = machine::processors() as f64;
        // 20 s, of which collection takes two from second 5 to second 7.
        let busy = |at: f64| (at - 5.0).clamp(0.0, 2.0);
        let samples =
            (0..=200).map(|i| f64::from(i) / 10.0).map(|at| sample(at, busy(at))).collect::<Vec<_>>();
        let share = largest_share(&samples);
        assert!((share - 20.0 / processors).abs() < 0.5, "{share}");
        // A shorter phase is a window of its own.
        let share = largest_share(&[sample(1.0, 0.0), sample(1.5, 0.3), sample(2.0, 0.4)]);
        assert!((share - 40.0 / processors).abs() < 0.5, "{share}");
        assert_eq!((largest_share(&[]), largest_share(&[sample(1.0, 1.0)])), (0.0, 0.0));
    }
}
