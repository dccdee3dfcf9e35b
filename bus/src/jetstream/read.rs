//! Reading: ranges, following, single records.

use std::collections::VecDeque;
use std::task::Poll;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{DeliverPolicy, ReplayPolicy, pull};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use colony_core::{Position, Timestamp};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ahead::{Ahead, Chunks};
use super::answer::code;
use super::connection::RequestError;
use super::{JetStreamLog, Shared};
use crate::log::{Followed, Following, Range, ReadError, Record, Records};

/// How long a reader waits for a record before it asks the log whether there is one.
const STALL: Duration = Duration::from_secs(2);
/// How long a reader waits for a record that the log has before it takes its consumer for gone.
const OVERDUE: Duration = Duration::from_secs(1);
/// How long the log may end before what was read of it: a new leader may still be catching up with itself.
const CATCHING_UP: Duration = Duration::from_secs(10);
/// The status of errors that pass by themselves, as the client has it.
const UNAVAILABLE: usize = 503;
/// Pause between two attempts to reach a log that is away.
const PAUSE: Duration = Duration::from_millis(50);

/// A consumer that the client recreates by itself, and we recreate when it gives up.
pub(super) struct Source {
    log: JetStreamLog,
    subjects: Vec<String>,
    last: Position,
    messages: Option<pull::Ordered>,
}

impl Source {
    pub(super) fn new(log: JetStreamLog, after: Position, subjects: Vec<String>) -> Self {
        Self { log, subjects, last: after, messages: None }
    }

