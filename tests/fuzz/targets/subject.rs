//! Parses any text as a subject; what can be parsed is written as it was.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::Subject;

colony_fuzz::target!(|input| {
    let Ok(input) = std::str::from_utf8(input) else { return };
    if let Ok(subject) = Subject::parse(input) {
        assert!(subject.encode().map_or(input.len() > 2_048, |text| text == input));
    }
});
