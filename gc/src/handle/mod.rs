//! Handles: how safe code holds, follows and changes references.
//!
//! | type | for |
//! | --- | --- |
//! | [`Gc`] | a borrowed reference, valid until the next safepoint |
//!
//! What this module never does: decide when to collect, or keep anything alive beyond a window; that is `roots/`.

mod gc;
mod lock_state;

pub use gc::Gc;
pub(crate) use lock_state::{LockState, Stamp};
