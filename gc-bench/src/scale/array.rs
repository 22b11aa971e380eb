//! `array`: one array of very many slots, that lead to a hundredth as many objects (a million at most) in turn.
use crate::failure::Failure;
use crate::scale::figures::Figures;
use crate::scale::item::Item;
use crate::scale::place::{BATCH, Place};
use crate::units;
use greyset::{Array, Heap, Mutator, Root, Slot};
use serde::Serialize;

/// Bytes of the array at full size.
pub const FULL: u64 = 1 << 30;
/// Bytes of a slot.
pub const SLOT_BYTES: u64 = size_of::<Slot<'static, Item>>() as u64;
/// The objects at most.
const OBJECTS: usize = 1_000_000;

/// Memory that the heap will need for an array of so many bytes: the objects, too.
pub fn need(bytes: u64) -> u64 {
    let objects = (bytes / SLOT_BYTES / 100).min(OBJECTS as u64);
    bytes.saturating_add(bytes / 16).saturating_add(objects * 20)
}

type Row<'gc> = Array<'gc, Slot<'gc, Item>>;

/// Figures of this test alone.
#[derive(Serialize)]
struct Own {
    bytes: u64,
    objects: usize,
}

/// Builds the array, collects it, and reads every slot.
///
/// # Errors
/// [`Failure::Check`] if a slot leads elsewhere; [`Failure::Run`] if the heap refuses the array, with what it says.
pub fn run(bytes: u64) -> Result<Figures, Failure> {
    let slots = (bytes / SLOT_BYTES) as usize;
    let objects = (slots / 100).clamp(1, OBJECTS);
    let mut place = Place::new(Heap::builder())?;
    let row = place.build(|place| place.enter(|m| build(m, slots, objects)))?;
    let collections = place.collections();
    place.enter(|m| inspect(m, &row, objects))?;
    let check = format!("{slots} slots lead to the {objects} objects in turn");
    let mark_ns = collections.mark_ns_of(slots as u64);
    let figures = place.finish(&collections, slots as u64, check, &Own { bytes, objects }, row);
    // An array is made in one window: what a cycle asks meanwhile is answered after it.
    let longest = figures.build_handshake_max_ns.map_or("none".to_owned(), units::nanos);
    let note = format!("the longest handshake while it was being built: {longest}");
    Ok(Figures { mark_ns, notes: vec![note], ..figures })
}

fn build(m: &mut Mutator, slots: usize, objects: usize) -> Result<Root<Row<'static>>, Failure> {
    let row = m.try_alloc_array(slots, |_| Slot::<Item>::empty());
    let row = row.map_err(|e| Failure::Run(e.to_string()))?.root(m);
    m.safepoint();
    for start in (0..slots).step_by(BATCH) {
        let row = row.get(m).as_slice();
        for (number, slot) in row.iter().enumerate().skip(start).take(BATCH) {
            let item = match number < objects {
                true => Some(Item::make(m, number as u64)?),
                false => row[number % objects].load(m),
            };
            slot.store(m, item);
        }
        m.safepoint();
    }
    Ok(row)
}

fn inspect(m: &mut Mutator, row: &Root<Row<'static>>, objects: usize) -> Result<(), Failure> {
    let slots = row.get(m).len();
    for start in (0..slots).step_by(BATCH) {
        for (number, slot) in row.get(m).as_slice().iter().enumerate().skip(start).take(BATCH) {
            if !slot.load(m).is_some_and(|item| item.is((number % objects) as u64)) {
                return Err(Failure::Check(format!("slot {number} of the array leads elsewhere")));
            }
        }
        m.safepoint();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_leads_elsewhere_fails_the_check() {
        let heap = Heap::builder().build().expect("a heap");
        heap.mutator().enter(|m| {
            let row = build(m, 10_000, 100).expect("memory");
            assert_eq!(inspect(m, &row, 100), Ok(()));
            for wrong in [true, false] {
                let first = row.get(m)[0].load(m);
                row.get(m)[9_999].store(m, first.filter(|_| wrong));
                let failure = Failure::Check("slot 9999 of the array leads elsewhere".to_owned());
                assert_eq!(inspect(m, &row, 100), Err(failure));
            }
        });
    }
}
