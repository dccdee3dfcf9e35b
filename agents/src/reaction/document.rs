//! Documents as a reaction reads and edits them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use colony_bus::document::{ChangeReason, DocumentCopy, change_entries};
use colony_bus::{Bus, DocumentError};
use colony_core::document::{Change, ChangeHash, Edit, EditError, Heads, View};
use colony_core::envelope::Envelope;
use colony_core::event::{Cause, Seen};
use colony_core::{DocumentName, Entry, EventId, Position, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Duration;

use super::{Output, Patience, Reaction, hops};
use crate::derived::{Origin, weight};
use crate::instance::lanes::partition_of_lane;

mod operation;

pub use operation::{DocumentOperation, OperationError};

/// Most copies of documents that a lane keeps from one reaction to the next.
const KEPT: usize = 8;
/// First pause after the log could not be read; each next one is twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a reaction has no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReactionDocumentError {
    /// It cannot be opened.
    #[error("the document {document} cannot be opened")]
    Open {
        /// Which one.
        document: DocumentName,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The instance is about to stop.
    #[error("the instance is about to stop")]
    Stopping,
}

/// A document in the hands of a handler: as it stood at the event that is reacted to, with everything in it that the lane's
/// earlier reactions have changed.
///
/// What is edited is stored with the reaction, or not at all, and nobody sees it before. Others may have changed the document since
/// the event: their changes merge with these, as always.
#[derive(Debug)]
pub struct ReactionDocument<'r> {
    opened: &'r mut Opened,
    time: Timestamp,
    message: &'r str,
}

impl ReactionDocument<'_> {
    /// Returns its name.
    pub fn name(&self) -> &DocumentName {
        self.opened.copy.name()
    }

    /// Reads it, with what this reaction has edited.
    pub fn view(&self) -> View<'_> {
        self.opened.copy.view()
    }

    /// Returns its version, with what this reaction has edited.
    pub fn heads(&self) -> Heads {
        self.opened.copy.heads()
    }

    /// Edits it. Everything that the closure does becomes one change.
    ///
    /// # Errors
    /// What the closure returns: nothing has changed then.
    pub fn edit<T>(
        &mut self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<T, EditError> {
        self.try_edit(edit)
    }

    /// Does all of some operations, as one change, or none.
    ///
    /// # Errors
    /// [`OperationError`], with the first one that cannot be done.
    pub fn apply(&mut self, operations: &[DocumentOperation]) -> Result<(), OperationError> {
        self.try_edit(|edit| {
            for (index, operation) in operations.iter().enumerate() {
                operation.apply(edit).map_err(|error| error.at(index))?;
            }
            Ok(())
        })
    }

    fn try_edit<T, E: From<EditError>>(
        &mut self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (value, change) = self.opened.copy.edit(self.time, self.message, edit)?;
        self.opened.changes.extend(change);
        Ok(value)
    }
}

impl Reaction {
    /// Opens a document, or begins it: to read it as it stood at the event, and to edit it as a part of this reaction.
    ///
    /// Waits until what the lane has done for earlier events is stored, and reads from the log what is new in the document. That
    /// time does not count against the handler's. A reaction that edits holds back the events after it until it is stored.
    ///
    /// # Errors
    /// [`ReactionDocumentError`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was edited.
    pub async fn document(
        &mut self,
        name: &DocumentName,
    ) -> Result<ReactionDocument<'_>, ReactionDocumentError> {
        let Self { documents, effects, cause, .. } = self;
        let index = match documents.opened.iter().position(|open| open.copy.name() == name) {
            Some(index) => index,
            None => {
                let opened = documents.open(name, &effects.patience).await?;
                documents.opened.push(opened);
                documents.opened.len() - 1
            }
        };
        let Some(opened) = documents.opened.get_mut(index) else {
            return Err(ReactionDocumentError::Stopping);
        };
        Ok(ReactionDocument { opened, time: cause.recorded, message: cause.event().id.as_str() })
    }
}

/// A document that the handler has opened.
#[derive(Debug)]
pub(super) struct Opened {
    copy: DocumentCopy,
    /// Its version when it was opened.
    before: Heads,
    changes: Vec<Change>,
}

/// What a lane says to a handler that asks for a document, once everything done before is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grounds {
    /// Where the lane ends.
    pub(crate) end: Position,
    /// Where the last change of a document stands that another instance has added to the lane.
    pub(crate) changed: Position,
}

/// A handler that waits for its lane to be settled.
pub(crate) type Asking = oneshot::Sender<Grounds>;

/// Who says what a lane holds.
#[derive(Debug)]
pub(crate) enum GroundSource {
    /// The lane's task.
    Lane(mpsc::Sender<Asking>),
    /// In a replay: it held then what stands at or before this position.
    Record(Position),
}

/// Copies of documents that are kept from one reaction to the next. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<BTreeMap<DocumentName, DocumentCopy>>>);

impl Desk {
    fn take(&self, name: &DocumentName) -> Option<DocumentCopy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Keeps a copy in which nothing is that is not stored.
    fn put(&self, copy: DocumentCopy) {
        let mut copies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if copies.len() >= KEPT {
            copies.pop_first();
        }
        copies.insert(copy.name().clone(), copy);
    }

