//! Reads any bytes as the checkpoint of a projection.
#![no_main]

use colony_core::replay::{Checkpoint, Fold, Stories};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::decode(input) {
        let _ = Fold::resume(Stories, "lab@1", &checkpoint);
    }
});
