#![no_main]

#[path = "../invariants/legacy.rs"]
mod legacy;

libfuzzer_sys::fuzz_target!(|input: &[u8]| legacy::check(input));
