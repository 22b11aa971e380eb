//! What `#[derive(Trace)]` writes code with. Not for use by hand, and not covered by any promise of stability.

pub use crate::trace::{hash_site, mix};

/// Implemented for every type with `Drop`, and by the derive for the type it is on: so that the two conflict.
pub trait MustNotImplDrop {}

#[expect(drop_bounds, reason = "that is the point")]
impl<T: Drop> MustNotImplDrop for T {}

/// Compiles only for types in which no reference into the heap can hide, and which other threads may see.
pub const fn skipped_fields_are_static<T: ?Sized + Send + Sync + 'static>() {}
