//! Handles: how safe code holds, follows and changes references.
//!
//! | type | for |
//! | --- | --- |
//! | [`Gc`] | a borrowed reference, valid until the next safepoint |
//! | [`Slot`] | a field that holds a reference and can be changed |
//! | [`WordSlot`] | a field that holds a one-word value ([`Nan`], [`Tagged`] or another [`Word`]) and can be changed |
//! | [`Lock`] | any Rust data with references inside, that can be changed |
//! | [`Array`], [`Bytes`], [`Str`] | rows of elements, bytes, characters in one object |
//! | [`Static`] | data without references, of any type |
//! | [`Ret`] | what a function returns that may have passed a safepoint |
//! | [`Erased`] | an object of a type known at run time only |
//! | [`WeakMap`] | values that live as long as their keys |
//!
//! A plain `Gc` in an object never changes after allocation; every change goes through a `Slot`, a `WordSlot` or a `Lock`,
//! where the write barrier is.
//!
//! What this module never does: decide when to collect, or keep anything alive beyond a window; that is `roots/`.

mod array;
mod array_slots;
mod bytes;
mod charged;
mod gc;
mod leaf;
mod lock;
mod lock_state;
mod nan;
mod open;
mod project;
mod ret;
mod slot;
mod tagged;
mod weak_map;
mod weak_table;
mod word;

pub use array::Array;
pub use array_slots::ArraySlot;
pub use bytes::{Bytes, Str};
pub use charged::{Charged, Edit, OwnedBytes};
pub use gc::Gc;
pub use leaf::Static;
pub use lock::{Lock, LockGuard, ReadGuard};
pub(crate) use lock_state::{Busy, LockState, Stamp};
pub use nan::{Nan, NanView};
pub(crate) use open::Open;
pub use project::Erased;
pub use ret::Ret;
pub use slot::Slot;
pub use tagged::{Tagged, TaggedView};
pub use weak_map::WeakMap;
pub(crate) use weak_table::WeakTable;
pub use word::{Word, WordKey, WordSlot};
