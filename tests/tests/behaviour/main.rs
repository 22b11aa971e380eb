//! Behaviour of whole heaps: many of them, their ends, panics, limits, statistics.

mod budget;
mod callouts;
mod drop_panics;
mod ends;
mod events;
mod external;
mod finalizers;
mod forgotten;
mod fresh_slots;
mod limits;
mod many;
mod nests;
mod parking;
mod retain;
mod sizes;
mod soft_limit;
mod stats;
mod trace_panics;
