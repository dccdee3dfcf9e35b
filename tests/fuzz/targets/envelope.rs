//! Opens any bytes as an entry. The first line of the input, if it is a subject, is where they stand.
#![cfg_attr(feature = "libfuzzer", no_main)]

use bytes::Bytes;
use colony_core::cloudevents::entry_to_json;
use colony_core::envelope::open;
use colony_core::signature::Verifier;
use colony_core::{Position, Timestamp};

colony_fuzz::target!(|input| {
    let split = input.iter().position(|b| *b == b'\n').unwrap_or(0);
    let subject = match std::str::from_utf8(&input[..split]) {
        Ok(subject) if split > 0 => subject,
        _ => "colony.lab.ada.main.event.task.done._",
    };
    let payload = Bytes::copy_from_slice(&input[split..]);
    let (position, recorded) = (Position::new(1), Timestamp::from_nanos(1));
    if let Ok(entry) = open(position, recorded, subject, payload, &Verifier::default()) {
        let _ = entry_to_json(&entry);
    }
});