    /// Keeps copies whose edits have been stored in a lane that now ends at a position.
    pub(crate) fn put_stored(&self, edited: Edited, end: Position) {
        for mut copy in edited.copies {
            copy.has_added(end);
            self.put(copy);
        }
    }
}

/// Copies of documents with edits that are not stored yet.
#[derive(Debug)]
pub(crate) struct Edited {
    /// What was known of the lane's changes of documents when they were made.
    pub(crate) changed: Position,
    copies: Vec<DocumentCopy>,
}

/// A handler's documents.
#[derive(Debug)]
pub(crate) struct Documents {
    bus: Bus,
    partition: u16,
    /// As they stood here.
    until: Position,
    source: GroundSource,
    desk: Desk,
    grounds: Option<Grounds>,
    opened: Vec<Opened>,
}

impl Documents {
    /// Makes the documents of a handler as they stand at a position.
    pub(crate) fn new(
        bus: Bus,
        partition: u16,
        until: Position,
        source: GroundSource,
        desk: Desk,
    ) -> Self {
        Self { bus, partition, until, source, desk, grounds: None, opened: Vec::new() }
    }

    async fn open(
        &mut self,
        name: &DocumentName,
        patience: &Patience,
    ) -> Result<Opened, ReactionDocumentError> {
        let _waiting = patience.wait();
        let grounds = match (&self.grounds, &self.source) {
            (Some(grounds), _) => grounds.clone(),
            (None, GroundSource::Record(end)) => Grounds { end: *end, changed: *end },
            (None, GroundSource::Lane(lane)) => {
                let (ask, answer) = oneshot::channel();
                lane.send(ask).await.map_err(|_| ReactionDocumentError::Stopping)?;
                answer.await.map_err(|_| ReactionDocumentError::Stopping)?
            }
        };
        self.grounds = Some(grounds.clone());
        let mut pause = PAUSE;
        loop {
            match self.copy(name, &grounds).await {
                Ok(copy) => {
                    return Ok(Opened { before: copy.heads(), copy, changes: Vec::new() });
                }
                Err(error) if error.is_retryable() => {
                    tracing::debug!(document = %name, %error, "the document cannot be read yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(source) => {
                    return Err(ReactionDocumentError::Open { document: name.clone(), source });
                }
            }
        }
    }

    async fn copy(
        &self,
        name: &DocumentName,
        grounds: &Grounds,
    ) -> Result<DocumentCopy, DocumentError> {
        let kept = self.desk.take(name).filter(|copy| copy.position() <= self.until);
        let new = kept.is_none();
        let mut copy = match kept {
            Some(copy) => copy,
            None => {
                let share = format!("{}/{}", self.bus.agent(), self.partition);
                let nonce = weight(&share, "documents");
                self.bus.document_copy(name, nonce, self.until).await?
            }
        };
        copy.advance(&self.bus, self.until).await?;
        if new || grounds.changed > copy.added() {
            let own = |address: &_| partition_of_lane(address) == Some(self.partition);
            copy.add(&self.bus, grounds.end, own).await?;
        }
        Ok(copy)
    }

    /// Tells, in what is said, which versions of documents were seen, and adds their changes. Returns the copies with
    /// edits, if there are any; `None` if a document's changes are too large to be stored.
    pub(super) fn conclude(
        self,
        origin: &Origin,
        cause: &Entry,
        hops: u32,
        outputs: &mut Vec<Output>,
    ) -> Option<Option<Edited>> {
        let seen: Vec<Seen> = self.opened.iter().map(Opened::seen).collect();
        let mut index = 0;
        let mut new_id = || -> EventId {
            index += 1;
            origin.entry_id("document", index)
        };
        let mut copies = Vec::new();
        for opened in self.opened {
            if opened.changes.is_empty() {
                self.desk.put(opened.copy);
                continue;
            }
            let event = cause.event();
            let reason = ChangeReason {
                cause: Cause {
                    author: event.author.clone(),
                    id: event.id.clone(),
                    position: Some(cause.position),
                },
                correlation: event.correlation.clone().unwrap_or_else(|| event.id.clone()),
                time: cause.recorded.into(),
            };
            let (name, changes) = (opened.copy.name(), opened.changes.iter());
            let entries = change_entries(origin.agent(), name, changes, reason, &mut new_id)?;
            outputs.extend(entries.into_iter().map(|(kind, mut envelope)| {
                hops::count(&mut envelope.event, hops);
                (kind, envelope)
            }));
            copies.push(opened.copy);
        }
        for (_, Envelope { event, .. }) in outputs.iter_mut() {
            event.seen.extend(seen.iter().cloned());
        }
        let changed = self.grounds.map_or(Position::ZERO, |grounds| grounds.changed);
        Some((!copies.is_empty()).then_some(Edited { changed, copies }))
    }
}

impl Opened {
    fn seen(&self) -> Seen {
        let heads = self.before.iter().map(|hash: ChangeHash| *hash.as_bytes()).collect();
        Seen { document: self.copy.name().clone(), heads }
    }
}
