//! `roots`: very many roots, each on an object of its own; then none.
use crate::failure::{Failure, expect_eq};
use crate::scale::figures::{Figures, each};
use crate::scale::item::Item;
use crate::scale::place::{BATCH, Place};
use crate::units;
use greyset::{Heap, Mutator, Root};
use serde::Serialize;
use std::time::Instant;

/// Roots at full size.
pub const FULL: u64 = 10_000_000;
/// Bytes of an object, its colour and its root: the handle, the entry, and its place among those that are free again.
pub const ROOT_BYTES: u64 = 64;

/// Figures of this test alone.
#[derive(Serialize)]
struct Own {
    /// Time on the clock to drop a root.
    drop_ns: f64,
    /// The same of the collection that finds all of them dropped.
    collection_after_s: f64,
    /// Objects that a collection marks after that.
    marked_after: u64,
}

/// Builds, collects, reads, drops, collects again.
///
/// # Errors
/// [`Failure::Check`] if a root leads to another object, or anything is alive without one; [`Failure::Run`] without memory.
pub fn run(count: u64) -> Result<Figures, Failure> {
    let mut place = Place::new(Heap::builder())?;
    let roots = place.build(|place| place.enter(|m| plant(m, count)))?;
    let collections = place.collections();
    place.enter(|m| inspect(m, &roots))?;
    let began = Instant::now();
    drop(roots);
    let drop_ns = began.elapsed().as_nanos() as f64 / count as f64;
    let collection_after_s = place.collect().as_secs_f64();
    let before = place.stats().marked_objects;
    place.collect();
    let marked_after = place.stats().marked_objects - before;
    expect_eq("the number of objects alive without a root", marked_after, 0)?;
    let check = format!("{count} roots lead to their objects, and without them none of these is alive");
    let figures =
        place.finish(&collections, count, check, &Own { drop_ns, collection_after_s, marked_after }, ());
    let note = format!(
        "{} to drop a root, {} for the collection after that",
        each(drop_ns),
        units::seconds(collection_after_s)
    );
    Ok(Figures { notes: vec![note], ..figures })
}

fn plant(m: &mut Mutator, count: u64) -> Result<Vec<Root<Item>>, Failure> {
    let mut roots = Vec::with_capacity(count as usize);
    for number in 0..count {
        roots.push(Item::make(m, number)?.root(m));
        if roots.len() % BATCH == 0 {
            m.safepoint();
        }
    }
    Ok(roots)
}

/// Reads the object of every root; the root's place is its number.
fn inspect(m: &mut Mutator, roots: &[Root<Item>]) -> Result<(), Failure> {
    for (number, root) in roots.iter().enumerate() {
        if !root.get(m).is(number as u64) {
            return Err(Failure::Check(format!("root {number} leads to another object")));
        }
        if number % BATCH == 0 {
            m.safepoint();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_in_the_place_of_another_fails_the_check() {
        let heap = Heap::builder().build().expect("a heap");
        heap.mutator().enter(|m| {
            let mut roots = plant(m, 5000).expect("memory");
            assert_eq!(inspect(m, &roots), Ok(()));
            roots.swap(17, 4711);
            let failure = inspect(m, &roots);
            assert_eq!(failure, Err(Failure::Check("root 17 leads to another object".to_owned())));
        });
    }
}
