#![no_main]

#[path = "../invariants/procedure.rs"]
mod procedure;

libfuzzer_sys::fuzz_target!(|input: &[u8]| procedure::check(input));
