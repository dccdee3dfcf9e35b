//! Reads any bytes as the checkpoint of a projection.
#![no_main]

use colony_core::replay::{Checkpoint, Fold, Overview, Stories};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::decode(input.to_vec()) {
        let _ = Fold::resume(Stories, "lab@1", &checkpoint);
        if let Ok(fold) = Fold::resume(Overview, "lab@1", &checkpoint) {
            let _ = fold.state().entities.newest(10);
        }
    }
});
