//! Decodes any bytes as a stored snapshot.
#![no_main]

use bytes::Bytes;
use colony_core::envelope::SnapshotRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = SnapshotRecord::decode(Bytes::copy_from_slice(input));
});
