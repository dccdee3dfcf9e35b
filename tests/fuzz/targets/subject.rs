//! Parses any text as a subject; what can be parsed is written as it was.
#![no_main]

use colony_core::Subject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(subject) = Subject::parse(input) {
        assert!(subject.encode().map_or(input.len() > 2_048, |text| text == input));
    }
});