    async fn open(&mut self) -> Result<(), ReadError> {
        let shared = &self.log.shared;
        let context = jetstream::new(shared.reading.client.clone());
        let wrong = |_| ReadError::Malformed { what: "the stream's name" };
        let stream = context.get_stream_no_info(&shared.stream).await.map_err(wrong)?;
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: self.last.next().get(),
            },
            replay_policy: ReplayPolicy::Instant,
            filter_subjects: self.subjects.clone(),
            ..Default::default()
        };
        let create = stream.create_consumer(config);
        let waited = shared.reading.request_timeout;
        let unanswered = || ReadError::Unanswered {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        };
        let create_subject = format!("$JS.API.CONSUMER.CREATE.{}", shared.stream);
        let consumer = tokio::select! {
            consumer = create => consumer,
            subject = shared.reading.denied(|denied| denied.starts_with(&create_subject)) => {
                return Err(ReadError::Denied { subject });
            }
        };
        let consumer = consumer.map_err(|error| {
            use async_nats::jetstream::stream::ConsumerErrorKind;
            match error.kind() {
                ConsumerErrorKind::JetStream(error) if error.code() != UNAVAILABLE => {
                    ReadError::Refused {
                        code: error.error_code().0,
                        description: error.to_string(),
                    }
                }
                _ => unanswered(),
            }
        })?;
        let messages = consumer.messages().await.map_err(|_| unanswered())?;
        self.messages = Some(messages);
        Ok(())
    }

    /// Opens the consumer, also while servers are electing a leader.
    async fn open_patiently(&mut self) -> Result<(), ReadError> {
        let deadline = Instant::now() + CATCHING_UP;
        loop {
            match self.open().await {
                Err(error) if passes(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Returns the next record; `None` if the consumer broke and has to be opened again.
    async fn next(&mut self) -> Option<Record> {
        let messages = self.messages.as_mut()?;
        match messages.next().await {
            Some(Ok(message)) => {
                let Some(record) = record(message) else {
                    self.messages = None;
                    return None;
                };
                if record.position <= self.last {
                    // A consumer that was recreated may not go back; if it does, that is not for our reader.
                    self.messages = None;
                    return None;
                }
                self.last = record.position;
                self.log.shared.appender.seen(record.position);
                Some(record)
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "consumer broke");
                self.messages = None;
                None
            }
            None => {
                self.messages = None;
                None
            }
        }
    }

    /// Returns the next record if it is there already.
    async fn ready(&mut self) -> Option<Record> {
        match futures_util::poll!(std::pin::pin!(self.next())) {
            Poll::Ready(record) => record,
            Poll::Pending => None,
        }
    }

    /// Opens the consumer again after it broke, and checks that the log did not lose what was read.
    async fn reopen(&mut self) -> Result<(), ReadError> {
        let shared = &self.log.shared;
        shared.reading.connected().await;
        let deadline = Instant::now() + CATCHING_UP;
        loop {
            let tail = tail(shared).await?;
            if tail >= self.last {
                return self.open().await;
            }
            if Instant::now() >= deadline {
                return Err(ReadError::Lost { seen: self.last, tail });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits for the next record and opens the consumer again where that is needed.
    ///
    /// Returns `None` when nothing comes and the log has nothing either.
    async fn advance(&mut self) -> Result<Option<Record>, ReadError> {
        let mut limit = STALL;
        loop {
            if self.messages.is_none() {
                self.reopen().await?;
            }
            // A timer for every record would cost as much as the record.
            let ready = futures_util::poll!(std::pin::pin!(self.next()));
            let next = match ready {
                Poll::Ready(next) => Ok(next),
                Poll::Pending => tokio::time::timeout(limit, self.next()).await,
            };
            match next {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                Err(_) if limit == OVERDUE => self.messages = None,
                Err(_) => match newest(&self.log.shared, &self.subjects).await? {
                    newest if newest > self.last => limit = OVERDUE,
                    // The client opened the consumer again by itself, of a log that ends before what was read of it.
                    newest if newest < self.last && tail(&self.log.shared).await? < self.last => {
                        self.messages = None;
                    }
                    _ => return Ok(None),
                },
            }
        }
    }
}

fn record(message: jetstream::Message) -> Option<Record> {
    let info = message.info().ok()?;
    let position = Position::new(info.stream_sequence);
    let nanos = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    let message = message.message;
    let redirected =
        message.headers.as_ref().is_some_and(|headers| headers.get(REDIRECTED).is_some());
    Some(Record {
        position,
        recorded: Timestamp::from_nanos(nanos),
        subject: message.subject.to_string(),
        payload: if redirected { Bytes::new() } else { message.payload },
    })
}

/// A header that the server puts on what it serves, and never on what an author publishes.
///
/// Whoever asks the server for a record names the subject of the answer, and a space stores what arrives under its
/// subjects: so an agent could have its own bytes stored under another's name. Such a record is emptied, which makes it
/// unreadable to everybody in the same way.
pub(super) const REDIRECTED: &str = "Nats-Sequence";

/// Returns where the last record of some subjects stands, asking the stream's leader.
///
/// A consumer cannot tell: on three servers it runs on one that may be behind the leader, and knows of nothing
/// pending that has not arrived there.
async fn newest(shared: &Shared, subjects: &[String]) -> Result<Position, ReadError> {
    let whole = [shared.subjects.clone()];
    let subjects = match subjects {
        [] => {
            // A server goes through every subject that matches a filter; there may be as many as entries.
            let tail = tail(shared).await?;
            if tail == Position::ZERO || get(shared, json!({ "seq": tail })).await?.is_some() {
                return Ok(tail);
            }
            // The last record was removed.
            &whole[..]
        }
        subjects => subjects,
    };
    let asked = subjects.iter().map(|subject| get(shared, json!({ "last_by_subj": subject })));
    let found = futures_util::future::try_join_all(asked).await?;
    let positions = found.into_iter().flatten().map(|record| record.position);
    Ok(positions.max().unwrap_or(Position::ZERO))
}

pub(super) async fn read(log: JetStreamLog, range: Range) -> Result<Records, ReadError> {
    let Range { after, until, subjects } = range;
    if after >= until {
        return Ok(stream::empty().boxed());
    }
    let goal = newest(&log.shared, &subjects).await?.min(until);
    read_to(Source::new(log, after, subjects), goal).await
}

/// Reads until a position at or after which there is a record of the source, or the source has no more.
pub(super) async fn read_to(mut source: Source, goal: Position) -> Result<Records, ReadError> {
    if source.last >= goal {
        return Ok(stream::empty().boxed());
    }
    source.open_patiently().await?;
    Ok(Ahead::fetch(move |chunks| fetch(source, goal, chunks)).boxed())
}

/// Fetches records until the goal.
async fn fetch(mut source: Source, mut goal: Position, mut chunks: Chunks) {
    while source.last < goal {
        let next = match source.ready().await {
            Some(record) => Ok(Some(record)),
            None => {
                chunks.hand_over().await;
                fetch_patiently(&mut source, &mut goal).await
            }
        };
        match next {
            Ok(Some(record)) if record.position > goal => break,
            Ok(Some(record)) => chunks.push(record).await,
            Ok(None) => break,
            Err(error) => return chunks.fail(error).await,
        }
    }
    chunks.end().await;
}

/// Waits for the next record, through what passes by itself; `None` where there is none any more up to the goal.
async fn fetch_patiently(
    source: &mut Source,
    goal: &mut Position,
) -> Result<Option<Record>, ReadError> {
    let deadline = Instant::now() + CATCHING_UP;
    loop {
        match source.advance().await {
            Ok(Some(record)) => return Ok(Some(record)),
            Ok(None) => match was_removed(&source.log.shared, *goal).await {
                Ok(true) => {
                    *goal = source.last;
                    return Ok(None);
                }
                Ok(false) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Ok(false) => return Err(ReadError::Lost { seen: *goal, tail: source.last }),
                Err(error) if passes(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            },
            Err(error) if passes(&error) && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Tells whether the record at a position that was there is no more, though the log goes that far.
///
/// Where it does not, a new leader is still catching up with itself, or the log lost its end.
async fn was_removed(shared: &Shared, position: Position) -> Result<bool, ReadError> {
    let there = get(shared, json!({ "seq": position })).await?.is_some();
    Ok(!there && tail(shared).await? >= position)
}

pub(super) async fn follow(
    log: JetStreamLog,
    after: Position,
    subjects: Vec<String>,
) -> Result<Following, ReadError> {
    // Where catching up ends; `None` once it has.
    let mut goal = Some(newest(&log.shared, &subjects).await?);
    // Boxed: it is moved with every record.
    let mut source = Box::new(Source::new(log, after, subjects));
    source.open_patiently().await?;
    let mut queue = VecDeque::new();
    queue.extend(caught_up(&mut goal, after));
    let following = stream::unfold(Some((source, queue, goal)), |state| async move {
        let (mut source, mut queue, mut goal) = state?;
        loop {
            if let Some(item) = queue.pop_front() {
                return Some((Ok(item), Some((source, queue, goal))));
            }
            match source.advance().await {
                Ok(Some(record)) => {
                    let position = record.position;
                    // The last records of catching up may have been removed meanwhile.
                    if goal.is_some_and(|goal| position > goal) {
                        queue.extend(caught_up(&mut goal, position));
                    }
                    queue.push_back(Followed::Record(record));
                    queue.extend(caught_up(&mut goal, position));
                }
                Ok(None) => queue.extend(caught_up(&mut goal, Position::MAX)),
                // The server is away or has no leader yet: it is not over.
                Err(error) if passes(&error) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Some((Err(error), None)),
            }
        }
    });
    Ok(following.boxed())
}

/// Tells whether an error passes by itself.
///
/// A cluster that lost a node refuses consumers for a moment as if there were too many; a space has no such limit.
fn passes(error: &ReadError) -> bool {
    match error {
        ReadError::Refused { code, .. } => *code == code::TOO_MANY_CONSUMERS,
        error => error.is_retryable(),
    }
}

/// Tells, once, that catching up has ended at a position.
fn caught_up(goal: &mut Option<Position>, position: Position) -> Option<Followed> {
    goal.take_if(|goal| *goal <= position).map(|_| Followed::CaughtUp)
}

#[derive(Deserialize)]
struct GetAnswer {
    message: StoredMessage,
}

#[derive(Deserialize)]
struct StoredMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    data: String,
    #[serde(default)]
    hdrs: String,
    time: String,
}

/// Asks the stream's leader, so that every acknowledged append is reflected.
pub(super) async fn get(shared: &Shared, request: Value) -> Result<Option<Record>, ReadError> {
    let subject = format!("$JS.API.STREAM.MSG.GET.{}", shared.stream);
    let answer: GetAnswer = match shared.reading.ask(&subject, &request).await {
        Ok(answer) => answer,
        Err(RequestError::Api(error)) if error.err_code == code::NO_MESSAGE => return Ok(None),
        Err(error) => return Err(error.into_read()),
    };
    let StoredMessage { subject, seq, data, hdrs, time } = answer.message;
    let malformed = |what| ReadError::Malformed { what };
    let headers = BASE64.decode(hdrs).map_err(|_| malformed("the record's headers"))?;
    let redirected = String::from_utf8_lossy(&headers).contains(REDIRECTED);
    let data = if redirected { String::new() } else { data };
    let payload = BASE64.decode(data).map_err(|_| malformed("the record's data"))?;
    Ok(Some(Record {
        position: Position::new(seq),
        recorded: time.parse().map_err(|_| malformed("the record's time"))?,
        subject,
        payload: payload.into(),
    }))
}

#[derive(Deserialize)]
struct StreamState {
    state: State,
}

#[derive(Deserialize)]
struct State {
    last_seq: u64,
}

pub(super) async fn tail(shared: &Shared) -> Result<Position, ReadError> {
    let subject = format!("$JS.API.STREAM.INFO.{}", shared.stream);
    let info: StreamState =
        shared.reading.ask(&subject, &Value::Null).await.map_err(RequestError::into_read)?;
    Ok(Position::new(info.state.last_seq))
}

pub(super) async fn cut_at(log: &JetStreamLog, time: Timestamp) -> Result<Position, ReadError> {
    // A consumer from that moment on starts at the first record stored at or after it.
    let after = Timestamp::from_nanos(time.as_nanos().saturating_add(1));
    let shared = &log.shared;
    let tail = tail(shared).await?;
    let request = json!({
        "stream_name": shared.stream,
        "config": {
            "deliver_policy": "by_start_time",
            "opt_start_time": after.to_string(),
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": true,
            "num_replicas": 1,
            "inactive_threshold": 5_000_000_000_u64,
        },
    });
    #[derive(Deserialize)]
    struct Created {
        name: String,
        delivered: Delivered,
        num_pending: u64,
    }
    #[derive(Deserialize)]
    struct Delivered {
        stream_seq: u64,
    }
    let subject = format!("$JS.API.CONSUMER.CREATE.{}", shared.stream);
    let made: Created =
        shared.reading.api(&subject, &request).await.map_err(RequestError::into_read)?;
    let delete = format!("$JS.API.CONSUMER.DELETE.{}.{}", shared.stream, made.name);
    let _: Value =
        shared.reading.api(&delete, &Value::Null).await.map_err(RequestError::into_read)?;
    Ok(if made.num_pending == 0 { tail } else { Position::new(made.delivered.stream_seq) })
}

pub(super) async fn remove(shared: &Shared, position: Position) -> Result<(), ReadError> {
    let subject = format!("$JS.API.STREAM.MSG.DELETE.{}", shared.stream);
    let request = json!({ "seq": position.get(), "no_erase": true });
    let _: Value = shared.writing.api(&subject, &request).await.map_err(RequestError::into_read)?;
    Ok(())
}
