//! `alloc`: every object is filled, read and dropped at once.
use crate::{Clock, Memory, unknown};
use bumpalo::Bump;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::{Failure, expect_eq};
use greyset_bench::with_block_words;
use greyset_bench::workloads::alloc::{BATCH, Block, Params};
use std::hint::black_box;

/// Bytes an arena gives out before it is reset: as many as the smallest greyset heap does between two collections, so
/// that both go through the same amount of memory.
const ARENA_BYTES: u64 = 4 << 20;

/// With `Box`, a malloc and a free for each; or in an arena.
pub fn run(params: &Params, memory: Memory, clock: &mut Clock) -> Result<Outcome, Failure> {
    if params.keep > 0 {
        return Err(Failure::Usage("alloc keeps no objects here: leave out --keep".to_owned()));
    }
    macro_rules! pick {
        ($($words:literal)*) => {
            match (params.size / 8, memory) {
                $(($words, Memory::Box) => in_boxes::<$words>(params, clock),
                ($words, Memory::Bumpalo) => in_arena::<$words>(params, clock),)*
                _ => Err(unknown("alloc", memory)),
            }
        };
    }
    with_block_words!(pick)
}

fn in_boxes<const WORDS: usize>(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    in_batches(params, clock, BATCH, |first, n| {
        let mut right = 0;
        for number in first..first + n {
            let block = Box::new(Block { words: [number; WORDS] });
            right += u64::from(black_box(&*block).words[0] == number);
        }
        right
    })
}

fn in_arena<const WORDS: usize>(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    let mut arena = Bump::with_capacity(ARENA_BYTES as usize + 4096);
    in_batches(params, clock, ARENA_BYTES / (8 * WORDS as u64), |first, n| {
        let mut right = 0;
        for number in first..first + n {
            let block = arena.alloc(Block { words: [number; WORDS] });
            right += u64::from(black_box(&*block).words[0] == number);
        }
        arena.reset();
        right
    })
}

/// Runs batches of allocations, each of which returns how many of its objects held their number.
fn in_batches(
    params: &Params,
    clock: &mut Clock,
    size: u64,
    mut batch: impl FnMut(u64, u64) -> u64,
) -> Result<Outcome, Failure> {
    let ops = params.ops.unwrap_or(100_000_000);
    clock.start();
    let mut done = 0;
    while done < ops {
        let n = size.min(ops - done);
        expect_eq("the number of intact objects of a batch", batch(done, n), n)?;
        done += n;
    }
    clock.stop();
    Ok(Outcome { ops, check: format!("{ops} objects hold their number"), op_times: None, notes: vec![] })
}
