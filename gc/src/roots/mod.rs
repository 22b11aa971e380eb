//! Handles that outlive windows: [`Root`] keeps its object alive, [`Weak`] does not.
//!
//! Both are entries in tables of the heap (`table`), so that they can be created, cloned and dropped on any thread. A root
//! drop has no barrier and clears nothing: the entry is listed and stays a root until it is freed at Prepare, before the
//! flip, or under the cycle lock while the phase is Idle.

mod broken;
mod root;
mod table;
mod weak;

pub use root::Root;
pub(crate) use table::{EntryRef, EntryTable};
pub use weak::Weak;
