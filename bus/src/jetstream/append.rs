//! Appending: one record by a plain publish, several by a batch.
//!
//! Which way a unit of several records takes:
//!
//! | unit | server | way |
//! | --- | --- | --- |
//! | atomic, or with a condition | any | atomic batch |
//! | ordered | syncs each write, or is too old for fast batches | atomic batch: one sync for all |
//! | ordered | else | fast batch that ends at the first gap |

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use colony_core::Position;
use colony_core::limits::MAX_SUBJECT_BYTES;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::JetStreamLog;
use super::answer::{Answer, PubAck};
use super::batch::{self, Batch};
use super::connection::Connection;
use super::gate::Opened;
use super::monitor::Sync;
use crate::log::{AppendError, Condition, EventLog as _, NewRecord, Ticket, Unit, Wholeness};

/// Most records in flight on one connection; more wait.
const WINDOW_RECORDS: usize = 4_096;
/// Most atomic batches on their way on one connection; more wait. The server takes 50 for a stream, from everybody.
const BATCHES: usize = 16;
/// Most batches sent before it is known whether they will be wanted, on one connection.
const BATCHES_AHEAD: usize = 4;
/// How long a unit whose connection broke may wait for the next one.
const RECONNECTION: Duration = Duration::from_secs(60);

/// Sends units and routes the server's answers back to them.
#[derive(Debug)]
pub(super) struct Appender {
    inbox: String,
    next: AtomicU64,
    pending: Arc<Pending>,
    window: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    batches_ahead: Arc<Semaphore>,
    /// The highest position acknowledged to us, or read: whatever is sent from now on stands after it.
    acknowledged: AtomicU64,
    fast_batch: bool,
    _answers: AbortOnDropHandle<()>,
}

type Pending = Mutex<HashMap<u64, mpsc::Sender<async_nats::Message>>>;

/// A unit on its way: where its answers come in.
pub(super) struct Flight {
    pub(super) log: JetStreamLog,
    pub(super) id: u64,
    pub(super) answers: mpsc::Receiver<async_nats::Message>,
    /// Everything acknowledged or read before this unit was sent stands at or before this position.
    pub(super) floor: Position,
    /// How often the connection had broken when this unit was sent.
    breaks: u64,
    _places: Places,
}

/// What a unit on its way takes up: of the window, and of the batches.
type Places = (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>);

impl Drop for Flight {
    fn drop(&mut self) {
        lock(&self.log.shared.appender.pending).remove(&self.id);
    }
}

fn lock(
    pending: &Pending,
) -> std::sync::MutexGuard<'_, HashMap<u64, mpsc::Sender<async_nats::Message>>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Appender {
    pub(super) async fn new(
        connection: &Connection,
        opened: &Opened,
    ) -> Result<Self, crate::log::ConnectError> {
        let inbox = connection.client.new_inbox();
        let unanswered = |_| crate::log::ConnectError::Unanswered { url: connection.url.clone() };
        let mut answers =
            connection.client.subscribe(format!("{inbox}.>")).await.map_err(unanswered)?;
        let pending = Arc::new(Pending::default());
        let routes = Arc::clone(&pending);
        let prefix = inbox.len() + 1;
        let task = tokio::spawn(async move {
            while let Some(message) = answers.next().await {
                let token =
                    message.subject.get(prefix..).unwrap_or_default().split(['.', '-']).next();
                let Some(id) = token.and_then(|id| id.parse().ok()) else { continue };
                if let Some(route) = lock(&routes).get(&id) {
                    // Room for every answer of a unit is made when it is sent; more are of no use.
                    drop(route.try_send(message));
                }
            }
        });
        Ok(Self {
            inbox,
            next: AtomicU64::new(1),
            pending,
            window: Arc::new(Semaphore::new(WINDOW_RECORDS)),
            batches: Arc::new(Semaphore::new(BATCHES)),
            batches_ahead: Arc::new(Semaphore::new(BATCHES_AHEAD)),
            acknowledged: AtomicU64::new(0),
            fast_batch: opened.fast_batch && opened.sync != Sync::Always,
            _answers: AbortOnDropHandle::new(task),
        })
    }

    /// Returns the prefix of the reply subjects of a unit.
    pub(super) fn reply(&self, id: u64) -> String {
        format!("{}.{id}", self.inbox)
    }

    /// Returns the prefix of the reply subjects of a fast batch. Its last token is the batch's id for the server, which knows of no
    /// connections: it is unique in the stream.
    pub(super) fn batch_reply(&self, id: u64) -> String {
        let unique = self.inbox.rsplit('.').next().unwrap_or_default();
        format!("{}.{id}-{unique}", self.inbox)
    }

    /// Notes that there is a record at a position.
    pub(super) fn seen(&self, position: Position) {
        self.acknowledged.fetch_max(position.get(), Ordering::Relaxed);
    }

    /// Notes where the last record of a unit stands that was sent when `floor` was known.
    pub(super) fn acknowledge(&self, position: Position, floor: Position) {
        if position > floor {
            self.acknowledged.fetch_max(position.get(), Ordering::Relaxed);
        } else {
            // The log lost its end: what was acknowledged is there no more.
            self.acknowledged.store(position.get(), Ordering::Relaxed);
        }
    }
}

