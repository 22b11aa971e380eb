//! alloc: being built.
