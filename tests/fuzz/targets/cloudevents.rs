//! Reads any text as a CloudEvents object; what can be read comes back equal.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::cloudevents::{from_json, to_json};

colony_fuzz::target!(|input| {
    let Ok(input) = std::str::from_utf8(input) else { return };
    if let Ok(envelope) = from_json(input) {
        let line = to_json(&envelope).expect("what was read can be written");
        assert_eq!(from_json(&line).expect("and read again"), envelope);
    }
});
