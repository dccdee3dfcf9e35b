//! The log port: what Colony needs of a log, in plain types.
//!
//! Two implementations pass one conformance suite (`tests/`): [`JetStreamLog`](crate::JetStreamLog), the
//! real thing, and [`MemoryLog`](crate::MemoryLog), for doctests, forks and simulation.
//!
//! A log is a sequence of [`Record`]s. As a ruler: positions count from 1 and grow by at least 1; position `p`
//! names the record that stands there; a read **after** `p` begins with the first record past `p`; `Position::ZERO`
//! lies before all. Positions are never reused and a record never changes. Positions may have holes (a deleted
//! snapshot).

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use colony_core::{Position, Timestamp};
use futures_util::Stream;
use futures_util::future::BoxFuture;

mod error;
pub use error::{AppendError, ConnectError, Outcome, ReadError};

/// One stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// When the log stored it, by the log's clock.
    pub recorded: Timestamp,
    /// Its subject.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// A message to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its subject.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// What is appended in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// In the order in which they are to stand. Never empty.
    pub records: Vec<NewRecord>,
    /// What holds if not all of them can be stored.
    pub wholeness: Wholeness,
    /// What must hold for them to be stored, checked in the same instant as they are.
    pub conditions: Vec<Condition>,
}

impl Unit {
    /// Makes a unit of one record without a condition.
    pub fn one(record: NewRecord) -> Self {
        Self { records: vec![record], wholeness: Wholeness::Ordered, conditions: Vec::new() }
    }
}

/// What holds of a [`Unit`] that cannot be stored completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wholeness {
    /// A prefix may be stored: never a later record without an earlier one.
    Ordered,
    /// All or nothing.
    Atomic,
}

/// Asks that the last record under some subjects is the one known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The subjects: an exact subject, or the filter of a lane.
    pub scope: Scope,
    /// Where the last record under them stands; [`Position::ZERO`] for "there is none".
    pub last: Position,
}

/// What a [`Condition`] speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One exact subject, which must be the subject of a record of the unit.
    Subject(String),
    /// A lane, as made by [`colony_core::subject::lane_filter`]. Safe only while **every** record of the lane is
    /// appended under the identical filter.
    Lane(String),
}

impl Scope {
    /// Returns the subject or the filter.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Subject(text) | Self::Lane(text) => text,
        }
    }
}

/// Resolves when a unit is durable, in the sense of [`Description::acknowledgement`].
///
/// Holds one position per record, in the unit's order. Dropping it does not take the unit back.
#[must_use = "an append is durable only when its ticket has resolved"]
pub struct Ticket(BoxFuture<'static, Result<Vec<Position>, AppendError>>);

impl Ticket {
    /// Makes a ticket of the future that waits for the acknowledgement.
    pub fn new(
        future: impl Future<Output = Result<Vec<Position>, AppendError>> + Send + 'static,
    ) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for Ticket {
    type Output = Result<Vec<Position>, AppendError>;
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

/// Records in the order of the log, each once.
pub type Records = Pin<Box<dyn Stream<Item = Result<Record, ReadError>> + Send>>;

/// What following a log yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The next record.
    Record(Record),
    /// Everything stored when following began has been yielded; what comes now is new. Yielded once.
    CaughtUp,
}

/// Records as they come, without gap or double, until dropped.
pub type Following = Pin<Box<dyn Stream<Item = Result<Followed, ReadError>> + Send>>;

/// Which records a read yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Records past this position.
    pub after: Position,
    /// Records at or before this position. [`Position::MAX`] means the tail as it stood when the read began.
    pub until: Position,
    /// Subject filters, not overlapping; a record is yielded if one of them matches. Empty means all.
    pub subjects: Vec<String>,
}

impl Range {
    /// Everything there is.
    pub fn all() -> Self {
        Self { after: Position::ZERO, until: Position::MAX, subjects: Vec::new() }
    }
}

/// What a log is and what it promises.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// Identity of this very log: another one, or this one restored to an earlier state, has another.
    pub identity: String,
    /// What it runs on (`nats-server 2.15.1`, `memory`).
    pub server: String,
    /// Where records are kept (`file`, `memory`).
    pub storage: String,
    /// Copies kept on different servers.
    pub replicas: usize,
    /// Whether an acknowledgement waits for the disk (`always`, `default`, `unknown`).
    pub sync: String,
    /// What an acknowledgement means here, as a sentence for people.
    pub acknowledgement: String,
    /// Largest record accepted: subject and payload together, in bytes.
    pub max_record_bytes: usize,
    /// Most records of one [`Wholeness::Atomic`] unit.
    pub max_atomic_records: usize,
}

/// An append-only log of records.
///
/// Implementations MUST be safe to use from many tasks at once and MUST bound what they hold in flight: a full
/// window makes [`append`](EventLog::append) wait. The log's answer frees a unit's place there, not the polling of its
/// ticket: who admits many units and then awaits their tickets MUST NOT wait for ever.
pub trait EventLog: Send + Sync + fmt::Debug {
    /// Returns what this log is and promises. Does not ask a server.
    fn description(&self) -> &Description;

