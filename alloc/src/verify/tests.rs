//! Each kind of damage is seen and named.

use super::*;
use crate::space::PageEntry;
use crate::testing::*;
use crate::{Cache, SpanFlags, StripNo};
use greyset_sync::atomic::Ordering::Relaxed;

const A: Colour = Colour::A;

/// A heap with two spans of one class, the first full, the second not, and a free row between others.
fn some_heap() -> (MHeap, Vec<usize>) {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let addrs = (0..200).map(|_| alloc(&heap, &cache, &NODE64, A)).collect();
    let of_pages = |pages: usize| alloc_large(&heap, &cache, pages * PAGE_SIZE, A).expect("memory");
    let (dead, _) = (of_pages(7), of_pages(2));
    mark(&heap, dead.ptr.addr().get(), Colour::B);
    cache.flush(&heap);
    sweep_all(&heap, Colour::B, &Counting::default());
    heap.verify().expect("sound before it is damaged");
    (heap, addrs)
}

fn span_of(heap: &MHeap, addr: usize) -> &Span {
    heap.space().span_at(addr)
}

fn entry(heap: &MHeap, addr: usize) -> &PageEntry {
    heap.space().page_table().at(heap.space().page_no(addr).index())
}

fn found(heap: &MHeap) -> Corruption {
    heap.verify().expect_err("damaged")
}

#[test]
fn a_wrong_page_entry() {
    let (heap, addrs) = some_heap();
    let (span, page) = (span_of(&heap, addrs[0]), heap.space().page(addrs[0]));
    let flags = page.flags() ^ SpanFlags::LEAF;
    let bias = page.magic().bias(span.addr(), span.strip_no());
    entry(&heap, addrs[0]).set_span(page.magic(), bias, page.class(), flags);
    let wrong = heap.space().page_no(span.addr());
    assert_eq!(found(&heap), Corruption::PageEntry { page: wrong, span: span.id() });
}

#[test]
fn an_illegal_colour() {
    let (heap, addrs) = some_heap();
    let span = span_of(&heap, addrs[0]);
    for (slot, byte) in [(1, Colour::GUARD.byte()), (2, 0b100)] {
        span.colours(heap.space())[slot].store(byte, Relaxed);
        assert_eq!(found(&heap), Corruption::ColourByte { span: span.id(), slot, byte });
        span.colours(heap.space())[slot].store(A.byte(), Relaxed);
    }
    heap.verify().expect("mended");
}

#[test]
fn a_damaged_guard() {
    let (heap, _) = heap();
    let cache = Cache::new(&heap);
    let addr = alloc(&heap, &cache, &RIVAL, A);
    cache.flush(&heap);
    let span = span_of(&heap, addr);
    span.strip(heap.space())[span.slots()].store(0, Relaxed);
    assert_eq!(found(&heap), Corruption::ColourByte { span: span.id(), slot: span.slots(), byte: 0 });
}

#[test]
fn a_span_in_the_wrong_set() {
    let (heap, addrs) = some_heap();
    let (full, partial) = (span_of(&heap, addrs[0]), span_of(&heap, addrs[199]));
    assert_eq!((full.place(), partial.place()), (Place::Full, Place::Partial));
    full.set_place(Place::Cached);
    assert_eq!(found(&heap), Corruption::Set { span: full.id() });
    full.set_place(Place::Full);
    full.set_swept(full.generation() + 1, full.live());
    assert_eq!(found(&heap), Corruption::Set { span: full.id() });
    full.set_swept(full.generation() - 1, full.live());
    full.colours(heap.space())[0].store(0, Relaxed);
    let (said, counted) = (full.live(), full.live() - 1);
    assert_eq!(found(&heap), Corruption::Live { span: full.id(), said, counted });
    full.set_swept(full.generation(), counted);
    assert_eq!(found(&heap), Corruption::SetFill { span: full.id() });
}

#[test]
fn a_set_that_leads_in_a_circle() {
    let (heap, addrs) = some_heap();
    let full = span_of(&heap, addrs[0]);
    full.link().store(full.id().0, Relaxed);
    assert_eq!(found(&heap), Corruption::Set { span: full.id() });
}

