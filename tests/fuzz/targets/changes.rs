//! Decodes any bytes as the changes of a document.
#![cfg_attr(feature = "libfuzzer", no_main)]

use bytes::Bytes;
use colony_core::envelope::decode_changes;

colony_fuzz::target!(|input| {
    let _ = decode_changes(Bytes::copy_from_slice(input));
});
