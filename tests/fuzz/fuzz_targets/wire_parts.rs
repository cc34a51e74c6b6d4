//! Throws bytes at `pixie_web::fuzzing::wire_parts`, which says what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixie_web::fuzzing::wire_parts(bytes));
