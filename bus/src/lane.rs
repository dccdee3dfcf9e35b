//! Writing a lane: sealing, group commit, and what to do when an outcome is unknown.
//!
//! One task owns the end of the lane. Callers queue; whatever is queued when the last unit has been acknowledged travels as the
//! next one, so that many callers share a round trip (and a disk sync) and a single caller pays for none.
//!
//! At most one unit of a lane is on its way; what comes meanwhile is sealed behind it, and anew if it fails. When its outcome is
//! unknown (the connection broke, an acknowledgement was lost), the task waits until the log can be reached, reads the end of the
//! lane, and knows from the hash chain which of its entries are there; the others are appended again, in order. Readers leave out an
//! entry whose number came before ([`Verdict::Void`](colony_core::lane::Verdict::Void)), so that even a copy that was delayed in the
//! network and arrives after all has no effect.
//!
//! When patience ends first, entries may still be on their way that nobody will send again. An entry that took the number of one of
//! them would be void if that arrived before it. So a private lane is left behind then, and the writer goes on with a new one; on a contended lane
//! the condition decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use colony_core::SpaceName;
use colony_core::envelope::{Envelope, SealError};
use colony_core::position::Position;
use colony_core::signature::Signer;
use colony_core::subject::{Kind, Lane, lane_filter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::log::{AppendError, EventLog, Outcome, ReadError, Wholeness};

mod conditioned;
mod driver;
mod queue;
mod recovery;
mod sealing;
#[cfg(test)]
mod tests;

pub use conditioned::{
    ConditionedError, ConditionedLane, LaneEnd, LaneRecords, NextEntry, Staged, StoredEntry,
};

use driver::Driver;
use sealing::Sealed;

/// Most requests waiting for a lane; more wait in [`LaneWriter::append`].
const QUEUE_REQUESTS: usize = 1_024;
/// Most bytes waiting for a lane.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Who else may write the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody, now or before: its name is this process's own. What another process said on the lane could still be on its
    /// way, and take the place of what this one says. No condition is sent. Entries of other authors are taken, too, each onto
    /// the lane of this name of its author: so an import keeps the order of what it imports.
    Private,
    /// Another instance may believe that it is the writer. Every append asks that the lane's last entry is the one
    /// known, so that one of them wins each time.
    Contended,
}

/// How a lane is written.
#[derive(Debug, Clone)]
pub struct LaneOptions {
    /// Who else may write it.
    pub sharing: Sharing,
    /// Signs the entries.
    pub signer: Option<Signer>,
    /// How long an append may stay unresolved while the server is away, before its outcome is reported as unknown.
    /// Default 30 s.
    pub patience: Duration,
}

impl Default for LaneOptions {
    fn default() -> Self {
        Self { sharing: Sharing::Private, signer: None, patience: Duration::from_secs(30) }
    }
}

/// What is appended together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Entries for the lane, in order.
    pub entries: Vec<(Kind, Envelope)>,
    /// Whether all or nothing must be stored. A batch of one is whole by nature.
    pub wholeness: Wholeness,
    /// Heads of entities to move, each in the same instant, if the last move of it is the one known.
    pub heads: Vec<HeadMove>,
}

/// A conditional append on an entity: nobody else has moved its head since.
#[derive(Debug, Clone)]
pub struct HeadMove {
    /// The noun of the events about the entity.
    pub noun: String,
    /// What stands in the head's entry; its `entity` names the entity.
    pub envelope: Envelope,
    /// Where the head stood; [`Position::ZERO`] for "nowhere yet".
    pub last: Position,
}

/// An entry that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where it stands.
    pub position: Position,
    /// Its number in the lane.
    pub number: u64,
    /// Its digest.
    pub digest: colony_core::Digest,
}

/// Why entries could not be appended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The entry cannot be sealed. Nothing was stored.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The end of the lane could not be read. Nothing was stored.
    #[error("the end of the lane could not be read; nothing was stored")]
    Lane(#[source] ReadError),
    /// The server was away for too long.
    #[error(
        "the server could not be reached for {waited_s} s; the entry may have been stored: read the log to know"
    )]
    Lost {
        /// How long was waited.
        waited_s: u64,
    },
    /// The writer was shut down first. Nothing was stored.
    #[error("the lane's writer was shut down; nothing was stored")]
    Closed,
}

