//! Handles: how safe code holds, follows and changes references.
//!
//! | type | for |
//! | --- | --- |
//! | [`Gc`] | a borrowed reference, valid until the next safepoint |
//! | `Slot` | a field that holds a reference and can be changed |
//! | `WordSlot` | a field that holds a one-word value (`Nan`, `Tagged` or another `Word`) and can be changed |
//! | `Lock` | any Rust data with references inside, that can be changed |
//! | `Array`, `Bytes`, `Str` | rows of elements, bytes, characters in one object |
//! | `Static` | data without references, of any type |
//! | `Ret` | what a function returns that may have passed a safepoint |
//! | `Erased` | an object of a type known at run time only |
//!
//! A plain `Gc` in an object never changes after allocation; every change goes through a `Slot`, a `WordSlot` or a `Lock`,
//! where the write barrier is.
//!
//! What this module never does: decide when to collect, or keep anything alive beyond a window; that is `roots/`.

// The other files of this folder join when `mutator/` is there.
mod gc;
mod lock_state;

pub use gc::Gc;
pub(crate) use lock_state::{Busy, LockState, Stamp};
