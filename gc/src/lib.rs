//! gc: being built.
