//! Target `threads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| greyset_sim::bytes::run(bytes));
