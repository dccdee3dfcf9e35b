//! Reads any bytes as a capture, and any bytes as the content of a block whose hashes are good.
#![cfg_attr(feature = "libfuzzer", no_main)]

use colony_core::Digest;
use colony_core::capture::CaptureReader;

const HEADER: &[u8] = br#"{"space":"lab","log":"l","server":"s","after":0,"through":99,"created":"2026-01-31T12:00:00Z"}"#;

fn read(bytes: &[u8]) {
    if let Ok(reader) = CaptureReader::stream(bytes) {
        reader.for_each(drop);
    }
}

colony_fuzz::target!(|input| {
    read(input);
    let Some((raw, block)) = input.split_first_chunk::<4>() else { return };
    let mut bytes = b"\x89colony\n\0\0\0\x01".to_vec();
    let hash = |bytes: &mut Vec<u8>| {
        let digest = Digest::of(bytes);
        bytes.extend_from_slice(digest.as_bytes());
    };
    bytes.extend_from_slice(&(HEADER.len() as u32).to_be_bytes());
    bytes.extend_from_slice(HEADER);
    hash(&mut bytes);
    bytes.extend_from_slice(&(block.len() as u32).to_be_bytes());
    bytes.extend_from_slice(raw);
    bytes.extend_from_slice(block);
    hash(&mut bytes);
    read(&bytes);
});
