//! Decodes any bytes as the changes of a document.
#![no_main]

use bytes::Bytes;
use colony_core::envelope::decode_changes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = decode_changes(Bytes::copy_from_slice(input));
});
