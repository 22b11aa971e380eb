//! What handles offer beside fields: comparison, projection, views, erased types, arrays.

#![forbid(unsafe_code)]
#![deny(warnings)]

use greyset::{Gc, Heap, Trace, unsize};
use std::collections::{BTreeSet, HashSet};

trait Named<'gc>: Trace<'gc> {
    fn name(&self) -> String;
}

#[derive(Trace)]
struct Person<'gc> {
    name: String,
    age: u32,
    friend: Option<Gc<'gc, Person<'gc>>>,
}

impl<'gc> Named<'gc> for Person<'gc> {
    fn name(&self) -> String {
        self.name.clone()
    }
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.mutator().enter(|m| {
        let m = &*m;
        let a = m.alloc(Person { name: "a".into(), age: 7, friend: None });
        let b = m.alloc(Person { name: "b".into(), age: 8, friend: Some(a) });

        let named: Gc<dyn Named> = unsize!(b => dyn Named<'_>);
        assert_eq!(named.name(), "b");
        let again = named.downcast::<Person<'static>>(m).unwrap();
        assert!(Gc::ptr_eq(again, b) && Gc::ptr_eq(again.friend.unwrap(), a));

        let age: Gc<u32> = b.project(|person| &person.age);
        assert_eq!(*age, 8);
        let outer_age = b.friend.unwrap().project(|person| &person.age);
        assert!(outer_age < age && !Gc::ptr_eq(age, outer_age));

        let (x, y) = (m.alloc_str("same"), m.alloc_str("same"));
        assert!(x == y && !Gc::ptr_eq(x, y) && format!("{x} {y:?}") == "same \"same\"");
        assert_eq!(HashSet::from([x, y]).len(), 1);
        assert_eq!(BTreeSet::from([x, y]).len(), 1);

        let numbers = m.alloc_slice(&[3, 1, 2]);
        assert_eq!(numbers.iter().sum::<i32>() + numbers[1] + *numbers.wide().project(|all| &all[2]), 9);
        assert_eq!(numbers.into_iter().max(), Some(&3));
    });
}
