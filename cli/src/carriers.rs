//! Which entry of the log carries which change of a document.

use std::collections::BTreeMap;

use colony_bus::{Bus, EntryError, Query};
use colony_core::chunk::Reassembler;
use colony_core::document::{Change, ChangeHash};
use colony_core::envelope::decode_changes;
use colony_core::replay::EntryKey;
use colony_core::subject::{Address, Kind};
use colony_core::{Data, DocumentName, Entry, Filter, Position};
use futures_util::StreamExt as _;

use crate::failure::Failure;

/// Most bytes of incomplete pieces held.
const INCOMPLETE_BYTES: usize = 128 * 1_024 * 1_024;

/// The entry that carries a change.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    pub(crate) position: Position,
    pub(crate) key: EntryKey,
}

/// Reads the changes of a document and tells where each stands first.
pub(crate) async fn of(
    bus: &Bus,
    name: &DocumentName,
) -> Result<BTreeMap<ChangeHash, Carrier>, Failure> {
    let query = Query { filter: Filter::document(name.clone()), ..Query::default() };
    let mut entries = bus.read(query).await?;
    let mut pieces = Reassembler::new(INCOMPLETE_BYTES);
    let mut carriers = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Unreadable { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let carrier = Carrier {
            position: entry.position,
            key: EntryKey { author: entry.event().author.clone(), id: entry.event().id.clone() },
        };
        let Some(changes) = whole(&mut pieces, entry).and_then(|bytes| decode_changes(bytes).ok())
        else {
            continue;
        };
        for change in changes.iter().filter_map(|bytes| Change::decode(bytes).ok()) {
            carriers.entry(change.hash()).or_insert_with(|| carrier.clone());
        }
    }
    Ok(carriers)
}

fn whole(pieces: &mut Reassembler, entry: Entry) -> Option<bytes::Bytes> {
    let Data::Binary { bytes, .. } = entry.envelope.event.data else { return None };
    let Some(part) = entry.envelope.part else { return Some(bytes) };
    match &entry.address {
        Address::Lane { lane, kind: Kind::Document(name) } => {
            pieces.push(lane, name.as_str(), part, bytes).whole
        }
        Address::Lane { .. } | Address::Head { .. } => None,
    }
}