pub(super) async fn append(log: JetStreamLog, unit: Unit) -> Result<Ticket, AppendError> {
    // A condition travels in the headers, beside the payload.
    let asked = unit.conditions.iter().map(|condition| condition.scope.as_str().len()).max();
    fits(&log, &unit.records, asked.unwrap_or(0))?;
    let total = unit.records.len();
    let atomic = unit.wholeness == Wholeness::Atomic || !unit.conditions.is_empty();
    let appender = &log.shared.appender;
    let by_atomic_batch = total > 1 && (atomic || !appender.fast_batch);
    let mut place = None;
    if by_atomic_batch {
        fits_in_a_batch(&log, total)?;
        let batches = Arc::clone(&appender.batches);
        place = Some(batches.acquire_owned().await.map_err(|_| AppendError::Closed)?);
    }
    let records = u32::try_from(total.min(WINDOW_RECORDS)).unwrap_or(u32::MAX);
    let window = Arc::clone(&appender.window).acquire_many_owned(records).await;
    let window = window.map_err(|_| AppendError::Closed)?;
    let flight = take_off(&log, total, (Some(window), place));
    if !log.shared.writing.is_up() {
        // The client would keep it and send it when nobody waits for it any more.
        return Err(AppendError::Unavailable);
    }
    let publish_failed = |_| AppendError::Closed;
    let mut records = unit.records.into_iter();
    match (total, records.next()) {
        (1, Some(record)) => {
            let NewRecord { subject, payload } = record;
            let reply = appender.reply(flight.id);
            let client = &log.shared.writing.client;
            let named = subject.clone();
            match unit.conditions.first() {
                None => client.publish_with_reply(subject, reply, payload).await,
                Some(condition) => {
                    let mut headers = HeaderMap::new();
                    ask(&mut headers, condition);
                    client.publish_with_reply_and_headers(subject, reply, headers, payload).await
                }
            }
            .map_err(publish_failed)?;
            let condition = unit.conditions.into_iter().next();
            Ok(ticket(one(flight, named, condition)))
        }
        (_, Some(first)) => {
            let records: Vec<_> = std::iter::once(first).chain(records).collect();
            if by_atomic_batch {
                let mut batch = Batch::new(flight, records, unit.conditions);
                batch.send_until(0).await?;
                Ok(ticket(batch.committed()))
            } else {
                batch::fast(flight, records).await
            }
        }
        (_, None) => Ok(Ticket::new(async { Ok(Vec::new()) })),
    }
}

pub(super) async fn append_when(
    log: JetStreamLog,
    records: Vec<NewRecord>,
    condition: BoxFuture<'static, Option<Condition>>,
) -> Result<Option<Vec<Position>>, AppendError> {
    let total = records.len();
    let fits = total > 1
        && fits(&log, &records, MAX_SUBJECT_BYTES).is_ok()
        && fits_in_a_batch(&log, total).is_ok();
    let place = Arc::clone(&log.shared.appender.batches_ahead).try_acquire_owned();
    let (Ok(place), true) = (place, fits && log.shared.writing.is_up()) else {
        let Some(condition) = condition.await else { return Ok(None) };
        let unit = Unit { records, wholeness: Wholeness::Atomic, conditions: vec![condition] };
        return Ok(Some(log.append(unit).await?.await?));
    };
    // It takes no place in the window: it waits for a unit that may itself wait for one.
    let flight = take_off(&log, total, (None, Some(place)));
    let mut ahead = Batch::new(flight, records, Vec::new());
    tokio::task::unconstrained(ahead.send_until(1)).await?;
    match condition.await {
        Some(condition) => {
            ahead.finish(condition).await?;
            Ok(Some(ahead.committed().await?))
        }
        None => {
            ahead.give_up().await;
            Ok(None)
        }
    }
}

/// Refuses records that are too large to be stored, with so many bytes of headers.
fn fits(log: &JetStreamLog, records: &[NewRecord], headers: usize) -> Result<(), AppendError> {
    let max = log.shared.description.max_record_bytes;
    for record in records {
        let actual = record.subject.len() + record.payload.len() + headers;
        if actual > max {
            return Err(AppendError::TooLarge { actual, max });
        }
    }
    Ok(())
}

fn fits_in_a_batch(log: &JetStreamLog, records: usize) -> Result<(), AppendError> {
    let max = log.shared.description.max_atomic_records;
    if records > max { Err(AppendError::TooMany { actual: records, max }) } else { Ok(()) }
}

/// Makes the ticket of a flight, which lands whether or not anybody polls for it: so its place in the window is freed.
pub(super) fn ticket(
    flight: impl Future<Output = Result<Vec<Position>, AppendError>> + Send + 'static,
) -> Ticket {
    let landing = tokio::spawn(flight);
    Ticket::new(async move { landing.await.unwrap_or(Err(AppendError::Closed)) })
}