#[test]
fn a_span_of_impossible_shape() {
    let (heap, addrs) = some_heap();
    let span = span_of(&heap, addrs[0]);
    let (start, strip) = (heap.space().page_addr(heap.space().page_no(span.addr())), span.strip_no());
    let mut shape = crate::span::NewSpan {
        id: span.id(),
        addr: start,
        pages: span.pages(),
        class: span.class(),
        strip,
        slots: span.slots() - 1,
        generation: span.generation(),
    };
    let class = heap.space().class_info(span.class());
    span.set(shape, class);
    assert_eq!(found(&heap), Corruption::SpanShape { span: span.id() });
    (shape.slots, shape.strip) = (span.slots() + 1, StripNo(span_of(&heap, addrs[199]).strip_no().0));
    span.set(shape, class);
    assert!(matches!(found(&heap), Corruption::PageEntry { .. }));
    let magic = span.magic();
    entry(&heap, start).set_span(magic, magic.bias(start, shape.strip), shape.class, span.flags());
    assert!(matches!(found(&heap), Corruption::StripTwice { .. }));
}

#[test]
fn damaged_free_rows() {
    let (heap, _) = some_heap();
    let (backing, row) = heap.free_rows()[0];
    let table = heap.space().page_table();
    let inside = table.at(row.start.index() + 1);
    inside.set_links(1, 2);
    assert_eq!(found(&heap), Corruption::FreeRow { page: row.start.plus(1) });
    inside.clear();
    let last = table.at(row.end().index() - 1);
    last.set_free(backing, row.pages + 1);
    assert_eq!(found(&heap), Corruption::FreeRow { page: row.end().minus(1) });
    last.set_free(backing, row.pages);
    heap.verify().expect("mended");
}

#[test]
fn a_lost_span_and_its_pages() {
    let (heap, addrs) = some_heap();
    let span = span_of(&heap, addrs[0]);
    span.set_place(Place::Unused);
    let page = heap.space().page_no(addrs[0]);
    assert_eq!(found(&heap), Corruption::PageLost { page });
}

#[test]
fn a_page_of_two_spans() {
    let (heap, addrs) = some_heap();
    let (full, partial) = (span_of(&heap, addrs[0]), span_of(&heap, addrs[199]));
    let shape = crate::span::NewSpan {
        id: partial.id(),
        addr: heap.space().page_addr(heap.space().page_no(full.addr())),
        pages: partial.pages(),
        class: partial.class(),
        strip: partial.strip_no(),
        slots: partial.slots(),
        generation: partial.generation(),
    };
    partial.set(shape, heap.space().class_info(partial.class()));
    assert_eq!(found(&heap), Corruption::PageTwice { page: heap.space().page_no(full.addr()) });
}

#[test]
fn free_rows_side_by_side() {
    let (heap, _) = some_heap();
    let first = heap.split_a_free_row();
    let rows = heap.free_rows();
    let Corruption::NotJoined { page } = found(&heap) else { panic!("{}", found(&heap)) };
    assert!(rows.iter().any(|(_, row)| row.pages == first && row.end() == page), "{page:?} of {rows:?}");
}

#[test]
fn a_strip_without_a_span() {
    let (heap, _) = some_heap();
    let spans = heap.strip_bytes();
    heap.lose_a_strip(32);
    assert_eq!(found(&heap), Corruption::StripBytes { spans, strips: spans + 32 });
}

#[test]
fn wrong_counters() {
    type Damage = fn(&MHeap);
    let cases: [(&str, Damage, isize); 5] = [
        ("spans", |heap| heap.count_too_many(1, 1), 1),
        ("pages used", |heap| heap.count_too_many(0, 1), 1),
        ("resident pages", MHeap::count_a_resident_page_too_many, 1),
        ("pages below the top", MHeap::count_a_released_page_too_many, -1),
        (
            "spans in sets",
            |heap| {
                let mut partial = None;
                heap.for_each_span(|span| {
                    if span.place() == Place::Partial {
                        partial = Some((span.class(), parity(span.generation())));
                    }
                });
                let (class, half) = partial.expect("some_heap has one");
                heap.put_nobody(class, half);
            },
            1,
        ),
    ];
    for (counter, damage, by) in cases {
        let (heap, _) = some_heap();
        damage(&heap);
        let Corruption::Count { what, said, counted } = found(&heap) else { panic!("{}", found(&heap)) };
        assert_eq!((what, said as isize - counted as isize), (counter, by));
    }
}
