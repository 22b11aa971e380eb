//! The registry: numbers are stable, readers and writers at once agree.

use super::*;
use crate::size_class::SizeClass;
use crate::testing::{heap, sized};

/// Distinct types, as many as a test wants.
fn types(count: usize) -> Vec<&'static TypeInfo> {
    (0..count).map(|at| &*Box::leak(Box::new(sized(at)))).collect()
}

#[test]
fn a_pair_has_one_number_for_ever() {
    let (heap, _) = heap();
    let (space, registry) = (heap.space(), heap.registry());
    let types = types(300);
    let class = |info| registry.class(space, info, SizeClass::of_size(100)).expect("room");
    let first: Vec<SpanClassId> = types.iter().map(|&info| class(info)).collect();
    let again: Vec<SpanClassId> = types.iter().map(|&info| class(info)).collect();
    assert_eq!(first, again);
    assert_eq!(first, (1..=300).map(SpanClassId).collect::<Vec<_>>());
    let other = registry.class(space, types[0], SizeClass::of_size(200)).expect("room");
    assert_eq!((other, registry.count()), (SpanClassId(301), 301));
    assert!(std::ptr::eq(space.class_info(other).info(), types[0]));
}

#[test]
fn threads_agree_on_numbers() {
    let (heap, _) = heap();
    let types = types(if cfg!(miri) { 40 } else { 400 });
    let look_up = |from: usize| {
        let turned = (0..types.len()).map(|at| (at + from) % types.len());
        let class =
            |at: usize| heap.registry().class(heap.space(), types[at], SizeClass::LARGE).expect("room");
        let mut found: Vec<(usize, SpanClassId)> = turned.map(|at| (at, class(at))).collect();
        found.sort_unstable();
        found
    };
    let look_up = &look_up;
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || look_up(thread * 13))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(heap.registry().count() as usize, types.len());
}

#[test]
fn a_full_class_table_is_an_error_value() {
    let (heap, _) = heap();
    let (space, registry) = (heap.space(), heap.registry());
    let most = space.max_classes() - 1;
    let types = types(most.div_ceil(SizeClass::COUNT));
    let made = types
        .iter()
        .flat_map(|&info| {
            (0..SizeClass::COUNT).filter_map(move |at| Some((info, SizeClass::from_index(at)?)))
        })
        .filter(|&(info, class)| registry.class(space, info, class).is_some())
        .count();
    assert_eq!(made, most);
    assert_eq!(registry.class(space, &crate::testing::NODE16, SizeClass::of_size(16)), None);
    let cache = crate::Cache::new(&heap);
    let error = crate::testing::try_alloc(&heap, &cache, &crate::testing::NODE16, 16, crate::Colour::A);
    assert_eq!(error.expect_err("no class left").obstacle, crate::Obstacle::Table);
}