impl WriteError {
    /// Returns what happened to the write.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Seal(_) | Self::Lane(_) | Self::Closed => Outcome::NotApplied,
            Self::Append(error) => error.outcome(),
            Self::Lost { .. } => Outcome::Unknown,
        }
    }

    /// Returns whether the same write may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Append(error) => error.is_retryable(),
            Self::Lane(error) => error.is_retryable(),
            Self::Lost { .. } => true,
            Self::Seal(_) | Self::Closed => false,
        }
    }
}

/// Resolves when a batch is durable: one receipt per entry, heads not counted.
#[must_use = "entries are durable only when their ticket has resolved"]
#[derive(Debug)]
pub struct Durable(oneshot::Receiver<Result<Vec<Receipt>, WriteError>>);

impl Future for Durable {
    type Output = Result<Vec<Receipt>, WriteError>;
    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.0)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(WriteError::Closed)))
    }
}

/// Writes one lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LaneWriter {
    lane: Lane,
    queue: mpsc::Sender<Request>,
    bytes: Arc<Semaphore>,
}

#[derive(Debug)]
struct Request {
    batch: Batch,
    /// Receipts of the entries, from the first on, that are stored already.
    done: Vec<Receipt>,
    /// Sealed already, onto what is on its way.
    sealed: Option<Sealed>,
    answer: oneshot::Sender<Result<Vec<Receipt>, WriteError>>,
    _room: OwnedSemaphorePermit,
}

impl LaneWriter {
    /// Opens a lane, continuing where it ends.
    ///
    /// # Errors
    /// [`WriteError::Lane`] if its end cannot be read.
    pub async fn open(
        log: Arc<dyn EventLog>,
        space: SpaceName,
        lane: Lane,
        options: LaneOptions,
    ) -> Result<Self, WriteError> {
        let mut driver = Driver {
            log,
            filter: lane_filter(&space, &lane),
            space,
            lane: lane.clone(),
            opened: lane.name.clone(),
            left_behind: 0,
            options,
            heads: BTreeMap::new(),
            last: Position::ZERO,
            floor: Position::ZERO,
        };
        driver.floor = driver.log.tail().await.map_err(WriteError::Lane)?;
        driver.refresh(&lane.author).await.map_err(WriteError::Lane)?;
        let (queue, requests) = mpsc::channel(QUEUE_REQUESTS);
        tokio::spawn(driver.run(requests));
        Ok(Self { lane, queue, bytes: Arc::new(Semaphore::new(QUEUE_BYTES)) })
    }

    /// Returns the lane that was opened. A private writer may have gone on with another since.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Admits a batch, waiting while too much is on its way, and returns the ticket of its durability.
    ///
    /// Batches of one caller stand in the order admitted.
    ///
    /// # Errors
    /// [`WriteError::Closed`].
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was appended. Dropping the ticket later changes nothing.
    pub async fn append(&self, batch: Batch) -> Result<Durable, WriteError> {
        let size: usize = batch.entries.iter().map(|(_, e)| e.event.data.len() + 256).sum();
        let permits = u32::try_from(size.min(QUEUE_BYTES)).unwrap_or(u32::MAX);
        let closed = |_| WriteError::Closed;
        let room = Arc::clone(&self.bytes).acquire_many_owned(permits).await.map_err(closed)?;
        let (answer, ticket) = oneshot::channel();
        let request = Request { batch, done: Vec::new(), sealed: None, answer, _room: room };
        self.queue.send(request).await.map_err(|_| WriteError::Closed)?;
        Ok(Durable(ticket))
    }
}

impl Request {
    fn succeed(self) {
        // The caller may have dropped its ticket.
        drop(self.answer.send(Ok(self.done)));
    }

    fn fail(self, error: WriteError) {
        drop(self.answer.send(Err(error)));
    }
}