    /// Admits a unit and returns the ticket of its durability.
    ///
    /// * Units admitted one after the other by one caller, each after the ticket of the one before resolved, MUST stand
    ///   in that order. Units whose tickets are open at the same time MAY stand in either order.
    /// * The records of a unit MUST stand in the unit's order. Other units' records MAY stand between those of an
    ///   `Ordered` unit, and MUST NOT stand between those of an `Atomic` one.
    /// * `Ok` from the ticket MUST mean that every record is stored, at the position told, in the sense of
    ///   [`Description::acknowledgement`].
    /// * An error MUST tell the truth about the write ([`AppendError::outcome`]): `NotApplied` only if nothing of the
    ///   unit is stored, now or later. Where an `Ordered` unit ended early, or it is not known, the outcome is `Unknown`.
    /// * A unit whose condition does not hold MUST be refused with [`AppendError::Conflict`]. Of two units that ask for
    ///   the same last record of the same scope, at most one MUST be stored.
    /// * Implementations MUST NOT send a unit twice: what to do about `Unknown` is the caller's to decide.
    ///
    /// # Cancel safety
    /// Dropped before it returns, nothing was appended. Dropping the ticket later changes nothing.
    fn append(&self, unit: Unit) -> BoxFuture<'_, Result<Ticket, AppendError>>;

    /// Appends an atomic unit whose one condition comes later. What waits for the end of a unit that is on its way can so be sent
    /// before it is known.
    ///
    /// MUST store nothing before `condition` has resolved, and nothing at all if it resolves to `None`, which is answered with `Ok(None)`.
    /// Else as [`append`](EventLog::append) and the ticket that it returns.
    ///
    /// # Cancel safety
    /// Dropped before the condition has come, nothing was appended; dropped after it, the outcome is unknown.
    fn append_when(
        &self,
        records: Vec<NewRecord>,
        condition: BoxFuture<'static, Option<Condition>>,
    ) -> BoxFuture<'_, Result<Option<Vec<Position>>, AppendError>> {
        Box::pin(async move {
            let Some(condition) = condition.await else { return Ok(None) };
            let unit = Unit { records, wholeness: Wholeness::Atomic, conditions: vec![condition] };
            Ok(Some(self.append(unit).await?.await?))
        })
    }

    /// Reads records in log order, then ends.
    ///
    /// MUST yield every matching record of the range once; an error is the last item. MUST hold a bounded number of
    /// records however slowly it is polled.
    fn read(&self, range: Range) -> BoxFuture<'_, Result<Records, ReadError>>;

    /// Reads records in log order, then goes on with new ones as they come.
    ///
    /// MUST yield every matching record past `after` exactly once, through reconnects and however slowly it is polled:
    /// slowness holds back this reader only. MUST yield [`Followed::CaughtUp`] once, also when there was nothing.
    fn follow(
        &self,
        after: Position,
        subjects: Vec<String>,
    ) -> BoxFuture<'_, Result<Following, ReadError>>;

    /// Returns the last record under a subject or filter; `None` where there is none.
    ///
    /// MUST reflect every append acknowledged before the call.
    fn last<'a>(&'a self, subject: &'a str) -> BoxFuture<'a, Result<Option<Record>, ReadError>>;

    /// Returns the record at a position; `None` where there is none (yet, or any more).
    fn get(&self, position: Position) -> BoxFuture<'_, Result<Option<Record>, ReadError>>;

    /// Returns the position of the last record, or [`Position::ZERO`]. MUST reflect every append acknowledged before.
    fn tail(&self) -> BoxFuture<'_, Result<Position, ReadError>>;

    /// Returns the cut of a moment: the position of the last record stored at or before it, or [`Position::ZERO`].
    fn cut_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>>;

    /// Removes the record at a position. Only caches (snapshots) may be removed.
    fn remove(&self, position: Position) -> BoxFuture<'_, Result<(), ReadError>>;

    /// Resolves when the log can be reached; at once if it can be now.
    fn reachable(&self) -> BoxFuture<'_, ()>;
}

/// A message that is not stored: presence, cursors in documents, wakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveMessage {
    /// Its subject.
    pub subject: String,
    /// Its bytes.
    pub payload: Bytes,
}

/// Live messages as they come. May miss some: nothing may rest on them.
pub type LiveMessages = Pin<Box<dyn Stream<Item = LiveMessage> + Send>>;

/// Messages between those who listen right now.
pub trait Live: Send + Sync + fmt::Debug {
    /// Sends to whoever listens. Delivery is not promised.
    fn send(&self, message: LiveMessage) -> BoxFuture<'_, Result<(), ReadError>>;

    /// Listens under a subject filter. A listener that is too slow loses messages.
    fn listen(&self, filter: String) -> BoxFuture<'_, Result<LiveMessages, ReadError>>;
}
