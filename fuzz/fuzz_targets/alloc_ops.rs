//! Target `alloc_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| greyset_fuzz::alloc_ops::run(bytes));
