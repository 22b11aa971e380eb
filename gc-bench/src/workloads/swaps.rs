//! `swaps`: references change places in an array while the collector is idle: what the barriers of reading and writing cost when
//! there is nothing for them to do. An operation is one swap, two loads and two stores; a safepoint is polled after each 64, about as
//! often as an interpreter does. With several mutators each has an array of its own.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::options::count;
use greyset::{Array, Mutator, Root, Slot, Trace};
use serde::Serialize;
use std::time::Instant;

/// Swaps between two looks at the clock.
pub const BATCH: u64 = 1 << 16;
/// Swaps between two safepoints.
pub const POLL: u64 = 64;
/// Swaps without `--ops` and `--seconds`.
pub const DEFAULT_OPS: u64 = 100_000_000;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// References in an array, rounded up to a power of two; the default fits a second-level cache.
    #[arg(long, value_name = "N", default_value_t = 32_768, value_parser = count(2, 1 << 27))]
    pub slots: usize,
    /// Swaps, over all mutators; 100 million unless --seconds is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<u64>,
}

#[derive(Trace)]
struct Object {
    number: u64,
}

type Objects<'gc> = Array<'gc, Slot<'gc, Object>>;

/// The places whose references the swap of this number exchanges, of `slots`, a power of two.
#[inline]
pub fn places(number: u64, slots: usize) -> (usize, usize) {
    // Fibonacci hashing (D. Knuth): the second place wanders all over the array.
    let far = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (number as usize & (slots - 1), far as usize & (slots - 1))
}

/// Fails the check unless these numbers, at first those of their places, are where so many swaps leave them.
///
/// # Errors
/// [`Failure::Check`] says which place holds another.
pub fn expect_swapped(numbers: impl ExactSizeIterator<Item = u64>, ops: u64) -> Result<(), Failure> {
    let slots = numbers.len();
    let mut expected: Vec<u64> = (0..slots as u64).collect();
    for number in 0..ops {
        let (a, b) = places(number, slots);
        expected.swap(a, b);
    }
    for (place, (found, expected)) in numbers.zip(expected).enumerate() {
        expect_eq(&format!("the number at place {place}"), found, expected)?;
    }
    Ok(())
}

/// The text that programs compare.
pub fn check(ops: u64) -> String {
    format!("{ops} swaps left every reference where it belongs")
}

impl Params {
    /// Fills the arrays, swaps, and checks that every reference is where it belongs.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let (mutators, slots) = (bench.mutators(), self.slots.next_power_of_two());
        let arrays = bench.on_each(vec![(); mutators], |m, _, ()| Ok(fill(m, slots)))?;
        bench.start();
        let budget = bench.budget(self.ops, DEFAULT_OPS);
        let done = bench.on_each(arrays, |m, index, array| {
            let ops = swap_all(m, &array, budget.share(index, mutators));
            Ok((ops, array))
        })?;
        bench.stop();
        let ops = done.iter().map(|(ops, _)| ops).sum();
        bench.on_each(done, |m, _, (ops, array)| judge(m, &array, ops))?;
        let ns = bench.span().wall.as_nanos() as f64 * mutators as f64 / ops as f64;
        Ok(Outcome { ops, check: check(ops), op_times: None, notes: vec![format!("{ns:.2} ns a swap")] })
    }
}

fn fill(m: &mut Mutator, slots: usize) -> Root<Objects<'static>> {
    let array = m.alloc_array(slots, |_| Slot::<Object>::empty()).root(m);
    for number in 0..slots {
        let object = m.alloc(Object { number: number as u64 });
        array.get(m)[number].store(m, Some(object));
        if (number as u64).is_multiple_of(POLL) {
            m.safepoint();
        }
    }
    array
}

fn swap_all(m: &mut Mutator, array: &Root<Objects<'static>>, budget: Budget) -> u64 {
    let mut done = 0;
    while done < budget.count() && !budget.is_over(Instant::now()) {
        let n = BATCH.min(budget.count() - done);
        swap_some(m, array, done, n);
        done += n;
    }
    done
}

/// The swaps from number `first` on, so many.
#[inline(never)]
fn swap_some(m: &mut Mutator, array: &Root<Objects<'static>>, first: u64, n: u64) {
    let end = first + n;
    for start in (first..end).step_by(POLL as usize) {
        {
            let slots = array.get(m).as_slice();
            for number in start..end.min(start + POLL) {
                let (a, b) = places(number, slots.len());
                let (left, right) = (slots[a].load(m), slots[b].load(m));
                slots[a].store(m, right);
                slots[b].store(m, left);
            }
        }
        m.safepoint();
    }
}

fn judge(m: &mut Mutator, array: &Root<Objects<'static>>, ops: u64) -> Result<(), Failure> {
    // A place without a reference holds a number that nothing has.
    let objects = array.get(m).as_slice().iter().map(|slot| slot.load(m));
    expect_swapped(objects.map(|object| object.map_or(u64::MAX, |object| object.number)), ops)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Common;

    #[test]
    fn every_reference_is_followed() {
        let mut bench = Bench::new(&Common { mutators: 2, ..Common::default() }).expect("a heap");
        let outcome = Params { slots: 50, ops: Some(1001) }.run(&mut bench).expect("no failure");
        assert_eq!(outcome.check, "1001 swaps left every reference where it belongs");
        // 0 ↔ 0, then 1 ↔ wherever the second one is.
        assert!(expect_swapped([0, 1].into_iter(), 0).is_ok());
        let far = places(1, 4).1;
        let mut row = [0, 1, 2, 3];
        row.swap(1, far);
        assert!(expect_swapped(row.into_iter(), 2).is_ok(), "{row:?}");
    }

    #[test]
    fn the_second_place_comes_everywhere() {
        let mut seen = [false; 256];
        (0..4096).for_each(|number| seen[places(number, 256).1] = true);
        assert!(seen.iter().all(|seen| *seen));
    }

    #[test]
    fn a_lost_reference_fails_the_check() {
        let mut bench = Bench::new(&Common::default()).expect("a heap");
        let judged = bench.on_first((), |m, ()| {
            let array = fill(m, 16);
            array.get(m)[3].store(m, array.get(m)[4].load(m));
            judge(m, &array, 0)
        });
        assert!(matches!(judged, Err(Failure::Check(_))), "{judged:?}");
    }
}
