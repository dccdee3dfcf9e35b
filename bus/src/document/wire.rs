//! Changes as entries, and back.

use bytes::Bytes;
use colony_core::chunk::{Reassembler, split};
use colony_core::document::Change;
use colony_core::envelope::{decode_changes, encode_changes};
use colony_core::event::{Cause, EventTime};
use colony_core::subject::{Address, Kind};
use colony_core::{
    AgentName, Data, DocumentName, EntityName, Entry, Envelope, Event, EventId, EventType,
};

/// Media type of an entry's changes.
pub(super) const CHANGES: &str = "application/vnd.colony.changes";
/// Media type of a snapshot.
pub(super) const SNAPSHOT: &str = "application/vnd.colony.snapshot";
/// Most bytes of incomplete sets of pieces that a reader holds.
const INCOMPLETE_BYTES: usize = 128 * 1024 * 1024;

/// Why something was written: what its entry says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) cause: Option<Cause>,
    pub(super) correlation: Option<EventId>,
}

/// What an entry of a document is made of, beside its data.
pub(super) struct Heading<'a> {
    pub(super) author: &'a AgentName,
    pub(super) document: &'a DocumentName,
    pub(super) ty: &'static str,
    pub(super) content_type: &'static str,
    pub(super) time: EventTime,
    pub(super) reason: Reason,
}

impl Heading<'_> {
    /// Makes the envelopes of a value: one, or one for each piece. `None` if it is too large even in pieces.
    pub(super) fn envelopes(
        &self,
        value: Bytes,
        mut new_id: impl FnMut() -> EventId,
    ) -> Option<Vec<Envelope>> {
        let pieces = split(value).ok()?;
        let envelope = |data, part| {
            let mut event = Event::new(self.author.clone(), new_id(), event_type(self.ty));
            event.entity = Some(entity_of(self.document));
            event.time = Some(self.time.clone());
            event.data =
                Data::Binary { bytes: data, content_type: Some(self.content_type.to_owned()) };
            event.cause = self.reason.cause.clone();
            event.correlation = self.reason.correlation.clone();
            Envelope { part, ..Envelope::from(event) }
        };
        let mut envelope = envelope;
        Some(pieces.into_iter().map(|piece| envelope(piece.data, piece.part)).collect())
    }
}

/// Encodes changes for an entry.
pub(super) fn changes_value(changes: impl IntoIterator<Item = Bytes>) -> Bytes {
    encode_changes(changes)
}

fn event_type(text: &'static str) -> EventType {
    #[expect(clippy::unwrap_used, reason = "only called with the constants of this crate")]
    text.parse().unwrap()
}

/// Returns a document's name as an entity's: the two allow the same.
pub(super) fn entity_of(document: &DocumentName) -> EntityName {
    #[expect(clippy::unwrap_used, reason = "a document's name and an entity's allow the same")]
    document.as_str().parse().unwrap()
}

/// What an entry brought.
#[derive(Debug)]
pub(super) enum Brought {
    /// Changes, each well formed.
    Changes(Vec<Change>),
    /// Part of something larger.
    Piece,
    /// Nothing that can be used.
    Malformed,
}

/// Reads changes from a document's entries, in log order.
#[derive(Debug)]
pub(super) struct Unpacker {
    pieces: Reassembler,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { pieces: Reassembler::new(INCOMPLETE_BYTES) }
    }

    /// Reads the changes of an entry. A change that is malformed is left out, and the rest of its entry with it.
    pub(super) fn unpack(&mut self, entry: Entry) -> Brought {
        let position = entry.position;
        let value = match self.value(entry) {
            Ok(Some(value)) => value,
            Ok(None) => return Brought::Piece,
            Err(()) => return Brought::Malformed,
        };
        let Ok(encoded) = decode_changes(value) else {
            tracing::warn!(%position, "an entry of the document holds no changes");
            return Brought::Malformed;
        };
        let mut changes = Vec::with_capacity(encoded.len());
        for bytes in encoded {
            match Change::decode(&bytes) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    tracing::warn!(%position, %error, "a change of the document is malformed");
                    return Brought::Malformed;
                }
            }
        }
        Brought::Changes(changes)
    }

    /// Returns the whole value of an entry or of the set of pieces that it completes.
    pub(super) fn value(&mut self, entry: Entry) -> Result<Option<Bytes>, ()> {
        let Entry { position, address, envelope, .. } = entry;
        let Data::Binary { bytes, .. } = envelope.event.data else {
            tracing::warn!(%position, "an entry of the document holds no bytes");
            return Err(());
        };
        let (Some(part), Address::Lane { lane, kind }) = (envelope.part, address) else {
            return Ok(Some(bytes));
        };
        let key = match &kind {
            Kind::Document(name) | Kind::Snapshot(name) => name.as_str(),
            Kind::Event { .. } | Kind::Mail { .. } | Kind::Effect(_) | Kind::Cursor => "",
        };
        let step = self.pieces.push(&lane, key, part, bytes);
        for fault in step.faults {
            tracing::warn!(%position, ?fault, "pieces of a value are left out");
        }
        Ok(step.whole)
    }
}
