//! `alloc`: the time of one allocation. Every object is filled and its first word read back; with `--keep 0` it is
//! dropped at once, else it stays in a window of the last N. An operation is one allocation; a safepoint is polled after
//! each 64, about as often as an interpreter does at its back edges and calls.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::options::count;
use greyset::{Array, Mutator, Root, Slot, Trace};
use serde::Serialize;
use std::hint::black_box;
use std::time::Instant;

/// Allocations between two looks at the clock.
pub const BATCH: u64 = 4096;
/// Allocations between two safepoints.
const POLL: u64 = 64;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Bytes of an object, 16 to 4096; rounded up to a multiple of 8, from 128 on to an eighth of its power of two.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = size)]
    pub size: usize,
    /// Objects that stay alive, for each mutator.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = count(0, 100_000_000))]
    pub keep: usize,
    /// Allocations, over all mutators; 100 million unless --seconds is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<u64>,
}

/// An object of `WORDS` words without references.
#[derive(Trace)]
pub struct Block<const WORDS: usize> {
    /// All words are the number of the allocation.
    pub words: [u64; WORDS],
}

type Window<'gc, const WORDS: usize> = Array<'gc, Slot<'gc, Block<WORDS>>>;

/// Calls a macro with every size there is code for, in words.
#[macro_export]
macro_rules! with_block_words {
    ($name:ident) => {
        $name!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 18 20 22 24 26 28 30 32 36 40 44 48 52 56 60 64
               72 80 88 96 104 112 120 128 144 160 176 192 208 224 240 256 288 320 352 384 416 448 480 512)
    };
}

macro_rules! list {
    ($($words:literal)*) => { [$($words),*] };
}

/// Every size there is code for, in words.
const WORDS: [usize; 55] = with_block_words!(list);

/// The size of block used for `text` bytes.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok().filter(|n| (16..=4096).contains(n));
    let words = bytes.and_then(|n: usize| WORDS.into_iter().find(|words| words * 8 >= n));
    words.map(|words| words * 8).ok_or_else(|| "not a size from 16 to 4096 bytes".to_owned())
}

impl Params {
    /// Allocates, and checks that every object holds what was put into it.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        macro_rules! pick {
            ($($words:literal)*) => {
                match self.size.div_ceil(8) {
                    $($words => blocks::<$words>,)*
                    other => return Err(Failure::Usage(format!("no blocks of {other} words"))),
                }
            };
        }
        let make: fn(&mut Mutator, usize) -> Box<dyn Blocks> = with_block_words!(pick);
        let mutators = bench.mutators();
        let blocks = bench.on_each(vec![(); mutators], |m, _, ()| Ok(make(m, self.keep)))?;
        bench.start();
        let budget = bench.budget(self.ops, 100_000_000);
        let done = bench.on_each(blocks, |m, index, blocks| {
            in_batches(budget.share(index, mutators), |first, n| blocks.batch(m, first, n))
        })?;
        bench.stop();
        let ops: u64 = done.iter().sum();
        let ns = bench.span().wall.as_nanos() as f64 * mutators as f64 / ops as f64;
        let notes = vec![format!("{ns:.2} ns an allocation of {} bytes", self.size)];
        Ok(Outcome { ops, check: format!("{ops} objects hold their number"), op_times: None, notes })
    }
}

/// A size of blocks and what becomes of them. Only what depends on the size is compiled for each.
trait Blocks: Send {
    /// Allocates `n` blocks, numbered from `first`. Returns how many held their number.
    fn batch(&self, m: &mut Mutator, first: u64, n: u64) -> u64;
}

struct Dropped<const WORDS: usize>;

impl<const WORDS: usize> Blocks for Dropped<WORDS> {
    fn batch(&self, m: &mut Mutator, first: u64, n: u64) -> u64 {
        drop_at_once::<WORDS>(m, first, n)
    }
}

struct Kept<const WORDS: usize>(Root<Window<'static, WORDS>>);

impl<const WORDS: usize> Blocks for Kept<WORDS> {
    fn batch(&self, m: &mut Mutator, first: u64, n: u64) -> u64 {
        keep_a_while(m, &self.0, first, n)
    }
}

fn blocks<const WORDS: usize>(m: &mut Mutator, keep: usize) -> Box<dyn Blocks> {
    if keep == 0 {
        return Box::new(Dropped::<WORDS>);
    }
    Box::new(Kept(m.alloc_array(keep, |_| Slot::<Block<WORDS>>::empty()).root(m)))
}

/// Runs batches of allocations until the budget is used up; returns how many allocations that were. A batch is given
/// the number of its first allocation and how many to do, and returns how many objects were right.
fn in_batches(budget: Budget, mut batch: impl FnMut(u64, u64) -> u64) -> Result<u64, Failure> {
    let mut done = 0;
    while done < budget.count() && !budget.is_over(Instant::now()) {
        let n = BATCH.min(budget.count() - done);
        expect_eq("the number of intact objects of a batch", batch(done, n), n)?;
        done += n;
    }
    Ok(done)
}

/// Allocates `n` objects, each garbage as soon as it is made. Returns how many held their number.
#[inline(never)]
pub fn drop_at_once<const WORDS: usize>(m: &mut Mutator, first: u64, n: u64) -> u64 {
    let (mut right, end) = (0, first + n);
    for start in (first..end).step_by(POLL as usize) {
        for number in start..end.min(start + POLL) {
            let block = m.alloc(Block { words: [number; WORDS] });
            right += u64::from(black_box(&*block).words[0] == number);
        }
        m.safepoint();
    }
    right
}

/// Allocates `n` objects, each in the place of the one made a window ago. Returns how many of those held their number.
#[inline(never)]
fn keep_a_while<const WORDS: usize>(
    m: &mut Mutator,
    window: &Root<Window<'static, WORDS>>,
    first: u64,
    n: u64,
) -> u64 {
    let mut right = 0;
    let keep = window.get(m).len() as u64;
    for number in first..first + n {
        let slot = &window.get(m).as_slice()[(number % keep) as usize];
        let oldest = slot.load(m).map(|block| block.words[0]);
        right += u64::from(oldest == number.checked_sub(keep));
        slot.store(m, Some(m.alloc(Block { words: [number; WORDS] })));
        if number % POLL == 0 {
            m.safepoint();
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Common;

    #[test]
    fn sizes_round_up_to_a_block() {
        assert_eq!(size("16"), Ok(16));
        assert_eq!(size("17"), Ok(24));
        assert_eq!(size("130"), Ok(144));
        assert_eq!(size("4096"), Ok(4096));
        assert!(size("15").is_err() && size("4097").is_err() && size("x").is_err());
    }

    #[test]
    fn a_damaged_object_fails_the_check() {
        let bench = Bench::new(&Common::default()).expect("a heap");
        let budget = bench.budget(Some(10_000), 0);
        assert_eq!(in_batches(budget, |_, n| n), Ok(10_000));
        assert!(matches!(in_batches(budget, |_, n| n - 1), Err(Failure::Check(_))));
    }
}
