//! `#[derive(Trace)]`: being built.
