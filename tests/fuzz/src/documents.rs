//! Documents to begin with, and bytes that get past a checksum.

use colony_core::Digest;
use colony_core::document::{Path, Replica, Value};

/// What a chunk of the document library begins with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// Where a chunk's kind stands, behind the checksum.
const KIND: usize = 8;

/// Makes a chunk with a good checksum of any content.
pub fn chunk(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &[0; 4], &[kind]].concat();
    let mut length = content.len();
    loop {
        let last = length < 0x80;
        bytes.push((length & 0x7f) as u8 | if last { 0 } else { 0x80 });
        length >>= 7;
        if last {
            break;
        }
    }
    bytes.extend_from_slice(content);
    summed(bytes)
}

/// Changes bytes of a chunk as the input says, three bytes of it for each, and makes the checksum good again.
pub fn patched(chunk: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = chunk.to_vec();
    for patch in input.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([patch[0], patch[1]])) % (bytes.len() - KIND);
        bytes[KIND + place] = patch[2];
    }
    summed(bytes)
}

fn summed(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes[KIND..]);
    bytes[4..KIND].copy_from_slice(&digest.as_bytes()[..4]);
    bytes
}

fn path(text: &str) -> Path {
    text.parse().expect("a path")
}

/// Makes a document with a text, a counter and a list; the same each time.
pub fn base() -> Replica {
    let mut replica = Replica::new("0b".parse().expect("an actor"));
    let time = "2026-01-31T12:00:00Z".parse().expect("a time");
    replica
        .edit(time, Some("begin"), |edit| {
            edit.set(&path("/text"), Value::Text("hello".into()))?;
            edit.set(&path("/title"), "notes")?;
            edit.set(&path("/count"), Value::Counter(1))
        })
        .expect("an edit");
    replica
}

/// Makes encoded changes by another actor that fit the document.
pub fn someone_elses() -> Vec<Vec<u8>> {
    let mut other = base().fork("0d".parse().expect("an actor"));
    let time = "2026-01-31T12:00:01Z".parse().expect("a time");
    let typed = other.edit(time, None, |edit| edit.splice_text(&path("/text"), 2, 1, "LL"));
    let set = other.edit(time, Some("why"), |edit| edit.set(&path("/title"), "more"));
    let changes = [typed.expect("an edit").1, set.expect("an edit").1];
    changes.into_iter().flatten().map(|change| change.encode().to_vec()).collect()
}
