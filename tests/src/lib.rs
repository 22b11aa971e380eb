//! Black-box tests of greyset, by behaviour. The tests are in `tests/`; here are only the documents whose code is tested.

/// docs/EMBEDDING.md: its programs are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/EMBEDDING.md")]
pub mod embedding {}
