//! Target `heap_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| greyset_fuzz::heap_ops(bytes));
