//! A parameter that varies with the brand cannot have foreign bounds.

use greyset::{Lock, Static, Trace};

#[derive(Trace)]
struct Sorted<'gc, K: Ord> {
    keys: Lock<'gc, Vec<K>>,
}

#[derive(Trace)]
struct Shown<T>(T)
where
    T: std::fmt::Display;

#[derive(Trace)]
struct Fine<T: Ord + Send + Sync + 'static>(Static<T>);

fn main() {}
