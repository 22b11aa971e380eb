//! fuzz: being built.
