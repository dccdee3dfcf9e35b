//! A copy of a document as the log holds it, for edits that are stored together with something else or not at all.
//!
//! A reaction edits one: what it changes reaches nobody, not even the replica that this process shows, before the reaction is
//! stored. A copy knows of what is stored only, so nothing that it changes can depend on what may never be.

use colony_core::document::{Change, Edit, EditError, Heads, Replica, View};
use colony_core::event::{Cause, EventTime};
use colony_core::{
    Address, AgentName, DocumentName, Entry, EntryKind, Envelope, EventId, Filter, Kind, Position,
};
use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::actor::new_actor;
use super::error::DocumentError;
use super::publisher::CHANGED;
use super::snapshot;
use super::wire::{Brought, CHANGES, Heading, Reason, Unpacker, changes_value};
use crate::bus::Bus;
use crate::query::{Cut, EntryError, Query};

/// A copy of a document: everything stored at or before a position, and what some lanes of one author have added since.
///
/// Nothing comes in by itself, and nothing goes out.
#[derive(Debug)]
pub struct DocumentCopy {
    name: DocumentName,
    replica: Replica,
    /// Everything at or before this position is in it.
    position: Position,
    /// So is what the lanes added up to here.
    added: Position,
    /// Pieces of what began at or before the position.
    unpacker: Unpacker,
}

impl DocumentCopy {
    /// Makes a copy of what is stored at or before a position. Its edits are those of an actor that is made of the agent and the
    /// nonce: nobody else may ever make the same, and whoever makes it again has to know all that it has written.
    pub(super) async fn open(
        bus: &Bus,
        name: &DocumentName,
        nonce: u64,
        until: Position,
    ) -> Result<Self, DocumentError> {
        let actor = new_actor(bus.agent(), nonce);
        // What was stored as a snapshot by then holds nothing that came later.
        let (replica, position) = match snapshot::newest(bus, name, until, &actor).await? {
            Some((replica, position, _)) => (replica, position),
            None => (Replica::new(actor), Position::ZERO),
        };
        let (name, unpacker) = (name.clone(), Unpacker::new());
        let mut copy = Self { name, replica, position, added: Position::ZERO, unpacker };
        copy.advance(bus, until).await?;
        Ok(copy)
    }

    /// Returns the document's name.
    pub fn name(&self) -> &DocumentName {
        &self.name
    }

    /// Returns the position up to which everything is in it.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns up to where it has what the lanes added.
    pub fn added(&self) -> Position {
        self.added
    }

    /// Notes that it has what the lanes added up to a position: because its own edits are what was added.
    pub fn has_added(&mut self, until: Position) {
        self.added = self.added.max(until);
    }

    /// Takes in what is stored up to a position.
    ///
    /// # Errors
    /// [`DocumentError::Log`], [`DocumentError::Broken`].
    pub async fn advance(&mut self, bus: &Bus, until: Position) -> Result<(), DocumentError> {
        if until <= self.position {
            return Ok(());
        }
        let filter = Filter::document(self.name.clone());
        // One question, where nothing is new.
        if let [subject] = filter.subjects(bus.space()).as_slice() {
            let last = bus.log().last(subject).await?.map_or(Position::ZERO, |last| last.position);
            if last <= self.position {
                self.position = until;
                return Ok(());
            }
        }
        let mut unpacker = std::mem::replace(&mut self.unpacker, Unpacker::new());
        self.take(bus, filter, self.position, until, &mut unpacker, |_| true).await?;
        (self.unpacker, self.position) = (unpacker, until);
        Ok(())
    }

    /// Takes in what some lanes of the bus' own agent have added up to a position.
    ///
    /// # Errors
    /// [`DocumentError::Log`], [`DocumentError::Broken`].
    pub async fn add(
        &mut self,
        bus: &Bus,
        until: Position,
        lanes: impl Fn(&Address) -> bool,
    ) -> Result<(), DocumentError> {
        let after = self.position.max(self.added);
        if until > after {
            let filter = Filter {
                kinds: [EntryKind::Document].into(),
                authors: [bus.agent().clone()].into(),
                documents: [self.name.clone()].into(),
                ..Filter::default()
            };
            let wanted = |entry: &Entry| lanes(&entry.address);
            self.take(bus, filter, after, until, &mut Unpacker::new(), wanted).await?;
        }
        self.added = self.added.max(until);
        Ok(())
    }

    async fn take(
        &mut self,
        bus: &Bus,
        filter: Filter,
        after: Position,
        until: Position,
        unpacker: &mut Unpacker,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<(), DocumentError> {
        let (after, until) = (Some(Cut::Position(after)), Some(Cut::Position(until)));
        let mut entries = bus.read(Query { filter, after, until, ..Query::default() }).await?;
        while let Some(entry) = entries.next().await {
            let entry = match entry {
                Ok(entry) => entry,
                Err(EntryError::Read(error)) => return Err(error.into()),
                Err(EntryError::Unreadable { .. }) => continue,
            };
            if !wanted(&entry) {
                continue;
            }
            if let Brought::Changes(changes) = unpacker.unpack(entry)
                && self.replica.apply(changes).is_err()
            {
                return Err(DocumentError::Broken);
            }
        }
        Ok(())
    }

    /// Returns the version.
    pub fn heads(&self) -> Heads {
        self.replica.heads()
    }

    /// Reads it, with the edits made.
    pub fn view(&self) -> View<'_> {
        self.replica.view()
    }

    /// Edits it. Everything that the closure does becomes one change; `None` if it changes nothing.
    ///
    /// # Errors
    /// What the closure returns: nothing has changed then.
    pub fn edit<T, E: From<EditError>>(
        &mut self,
        time: colony_core::Timestamp,
        message: &str,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
    ) -> Result<(T, Option<Change>), E> {
        let nanos = i128::from(time.as_nanos());
        let time = Timestamp::from_nanosecond(nanos).unwrap_or(Timestamp::UNIX_EPOCH);
        self.replica.try_edit(None, time, Some(message), edit)
    }
}

/// Why changes are stored, as their entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReason {
    /// The entry that is reacted to.
    pub cause: Cause,
    /// The id of the event that began the story.
    pub correlation: EventId,
    /// When the changes were made.
    pub time: EventTime,
}

/// Makes the entries that carry changes of a document: one, or one for each piece of what is too large for one. They are to
/// be stored together, next to each other. `None` if it is too large even in pieces.
pub fn change_entries<'a>(
    author: &AgentName,
    document: &DocumentName,
    changes: impl IntoIterator<Item = &'a Change>,
    reason: ChangeReason,
    new_id: impl FnMut() -> EventId,
) -> Option<Vec<(Kind, Envelope)>> {
    let ChangeReason { cause, correlation, time } = reason;
    let reason = Reason { cause: Some(cause), correlation: Some(correlation) };
    let (ty, content_type) = (CHANGED, CHANGES);
    let heading = Heading { author, document, ty, content_type, time, reason };
    let value = changes_value(changes.into_iter().map(|change| change.encode()));
    let envelopes = heading.envelopes(value, new_id)?;
    Some(envelopes.into_iter().map(|e| (Kind::Document(document.clone()), e)).collect())
}
