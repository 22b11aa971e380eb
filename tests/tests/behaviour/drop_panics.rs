//! Destructors and cleanups that panic, on the sweeper or when the heap ends.

use greyset::{Driver, Heap, Static};
use greyset_tests::common::{Drops, list_length, make_list, panic_of};
use std::panic::panic_any;

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("this destructor panics");
    }
}

fn each_driver(test: impl Fn(Heap)) {
    for driver in [Driver::Background, Driver::Inline] {
        test(Heap::builder().driver(driver).build().expect("a heap"));
    }
}

#[test]
fn a_panic_in_drop_is_counted_and_the_others_are_dropped() {
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            let kept = make_list(m, 10).root(m);
            for number in 0..30 {
                m.alloc(drops.value());
                if number % 3 == 0 {
                    m.alloc(Static(Grenade));
                }
            }
            m.collect();
            assert_eq!((drops.count(), m.heap().stats().drop_panics), (30, 10));
            assert_eq!(list_length(m, kept.get(m)), 10);
            m.collect();
            assert_eq!((drops.count(), m.heap().stats().drop_panics), (30, 10), "once each");
        });
    });
}

#[test]
fn a_panic_in_an_array_does_not_spare_its_neighbours() {
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            m.alloc_array(5, |at| Static((drops.value(), (at == 2).then(|| Grenade))));
            m.collect();
            m.collect();
            assert_eq!((drops.count(), m.heap().stats().drop_panics), (5, 1));
        });
    });
}

#[test]
fn a_panic_in_a_cleanup_is_counted_and_the_others_run() {
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            for number in 0..20 {
                let object = m.alloc_str("an object");
                m.add_cleanup(
                    object,
                    move |_| assert!(number % 4 != 0, "this cleanup panics"),
                    drops.value(),
                );
            }
            m.collect();
            while drops.count() < 20 {
                m.collect();
            }
        });
        assert_eq!(heap.stats().drop_panics, 5);
    });
}

#[test]
fn a_heap_ends_with_destructors_that_panic() {
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            for _ in 0..10 {
                m.alloc(drops.value());
                m.alloc(Static(Grenade));
                m.add_cleanup(m.alloc(Static(Grenade)), |_| panic!("and this cleanup"), drops.value());
            }
        });
        drop(heap);
        assert_eq!(drops.count(), 20);
    });
}

#[test]
fn a_panic_while_an_array_is_filled_drops_what_was_made() {
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            let message = panic_of(|| {
                m.alloc_array(10, |at| {
                    assert!(at < 7, "this element cannot be made");
                    drops.value()
                });
            });
            assert_eq!((message.as_str(), drops.count()), ("this element cannot be made", 7));
            m.collect();
            m.collect();
        });
        drop(heap);
        assert_eq!(drops.count(), 7, "once each");
    });
}

/// Panics whenever one is dropped, with another.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        panic_any(Endless);
    }
}

#[test]
fn a_panic_whose_payload_panics_when_it_is_dropped_stops_nobody() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            panic_any(Endless);
        }
    }
    each_driver(|heap| {
        let drops = Drops::default();
        heap.mutator().enter(|m| {
            let kept = make_list(m, 10).root(m);
            for _ in 0..3 {
                m.alloc(Static(Throws));
                m.alloc(drops.value());
                m.add_cleanup(m.alloc_str("an object"), |_| panic_any(Endless), drops.value());
            }
            m.collect();
            while drops.count() < 6 {
                m.collect();
            }
            m.collect();
            assert_eq!((drops.count(), m.heap().stats().drop_panics), (6, 6));
            assert_eq!((list_length(m, kept.get(m)), m.heap().census().objects()), (10, 10));
            m.alloc(Static(Throws));
        });
    });
}
