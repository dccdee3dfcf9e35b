//! Reading: ranges, following, single records.

use std::collections::VecDeque;
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

use super::answer::code;
use super::connection::RequestError;
use super::{JetStreamLog, Shared};
use crate::log::{
    EventLog as _, Followed, Following, NewRecord, Range, ReadError, Record, Records,
};

/// How long a reader waits for a record it was told is pending before it looks again.
const STALL: Duration = Duration::from_secs(2);

/// A consumer that the client recreates by itself, and we recreate when it gives up.
struct Source {
    log: JetStreamLog,
    subjects: Vec<String>,
    last: Position,
    messages: Option<pull::Ordered>,
    pending: u64,
}

impl Source {
    fn new(log: JetStreamLog, after: Position, subjects: Vec<String>) -> Self {
        Self { log, subjects, last: after, messages: None, pending: 0 }
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
                ConsumerErrorKind::JetStream(error) => ReadError::Refused {
                    code: error.error_code().0,
                    description: error.to_string(),
                },
                _ => unanswered(),
            }
        })?;
        self.pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|_| unanswered())?;
        self.messages = Some(messages);
        Ok(())
    }

    /// Returns the next record; `None` if the consumer broke and has to be opened again.
    async fn next(&mut self) -> Option<Record> {
        let messages = self.messages.as_mut()?;
        match messages.next().await {
            Some(Ok(message)) => {
                let Some(record) = record(message, &mut self.pending) else {
                    self.messages = None;
                    return None;
                };
                if record.position <= self.last {
                    // A consumer that was recreated may not go back; if it does, that is not for our reader.
                    self.messages = None;
                    return None;
                }
                self.last = record.position;
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

    /// Opens the consumer again after it broke, and checks that the log did not lose what was read.
    async fn reopen(&mut self) -> Result<(), ReadError> {
        let connection = &self.log.shared.reading;
        connection.connected().await;
        let tail = tail(&self.log.shared).await?;
        if tail < self.last {
            return Err(ReadError::Lost { seen: self.last, tail });
        }
        self.open().await
    }
}

fn record(message: jetstream::Message, pending: &mut u64) -> Option<Record> {
    let info = message.info().ok()?;
    let position = Position::new(info.stream_sequence);
    let nanos = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or(i64::MAX);
    *pending = info.pending;
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
const REDIRECTED: &str = "Nats-Sequence";

pub(super) async fn read(log: JetStreamLog, range: Range) -> Result<Records, ReadError> {
    let Range { after, until, subjects } = range;
    let until = until.min(tail(&log.shared).await?);
    if after >= until {
        return Ok(stream::empty().boxed());
    }
    let mut source = Source::new(log, after, subjects);
    source.open().await?;
    let state = Some((source, true));
    let records = stream::unfold(state, move |state| async move {
        let (mut source, mut fresh) = state?;
        loop {
            // Just opened, `pending` counts everything that matches after `last`.
            if fresh && source.pending == 0 || source.last >= until {
                return None;
            }
            match tokio::time::timeout(STALL, source.next()).await {
                Ok(Some(record)) if record.position > until => return None,
                Ok(Some(record)) => {
                    fresh = source.pending == 0;
                    return Some((Ok(record), Some((source, fresh))));
                }
                Ok(None) | Err(_) => match source.reopen().await {
                    Ok(()) => fresh = true,
                    Err(error) => return Some((Err(error), None)),
                },
            }
        }
    });
    Ok(records.boxed())
}

pub(super) async fn follow(
    log: JetStreamLog,
    after: Position,
    subjects: Vec<String>,
) -> Result<Following, ReadError> {
    let mut source = Source::new(log, after, subjects);
    source.open().await?;
    let mut first = VecDeque::new();
    if source.pending == 0 {
        first.push_back(Followed::CaughtUp);
    }
    let caught_up = source.pending == 0;
    let following = stream::unfold(Some((source, first, caught_up)), |state| async move {
        let (mut source, mut queue, mut caught_up) = state?;
        loop {
            if let Some(item) = queue.pop_front() {
                return Some((Ok(item), Some((source, queue, caught_up))));
            }
            match source.next().await {
                Some(record) => {
                    queue.push_back(Followed::Record(record));
                    if source.pending == 0 && !caught_up {
                        caught_up = true;
                        queue.push_back(Followed::CaughtUp);
                    }
                }
                None => {
                    match source.reopen().await {
                        Ok(()) => {
                            if source.pending == 0 && !caught_up {
                                caught_up = true;
                                queue.push_back(Followed::CaughtUp);
                            }
                        }
                        // The server is away or has no leader yet: it is not over.
                        Err(error) if error.is_retryable() => {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                        Err(error) => return Some((Err(error), None)),
                    }
                }
            }
        }
    });
    Ok(following.boxed())
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
    let answer: GetAnswer = match shared.reading.api(&subject, &request).await {
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
        shared.reading.api(&subject, &Value::Null).await.map_err(RequestError::into_read)?;
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

/// Finds where the records of a unit stand that other writers' records may stand between.
///
/// They are known to be stored past `floor` and at or before `last`.
pub(super) async fn locate(
    log: &JetStreamLog,
    floor: Position,
    last: Position,
    records: &[NewRecord],
) -> Result<Vec<Position>, ReadError> {
    // At the very first append nothing is known of what stands before: look at the tail end only.
    let floor = if floor == Position::ZERO {
        Position::new(last.get().saturating_sub(16 * records.len() as u64))
    } else {
        floor
    };
    let mut subjects: Vec<String> = records.iter().map(|record| record.subject.clone()).collect();
    subjects.sort_unstable();
    subjects.dedup();
    if subjects.len() > colony_core::limits::MAX_SERVER_FILTERS {
        subjects.clear();
    }
    for after in [floor, Position::ZERO] {
        let range = Range { after, until: last, subjects: subjects.clone() };
        let mut found = log.read(range).await?;
        let mut wanted = records.iter().peekable();
        let mut positions = Vec::with_capacity(records.len());
        while let (Some(record), Some(next)) = (found.next().await, wanted.peek().copied()) {
            let record = record?;
            if record.subject == next.subject && record.payload == next.payload {
                positions.push(record.position);
                wanted.next();
            }
        }
        if positions.len() == records.len() {
            return Ok(positions);
        }
    }
    Err(ReadError::Malformed { what: "a batch acknowledged and not found" })
}
