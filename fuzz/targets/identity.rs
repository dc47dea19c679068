#![no_main]

#[path = "../invariants/identity.rs"]
mod identity;

libfuzzer_sys::fuzz_target!(|input: &[u8]| identity::check(input));
