#![no_main]

#[path = "../invariants/json_walk.rs"]
mod json_walk;

libfuzzer_sys::fuzz_target!(|input: &[u8]| json_walk::check(input));
