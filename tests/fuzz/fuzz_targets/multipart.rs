//! Throws bytes at `pixie_core::fuzzing::multipart`, which says what must be true.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pixie_core::fuzzing::multipart(bytes));
