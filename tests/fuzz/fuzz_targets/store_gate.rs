//! Throws messages at `pixie_store::fuzzing::gate`, which says what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixie_store::fuzzing::gate(bytes));
