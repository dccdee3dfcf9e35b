//! Reads any text as a CloudEvents object; what can be read comes back equal.
#![no_main]

use colony_core::cloudevents::{from_json, to_json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(envelope) = from_json(input) {
        let line = to_json(&envelope).expect("what was read can be written");
        assert_eq!(from_json(&line).expect("and read again"), envelope);
    }
});
