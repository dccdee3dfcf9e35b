//! Decodes any bytes as a stored snapshot.
#![cfg_attr(feature = "libfuzzer", no_main)]

use bytes::Bytes;
use colony_core::envelope::SnapshotRecord;

colony_fuzz::target!(|input| {
    let _ = SnapshotRecord::decode(Bytes::copy_from_slice(input));
});
