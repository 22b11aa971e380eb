//! Target `inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| greyset_fuzz::inputs::run(bytes));
