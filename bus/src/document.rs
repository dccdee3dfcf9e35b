//! Shared documents: open, edit, read, watch.
//!
//! A [`Document`] is a handle of a replica that follows the log. Reading and editing never ask a server: what others
//! change comes in by itself, and what is edited here goes out by itself. [`Edited::durable`] and [`Document::flush`] say
//! when it is stored.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use colony_core::document::{ChangeHash, Edit, EditError, Heads, Replica};
use colony_core::event::Cause;
use colony_core::{DocumentName, Entry, EventId, Position, Timestamp};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;

use crate::lane::WriteError;
use crate::log::Range;

mod actor;
mod budget;
mod copy;
mod core;
mod error;
mod follower;
mod open;
mod overlapped;
mod own;
mod past;
mod publisher;
mod recent;
mod repair;
mod snapshot;
mod state;
mod watch;
mod wire;

pub use actor::agent_of;
pub use copy::{ChangeReason, DocumentCopy, change_entries};
pub use error::DocumentError;
pub use past::{DocumentSummary, Moment, Past};
pub use repair::Check;
pub use watch::{Update, Watch};

pub(crate) use open::Registry;
pub(crate) use past::{exists, list};

use self::core::{Core, OUTGOING_BYTES};
use open::Open;
use state::Outgoing;
use wire::Reason;

/// Room that an edit takes in the queue before its size is known, in bytes.
const EDIT_BYTES: u32 = 1_024;

/// A handle of an open document. Cheap to clone; the document closes with the last one.
///
/// What was edited is still sent after that, as long as the runtime lives; [`Document::flush`] waits for it.
#[derive(Debug, Clone)]
pub struct Document {
    open: Arc<Open>,
}

/// How an edit is made.
#[derive(Debug, Clone, Default)]
pub struct EditOptions {
    /// The version to edit. Default: the newest.
    pub at: Option<Heads>,
    /// The event that the edit reacts to. The change's message is its id.
    pub cause: Option<Cause>,
    /// The id of the event that began the story.
    pub correlation: Option<EventId>,
    /// What the change says of itself. Default: the id of the cause.
    pub message: Option<String>,
    /// When the edit was made; changes keep whole seconds. Default: now.
    pub time: Option<Timestamp>,
}

impl EditOptions {
    /// Makes the edit a reaction to an entry: its cause, in the same story.
    pub fn because_of(entry: &Entry) -> Self {
        let event = entry.event();
        let (author, id) = (event.author.clone(), event.id.clone());
        Self {
            cause: Some(Cause { author, id, position: Some(entry.position) }),
            correlation: Some(event.correlation.clone().unwrap_or_else(|| event.id.clone())),
            ..Self::default()
        }
    }

    /// Edits an older version.
    pub fn at(self, heads: Heads) -> Self {
        Self { at: Some(heads), ..self }
    }
}

/// An edit that was made here and is on its way.
#[must_use = "the edit is durable only when its ticket has resolved"]
#[derive(Debug)]
pub struct Edited<T> {
    /// What the closure returned.
    pub value: T,
    /// The change; `None` if the edit changed nothing.
    pub change: Option<ChangeHash>,
    /// Resolves when the change is durable.
    pub durable: DurableEdit,
}

/// Resolves when an edit is durable, with the position of the entry that carries it.
///
/// An error with an unknown outcome, or one that is retryable, means that the change is sent again; others, that
/// it waits for [`Document::flush`]. Dropping the ticket changes nothing.
#[must_use = "the edit is durable only when its ticket has resolved"]
#[derive(Debug)]
pub struct DurableEdit(Ticket);

#[derive(Debug)]
enum Ticket {
    /// Nothing was changed.
    Nothing(Position),
    Waiting(oneshot::Receiver<Result<Position, WriteError>>),
}

impl Future for DurableEdit {
    type Output = Result<Position, WriteError>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ticket::Nothing(position) => Poll::Ready(Ok(*position)),
            Ticket::Waiting(answer) => {
                Pin::new(answer).poll(cx).map(|answer| answer.unwrap_or(Err(WriteError::Closed)))
            }
        }
    }
}

/// How a document is doing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct DocumentStatus {
    /// Changes in the replica.
    pub changes: u64,
    /// Its version.
    pub heads: Heads,
    /// The log position up to which the replica has followed.
    pub position: Position,
    /// Changes that wait for others they depend on.
    pub parked: usize,
    /// Changes that others depend on and that have not come, as hexadecimal hashes.
    pub missing: Vec<String>,
    /// Changes that came in and are not applied yet.
    pub queued: usize,
    /// Changes that are kept out of the replica: see [`Bus::document_held`](crate::Bus::document_held).
    pub held: usize,
    /// Changes made here that are not durable yet.
    pub unsent: u64,
    /// Why nothing is sent, if so.
    pub fault: Option<String>,
    /// Whether others' changes still come in.
    pub following: bool,
    /// How often changes were applied together.
    pub applied_batches: u64,
    /// Changes of others given to the replica.
    pub applied_changes: u64,
    /// Time spent applying.
    pub applying: Duration,
    /// Entries sent.
    pub entries_sent: u64,
    /// Changes sent in them.
    pub changes_sent: u64,
    /// Changes that will never be part of the document.
    pub refused: u64,
    /// Entries that could not be read.
    pub malformed: u64,
    /// Overlaps that were found and told.
    pub overlaps: u64,
    /// Changes not searched for overlaps, because too many came at once.
    pub overlaps_unsearched: u64,
}

