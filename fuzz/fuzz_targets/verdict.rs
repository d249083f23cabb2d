//! Target `verdict` with the engine; what it does stands in the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| watchglass_fuzz::policy::verdict(data));
