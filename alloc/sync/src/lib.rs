//! alloc/sync: being built.