impl Document {
    /// Returns the document's name.
    pub fn name(&self) -> &DocumentName {
        &self.open.core.name
    }

    /// Reads the replica with everything applied that has come in. Never asks a server.
    ///
    /// The closure runs under the replica's lock: it must not wait for anything.
    ///
    /// # Errors
    /// [`DocumentError::Broken`].
    pub fn read<T>(&self, read: impl FnOnce(&Replica) -> T) -> Result<T, DocumentError> {
        let mut state = self.open.core.lock();
        state.apply_all();
        match &state.end {
            Some(end @ state::End::Broken) => Err(end.error()),
            Some(state::End::Unfollowed(_)) | None => Ok(read(&state.replica)),
        }
    }

    /// Edits the newest version. Everything that the closure does becomes one change.
    ///
    /// # Errors
    /// As [`Document::edit_with`].
    ///
    /// # Cancel safety
    /// As [`Document::edit_with`].
    pub async fn edit<T>(
        &self,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<Edited<T>, DocumentError> {
        self.edit_with(EditOptions::default(), edit).await
    }

    /// Edits. Waits only while too much is on its way to the log; the closure runs under the replica's lock.
    ///
    /// # Errors
    /// [`DocumentError::Edit`] with what the closure returned: nothing has changed. [`DocumentError::Unsent`] while
    /// earlier edits cannot be sent; [`DocumentError::Broken`], [`DocumentError::Unfollowed`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was edited.
    pub async fn edit_with<T>(
        &self,
        options: EditOptions,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, EditError>,
    ) -> Result<Edited<T>, DocumentError> {
        let core = &self.open.core;
        let EditOptions { at, cause, correlation, message, time } = options;
        let time = time.map_or_else(jiff::Timestamp::now, |time| {
            let nanos = i128::from(time.as_nanos());
            jiff::Timestamp::from_nanosecond(nanos).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        });
        let message = message.or_else(|| cause.as_ref().map(|cause| cause.id.to_string()));
        let room = Arc::clone(&core.room).acquire_many_owned(EDIT_BYTES).await;
        let mut room = room.map_err(|_| WriteError::Closed)?;
        let (answer, ticket) = oneshot::channel();
        let (value, hash, position) = {
            let mut state = core.lock();
            if let Some(fault) = &state.fault
                && !publisher::may_pass(fault)
            {
                return Err(DocumentError::Unsent(fault.clone()));
            }
            let (value, change) = state.edit(at.as_ref(), time, message.as_deref(), edit)?;
            let hash = change.as_ref().map(|change| change.hash());
            if let Some(change) = change {
                let bytes = change.encode();
                fit(&mut room, &core.room, bytes.len());
                let reason = Reason { cause, correlation };
                let (answer, _room) = (Some(answer), Some(room));
                state.send(Outgoing { bytes, reason, answer, _room });
            }
            (value, hash, state.position)
        };
        if hash.is_none() {
            return Ok(Edited {
                value,
                change: None,
                durable: DurableEdit(Ticket::Nothing(position)),
            });
        }
        core.work.notify_one();
        Ok(Edited { value, change: hash, durable: DurableEdit(Ticket::Waiting(ticket)) })
    }

    /// Returns the newest version, with everything applied that has come in.
    pub fn heads(&self) -> Heads {
        let mut state = self.open.core.lock();
        state.apply_all();
        state.replica.heads()
    }

    /// Returns the log position up to which the replica has followed.
    pub fn position(&self) -> Position {
        let mut state = self.open.core.lock();
        state.apply_all();
        state.position
    }

    /// Watches the document: what it holds now, then what changes.
    pub fn watch(&self) -> Watch {
        watch::watch(&self.open, true)
    }

    /// Watches versions and changes, without patches: costs nothing that grows with the document.
    pub fn watch_heads(&self) -> Watch {
        watch::watch(&self.open, false)
    }

    /// Waits until a change has come in.
    ///
    /// # Errors
    /// [`DocumentError::Broken`], [`DocumentError::Unfollowed`].
    pub async fn until_seen(&self, change: &ChangeHash) -> Result<(), DocumentError> {
        self.until(|state| state.has(change)).await
    }

    /// Waits until everything at or before a position of the log has come in.
    ///
    /// # Errors
    /// [`DocumentError::Log`]; [`DocumentError::Broken`], [`DocumentError::Unfollowed`].
    pub async fn until_position(&self, position: Position) -> Result<(), DocumentError> {
        let core = &self.open.core;
        let reached = self.position();
        if reached >= position {
            return Ok(());
        }
        // Only the document's own entries come in; which of them is the last one to wait for?
        let subjects = colony_core::Filter::document(core.name.clone()).subjects(core.bus.space());
        let range = Range { after: reached, until: position, subjects };
        let mut records = core.bus.log().read(range).await?;
        let mut last = reached;
        while let Some(record) = records.next().await {
            last = record?.position;
        }
        self.until(|state| state.position >= last).await
    }

    async fn until(
        &self,
        reached: impl Fn(&mut state::State) -> bool,
    ) -> Result<(), DocumentError> {
        let mut news = self.open.core.news.subscribe();
        loop {
            news.borrow_and_update();
            {
                let mut state = self.open.core.lock();
                if reached(&mut state) {
                    return Ok(());
                }
                if let Some(end) = &state.end {
                    return Err(end.error());
                }
            }
            if news.changed().await.is_err() {
                return Err(DocumentError::Unfollowed(None));
            }
        }
    }

    /// Waits until everything that was edited so far is durable. Tries again what could not be sent.
    ///
    /// # Errors
    /// [`DocumentError::Write`] if it cannot be sent.
    pub async fn flush(&self) -> Result<(), DocumentError> {
        let core = &self.open.core;
        let number = {
            let mut state = core.lock();
            state.fault = None;
            state.enqueued
        };
        core.work.notify_one();
        wait_durable(core, number).await
    }

    /// Takes a snapshot of what the document holds now, when that is durable, and returns where it stands.
    ///
    /// Snapshots are taken without asking, too, as a document grows.
    ///
    /// # Errors
    /// [`DocumentError::Write`], [`DocumentError::TooLarge`], [`DocumentError::Broken`].
    pub async fn snapshot(&self) -> Result<Position, DocumentError> {
        self.flush().await?;
        snapshot::take(&self.open.core).await
    }

    /// Takes in of the changes that are held what a version needs; all of them, if `None`.
    ///
    /// Does nothing to a document that was not opened with [`Bus::document_held`](crate::Bus::document_held).
    pub fn advance(&self, version: Option<&Heads>) {
        self.open.core.lock().advance(version);
    }

    /// Compares the replica with the log. What the log has and the replica lacks is taken in.
    ///
    /// Reads the document's whole history.
    ///
    /// # Errors
    /// [`DocumentError::Log`].
    pub async fn check(&self) -> Result<Check, DocumentError> {
        repair::check(&self.open.core).await
    }

    /// Puts back into the log what the replica has and the log has lost, and returns how many changes.
    ///
    /// Happens without asking when the log is found to end before what was already read.
    ///
    /// # Errors
    /// [`DocumentError::Log`].
    pub async fn repair(&self) -> Result<usize, DocumentError> {
        repair::put_back(&self.open.core).await
    }

    /// Returns how the document is doing.
    pub fn status(&self) -> DocumentStatus {
        let core = &self.open.core;
        let durable = *core.durable.borrow();
        let state = core.lock();
        let counters = state.counters;
        DocumentStatus {
            changes: state.replica.change_count(),
            heads: state.replica.heads(),
            position: state.position,
            parked: state.replica.parked().len(),
            missing: state.replica.missing().iter().map(ToString::to_string).collect(),
            queued: state.arrived_changes(),
            held: state.held_changes(),
            unsent: state.enqueued.saturating_sub(durable),
            fault: state.fault.as_ref().map(ToString::to_string),
            following: state.end.is_none(),
            applied_batches: counters.batches,
            applied_changes: counters.remote,
            applying: counters.applying,
            entries_sent: counters.entries_sent,
            changes_sent: counters.changes_sent,
            refused: counters.refused,
            malformed: counters.malformed,
            overlaps: counters.overlaps,
            overlaps_unsearched: counters.overlaps_unsearched,
        }
    }
}

/// Makes the room that an edit took as large as its change; where there is not so much, all that is left, so that one
/// change at most is beyond the bound.
fn fit(
    room: &mut tokio::sync::OwnedSemaphorePermit,
    all: &Arc<tokio::sync::Semaphore>,
    bytes: usize,
) {
    let taken = EDIT_BYTES as usize;
    if bytes < taken {
        drop(room.split(taken - bytes));
        return;
    }
    let mut wanted = (bytes - taken).min(OUTGOING_BYTES);
    while let Ok(more) = u32::try_from(wanted)
        && more > 0
    {
        match Arc::clone(all).try_acquire_many_owned(more) {
            Ok(more) => return room.merge(more),
            Err(_) => wanted = all.available_permits().min(wanted - 1),
        }
    }
}

/// Waits until so many of the changes put on their way are durable.
async fn wait_durable(core: &Core, number: u64) -> Result<(), DocumentError> {
    let mut durable = core.durable.subscribe();
    loop {
        if *durable.borrow_and_update() >= number {
            return Ok(());
        }
        let fault = core.lock().fault.clone();
        if let Some(fault) = fault {
            return Err(fault.into());
        }
        if durable.changed().await.is_err() {
            return Err(WriteError::Closed.into());
        }
    }
}

#[cfg(test)]
mod tests;
