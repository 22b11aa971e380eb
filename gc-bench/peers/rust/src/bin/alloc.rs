//! The time of one allocation, three ways in one run that takes turns: a greyset heap, a bumpalo arena, and malloc and
//! free of mimalloc. All allocate the same block, fill it, read it back and drop it. The arena is reset when it has
//! given out as many bytes as a greyset heap does between two collections at its smallest, so that both go through the
//! same amount of memory.
use bumpalo::Bump;
use clap::Parser;
use greyset::Mutator;
use greyset_bench::failure::{Failure, expect_eq};
use greyset_bench::options::Common;
use greyset_bench::units::parse_size;
use greyset_bench::with_block_words;
use greyset_bench::workloads::alloc::{Block, drop_at_once, size};
use greyset_peers::Clock;
use serde_json::json;
use std::hint::black_box;
use std::process::ExitCode;

#[derive(Parser)]
struct Cli {
    /// Bytes in an object, 16 to 4096.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = size)]
    size: usize,
    /// Allocations in a turn.
    #[arg(long, value_name = "N", default_value_t = 4_000_000)]
    ops: u64,
    /// Turns of each; the median counts.
    #[arg(long, value_name = "N", default_value_t = 11)]
    turns: usize,
    /// Bytes the arena gives out before it is reset.
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse_size)]
    arena: u64,
}

/// Allocates `n` boxes, each freed as soon as it is read. Returns how many held their number.
#[inline(never)]
fn boxed<const WORDS: usize>(n: u64) -> u64 {
    let mut right = 0;
    for number in 0..n {
        let block = Box::new(Block { words: [number; WORDS] });
        right += u64::from(black_box(&*block).words[0] == number);
    }
    right
}

/// Allocates `n` blocks in the arena.
#[inline(never)]
fn bumped<const WORDS: usize>(arena: &mut Bump, bytes: u64, n: u64) -> u64 {
    let mut right = 0;
    let batch = (bytes / (8 * WORDS as u64)).max(1);
    for first in (0..n).step_by(batch as usize) {
        for number in first..n.min(first + batch) {
            let block = arena.alloc(Block { words: [number; WORDS] });
            right += u64::from(black_box(&*block).words[0] == number);
        }
        arena.reset();
    }
    right
}

/// Nanoseconds an allocation, on the clock and of CPU time.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn time(ops: u64, turn: impl FnOnce() -> u64) -> Result<Cost, Failure> {
    let clock = Clock::start();
    let right = turn();
    let (wall, cpu) = clock.elapsed();
    expect_eq("the number of intact objects", right, ops)?;
    let [wall, cpu] = [wall, cpu].map(|time| time.as_nanos() as f64 / ops as f64);
    Ok(Cost { wall, cpu })
}

fn take_turns<const WORDS: usize>(cli: &Cli, m: &mut Mutator) -> Result<[Cost; 3], Failure> {
    let mut arena = Bump::with_capacity(cli.arena as usize + 4096);
    let mut turns = [const { Vec::new() }; 3];
    // The first turn only warms up.
    for turn in 0..=cli.turns {
        let costs = [
            time(cli.ops, || drop_at_once::<WORDS>(m, 0, cli.ops))?,
            time(cli.ops, || bumped::<WORDS>(&mut arena, cli.arena, cli.ops))?,
            time(cli.ops, || boxed::<WORDS>(cli.ops))?,
        ];
        if turn > 0 {
            turns.iter_mut().zip(costs).for_each(|(all, cost)| all.push(cost));
        }
    }
    Ok(turns
        .map(|all| Cost { wall: median(all.iter().map(|c| c.wall)), cpu: median(all.iter().map(|c| c.cpu)) }))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn run(cli: &Cli) -> Result<[Cost; 3], Failure> {
    let heap = Common::default().heap()?;
    macro_rules! pick {
        ($($words:literal)*) => {
            match cli.size / 8 {
                $($words => heap.mutator().enter(|m| take_turns::<$words>(cli, m)),)*
                other => Err(Failure::Usage(format!("no blocks of {other} words"))),
            }
        };
    }
    with_block_words!(pick)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok([greyset, bumpalo, mimalloc]) => {
            let cost = |c: Cost| json!({ "wall_ns": c.wall, "cpu_ns": c.cpu });
            let ratio = |c: Cost| json!({ "wall": greyset.wall / c.wall, "cpu": greyset.cpu / c.cpu });
            let report = json!({
                "workload": "alloc",
                "params": { "size": cli.size, "ops": cli.ops, "turns": cli.turns, "arena": cli.arena },
                "greyset": cost(greyset), "bumpalo": cost(bumpalo), "mimalloc": cost(mimalloc),
                "greyset_to_bumpalo": ratio(bumpalo), "greyset_to_mimalloc": ratio(mimalloc),
            });
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
