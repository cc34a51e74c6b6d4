//! Throws bytes at `pixie_pool::fuzzing::conversation`, which says what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixie_pool::fuzzing::conversation(bytes));
