//! Takes any bytes into a document as changes: as they are, as the content of a chunk whose checksum is good, and as real
//! changes with some bytes changed. What is taken in can be read, saved and opened again.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::document::{Change, Replica};
use colony_fuzz::{base, chunk, patched, someone_elses};

fn apply(bytes: &[u8]) {
    let Ok(changes) = Change::decode_all(bytes) else { return };
    let mut replica = base();
    if replica.apply(changes).is_err() {
        return;
    }
    let _ = replica.view().to_json();
    let again = Replica::load("0c".parse().expect("an actor"), &replica.save());
    assert_eq!(again.expect("what was saved can be opened").heads(), replica.heads());
}

colony_fuzz::target!(|input| {
    apply(input);
    if let Some((kind, content)) = input.split_first() {
        apply(&chunk(kind % 3, content));
        for change in someone_elses() {
            apply(&patched(&change, input));
        }
    }
});
