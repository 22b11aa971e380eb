//! Proofs over all classes: waste, coverage, exact division, and that the printed table is the real one.

use super::*;
use crate::unit::StripNo;
use std::fmt::Write;

fn classes() -> impl Iterator<Item = SizeClass> {
    (0..SizeClass::COUNT).map(|at| SizeClass(at as u8))
}

#[test]
fn slots_ascend_from_16_to_the_maximum() {
    let slots: Vec<usize> = classes().map(SizeClass::slot).collect();
    assert_eq!((slots[0], slots[COUNT - 1]), (16, MAX_SMALL));
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(slots.iter().all(|slot| slot % 8 == 0));
}

#[test]
fn every_size_gets_the_smallest_slot_that_holds_it() {
    let slots: Vec<usize> = classes().map(SizeClass::slot).collect();
    for size in 0..=MAX_SMALL {
        let class = SizeClass::of_size(size);
        let wanted = slots.partition_point(|&slot| slot < size);
        assert_eq!(class.index(), wanted, "size {size}");
    }
    assert_eq!(SizeClass::of_size(MAX_SMALL + 1), SizeClass::LARGE);
    assert_eq!(SizeClass::of_size(usize::MAX), SizeClass::LARGE);
}

#[test]
fn waste_beyond_word_rounding_is_at_most_an_eighth() {
    for size in 9..=MAX_SMALL {
        let (slot, words) = (slot_size(size, 8), size.next_multiple_of(8));
        assert!((slot - words) * 8 <= slot, "size {size} in a slot of {slot}");
    }
}

#[test]
fn tail_waste_is_at_most_a_sixteenth() {
    for class in classes() {
        for stage in 0..3 {
            let bytes = class.span_pages(stage) * PAGE_SIZE;
            let tail = bytes - class.slots(class.span_pages(stage)) * class.slot();
            assert!(tail * 16 <= bytes, "slots of {} in {bytes}: tail {tail}", class.slot());
        }
    }
}

#[test]
fn aligned_values_get_slots_that_are_multiples() {
    for shift in 0..=MAX_ALIGN.trailing_zeros() {
        let align = 1 << shift;
        for size in (0..=MAX_SMALL).step_by(align) {
            let class = SizeClass::of(size, align);
            assert!(class != SizeClass::LARGE && class.slot().is_multiple_of(align) && class.slot() >= size);
        }
    }
}

#[test]
fn large_values_take_whole_pages() {
    assert_eq!(slot_size(MAX_SMALL + 1, 8), 5 * PAGE_SIZE);
    assert_eq!(slot_size(10 * PAGE_SIZE, 4096), 10 * PAGE_SIZE);
}

#[test]
#[should_panic(expected = "alignment above 4096")]
fn alignment_above_the_maximum_is_refused() {
    let _ = SizeClass::of(8192, 8192);
}

#[test]
fn the_magic_index_is_exact_for_every_byte_of_every_span() {
    // Far up in the address space and in the colour table, where sums and products wrap.
    const START: usize = (1 << 47) - (1 << 20);
    let strip = StripNo((1 << 29) - 512);
    for class in classes() {
        let (slot, magic) = (class.slot(), Magic::of_slot(class.slot()));
        let bias = magic.bias(START, strip);
        let most = (0..3).map(|stage| class.span_pages(stage)).max().unwrap_or(0);
        let (mut index, mut left) = (0, slot);
        // One more than the last byte: the end of a run at the end of a span is an offset, too.
        for offset in 0..=most * PAGE_SIZE {
            assert_eq!(magic.index(offset), index, "byte {offset}, slots of {slot}");
            let located = magic.locate(bias, START + offset);
            assert_eq!(located.colour, strip.offset() + index, "byte {offset} of {slot}");
            if index < class.slots(most) {
                assert_eq!(located.is_first, left == slot, "byte {offset} of {slot}");
                assert_eq!(magic.distance(bias, START + offset), slot - left, "byte {offset} of {slot}");
            }
            left -= 1;
            if left == 0 {
                (index, left) = (index + 1, slot);
            }
        }
    }
}

#[test]
fn a_large_span_is_one_slot() {
    let magic = Magic::of_slot(0);
    let located = magic.locate(magic.bias(1 << 45, StripNo(9)), (1 << 45) + (1 << 44));
    assert_eq!(located, Located { colour: StripNo(9).offset(), is_first: false });
    assert_eq!(magic.index(0), 0);
    assert_eq!(magic.index(1 << 44), 0);
}

#[test]
fn the_printed_table_is_the_real_one() {
    let mut table =
        String::from("| class | slot | pages | slots | tail % |\n| ---: | ---: | ---: | ---: | ---: |\n");
    for class in classes() {
        let pages: Vec<usize> = (0..3).map(|stage| class.span_pages(stage)).collect();
        let tail = |pages: &usize| {
            let bytes = pages * PAGE_SIZE;
            (bytes - class.slots(*pages) * class.slot()) as f64 * 100.0 / bytes as f64
        };
        let row = |f: &dyn Fn(&usize) -> String| pages.iter().map(f).collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} |",
            class.index(),
            class.slot(),
            row(&|pages| pages.to_string()),
            row(&|pages| class.slots(*pages).to_string()),
            row(&|pages| format!("{:.1}", tail(pages))),
        );
    }
    if std::env::var_os("GREYSET_WRITE_TABLE").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/size_class/table.md"), &table)
            .expect("written");
    }
    assert_eq!(table, include_str!("table.md"), "run once with GREYSET_WRITE_TABLE=1 to write it anew");
}
