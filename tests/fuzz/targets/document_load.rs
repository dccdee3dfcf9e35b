//! Opens any bytes as a saved document: as they are, as the content of a chunk whose checksum is good, and as a real
//! document with some bytes changed.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::document::Replica;
use colony_fuzz::{base, chunk, patched};

fn load(bytes: &[u8]) {
    if let Ok(replica) = Replica::load("0a".parse().expect("an actor"), bytes) {
        let _ = replica.view().to_json();
        let _ = replica.save();
    }
}

colony_fuzz::target!(|input| {
    load(input);
    if let Some((kind, content)) = input.split_first() {
        load(&chunk(kind % 3, content));
        load(&patched(&base().save(), input));
    }
});