/// Opens a route for the answers.
fn take_off(log: &JetStreamLog, records: usize, places: Places) -> Flight {
    let appender = &log.shared.appender;
    let id = appender.next.fetch_add(1, Ordering::Relaxed);
    let (route, answers) = mpsc::channel(records + 4);
    lock(&appender.pending).insert(id, route);
    let floor = Position::new(appender.acknowledged.load(Ordering::Relaxed));
    let breaks = log.shared.writing.breaks();
    Flight { log: log.clone(), id, answers, floor, breaks, _places: places }
}

/// Writes a condition as headers. The filter string is the one that every writer of the lane sends.
pub(super) fn ask(headers: &mut HeaderMap, condition: &Condition) {
    headers.insert("Nats-Expected-Last-Subject-Sequence", condition.last.to_string());
    headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", condition.scope.as_str());
}

/// What came instead of an answer.
pub(super) enum Silence {
    TimedOut,
    Disconnected,
    Denied(String),
    NobodyThere,
}

impl Silence {
    pub(super) fn into_error(self, flight: &Flight) -> AppendError {
        let waited = flight.log.shared.writing.acknowledgement_timeout.as_millis();
        match self {
            Self::TimedOut => {
                AppendError::Unanswered { waited_ms: u64::try_from(waited).unwrap_or(u64::MAX) }
            }
            Self::Disconnected => AppendError::Unanswered { waited_ms: 0 },
            Self::Denied(subject) => AppendError::Denied { subject },
            Self::NobodyThere => AppendError::Unavailable,
        }
    }
}

impl Flight {
    /// Returns whether the connection has broken since it took off.
    pub(super) fn is_broken(&self) -> bool {
        let writing = &self.log.shared.writing;
        !writing.is_up() || writing.breaks() != self.breaks
    }

    /// Waits for the next answer to a unit that publishes under these subjects.
    pub(super) async fn answer(&mut self, subjects: &[String]) -> Result<bytes::Bytes, Silence> {
        let writing = &self.log.shared.writing;
        let message = tokio::select! {
            biased;
            message = self.answers.recv() => message,
            silence = silence(writing, self.breaks, subjects) => return Err(silence),
        };
        match message {
            Some(message) if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) => {
                Err(Silence::NobodyThere)
            }
            Some(message) => Ok(message.payload),
            None => Err(Silence::Disconnected),
        }
    }

    /// Makes the error of a condition that did not hold, with the record that won.
    pub(super) async fn conflict(&self, conditions: &[Condition]) -> AppendError {
        for condition in conditions {
            let winner = self.log.last(condition.scope.as_str()).await.ok().flatten();
            let found = winner.as_ref().map_or(Position::ZERO, |record| record.position);
            if found != condition.last || conditions.len() == 1 {
                return AppendError::Conflict {
                    scope: condition.scope.as_str().to_owned(),
                    expected: condition.last,
                    winner: winner.map(Box::new),
                };
            }
        }
        let (scope, expected) = conditions.first().map_or_else(
            || (String::new(), Position::ZERO),
            |condition| (condition.scope.as_str().to_owned(), condition.last),
        );
        AppendError::Conflict { scope, expected, winner: None }
    }
}

/// Resolves when no answer can be expected any more.
async fn silence(writing: &Connection, breaks: u64, subjects: &[String]) -> Silence {
    tokio::select! {
        () = tokio::time::sleep(writing.acknowledgement_timeout) => return Silence::TimedOut,
        denied = writing.denied(|denied| subjects.iter().any(|subject| subject == denied)) => {
            return Silence::Denied(denied);
        }
        () = writing.broken_since(breaks) => {}
    }
    // The client sends what it still held once it is connected again, and its answer may come. A message that no stream
    // takes goes the same way behind it: when that is answered, all before it has been dealt with.
    if tokio::time::timeout(RECONNECTION, writing.connected()).await.is_err() {
        return Silence::Disconnected;
    }
    if let Some(subject) = subjects.first() {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", "-");
        let last = async_nats::Request::new().headers(headers);
        let answer = writing.request(subject, last, writing.acknowledgement_timeout).await;
        tracing::debug!(answered = answer.is_ok(), "the connection is back");
    }
    Silence::Disconnected
}

async fn one(
    mut flight: Flight,
    subject: String,
    condition: Option<Condition>,
) -> Result<Vec<Position>, AppendError> {
    let answer = match flight.answer(&[subject]).await {
        Ok(answer) => answer,
        Err(silence) => return Err(silence.into_error(&flight)),
    };
    match serde_json::from_slice::<Answer<PubAck>>(&answer) {
        Ok(Answer::Ok(ack)) => {
            let position = Position::new(ack.seq);
            flight.log.shared.appender.acknowledge(position, flight.floor);
            Ok(vec![position])
        }
        Ok(Answer::Error { error }) => match condition {
            Some(condition) if error.is_conflict() => {
                Err(flight.conflict(std::slice::from_ref(&condition)).await)
            }
            Some(_) | None => {
                Err(error.into_append(0, flight.log.shared.description.max_record_bytes))
            }
        },
        Err(_) => Err(AppendError::Unanswered { waited_ms: 0 }),
    }
}
