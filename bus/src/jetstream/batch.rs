//! Batches: several records in one round trip (NATS ADR-50).

use std::collections::VecDeque;

use async_nats::HeaderMap;
use async_nats::header::HeaderName;
use bytes::Bytes;
use colony_core::Position;

use super::answer::{Answer, ApiError, BatchAnswer, PubAck};
use super::append::{Flight, Silence, ask, ticket};
use super::locate::locate;
use crate::log::{AppendError, Condition, NewRecord, Scope, Ticket};

const ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");

/// An atomic batch: all or nothing, contiguous, one acknowledgement.
pub(super) struct Batch {
    flight: Flight,
    id: String,
    total: usize,
    unsent: VecDeque<NewRecord>,
    subjects: Vec<String>,
    /// With the index of the record that it travels on.
    conditions: Vec<(usize, Condition)>,
}

impl Batch {
    /// Makes a batch of which nothing is sent yet.
    ///
    /// The server checks all conditions when it commits the batch. That of a subject travels on the first record of the subject; that of
    /// a lane on the last record that has none of its own: so it may be known last, and nobody else's condition on the lane is found to
    /// hold before all of the batch is there.
    pub(super) fn new(flight: Flight, records: Vec<NewRecord>, conditions: Vec<Condition>) -> Self {
        let reply = flight.log.shared.appender.reply(flight.id);
        // Unique in the stream: the inbox is unique, and so is the number in it.
        let id = reply.chars().rev().take(64).collect::<Vec<_>>().into_iter().rev().collect();
        let (subjects, total) = (subjects(&records), records.len());
        let mut batch =
            Self { flight, id, total, unsent: records.into(), subjects, conditions: Vec::new() };
        let (lanes, heads): (Vec<_>, Vec<_>) =
            conditions.into_iter().partition(|condition| matches!(condition.scope, Scope::Lane(_)));
        for head in heads {
            let of_head = |record: &NewRecord| record.subject == head.scope.as_str();
            let at = batch.unsent.iter().position(of_head).unwrap_or_default();
            batch.conditions.push((at, head));
        }
        lanes.into_iter().for_each(|lane| batch.ask_last(lane));
        batch
    }

    /// Lets a lane's condition travel on the last record that has none.
    fn ask_last(&mut self, lane: Condition) {
        let free = |at: &usize| self.conditions.iter().all(|(taken, _)| taken != at);
        let at = (0..self.total).rev().find(free).unwrap_or_default();
        self.conditions.push((at, lane));
    }

    /// Sends records until so many are left. Without the last one nothing is stored, and the server forgets the others within seconds.
    pub(super) async fn send_until(&mut self, left: usize) -> Result<(), AppendError> {
        let shared = &self.flight.log.shared;
        let client = &shared.writing.client;
        while self.unsent.len() > left
            && let Some(NewRecord { subject, payload }) = self.unsent.pop_front()
        {
            let sequence = self.total - self.unsent.len();
            let mut headers = self.headers(sequence);
            let here = self.conditions.iter().find(|(at, _)| at + 1 == sequence);
            if let Some((_, condition)) = here {
                ask(&mut headers, condition);
            }
            let sent = if sequence == self.total {
                headers.insert(COMMIT, "1");
                let reply = shared.appender.reply(self.flight.id);
                client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            } else {
                client.publish_with_headers(subject, headers, payload).await
            };
            sent.map_err(|_| AppendError::Closed)?;
        }
        Ok(())
    }

    fn headers(&self, sequence: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, self.id.as_str());
        headers.insert(SEQUENCE, sequence.to_string());
        headers
    }

    /// Sends the last record, with the condition of a lane.
    pub(super) async fn finish(&mut self, lane: Condition) -> Result<(), AppendError> {
        if self.flight.is_broken() {
            // What was sent before is lost, or may be.
            return Err(AppendError::Unavailable);
        }
        self.ask_last(lane);
        self.send_until(0).await
    }

    /// Lets the server forget what was sent: it drops a batch that has a gap.
    pub(super) async fn give_up(mut self) {
        if let Some(NewRecord { subject, .. }) = self.unsent.pop_back() {
            let headers = self.headers(self.total + 1);
            let client = &self.flight.log.shared.writing.client;
            let sent = client.publish_with_headers(subject, headers, Bytes::new()).await;
            tracing::debug!(sent = sent.is_ok(), "a batch sent ahead is not wanted");
        }
    }

    /// Waits for the answer to the last record.
    pub(super) async fn committed(self) -> Result<Vec<Position>, AppendError> {
        let Self { mut flight, total, subjects, conditions, .. } = self;
        let answer = match flight.answer(&subjects).await {
            Ok(answer) => answer,
            Err(silence) => return Err(silence.into_error(&flight)),
        };
        match serde_json::from_slice::<Answer<PubAck>>(&answer) {
            Ok(Answer::Ok(ack)) => {
                flight.log.shared.appender.acknowledge(Position::new(ack.seq), flight.floor);
                Ok(ending_at(ack.seq, total))
            }
            Ok(Answer::Error { error }) if error.is_conflict() => {
                let conditions: Vec<_> = conditions.into_iter().map(|(_, asked)| asked).collect();
                Err(flight.conflict(&conditions).await)
            }
            Ok(Answer::Error { error }) => {
                Err(error.into_append(0, flight.log.shared.description.max_record_bytes))
            }
            Err(_) => Err(AppendError::Unanswered { waited_ms: 0 }),
        }
    }
}

/// Sends a fast batch: in order, ended by the first gap, one acknowledgement at the end.
///
/// The control state travels in the reply subject: `<inbox>.<batch>.<flow>.<gap>.<sequence>.<operation>.$FI`.
pub(super) async fn fast(flight: Flight, records: Vec<NewRecord>) -> Result<Ticket, AppendError> {
    const START: u8 = 0;
    const APPEND: u8 = 1;
    const COMMIT: u8 = 2;
    let shared = &flight.log.shared;
    let prefix = shared.appender.batch_reply(flight.id);
    let total = records.len();
    for (index, record) in records.iter().enumerate() {
        let operation = match index + 1 {
            last if last == total => COMMIT,
            1 => START,
            _ => APPEND,
        };
        let reply = format!("{prefix}.{total}.fail.{}.{operation}.$FI", index + 1);
        let NewRecord { subject, payload } = record.clone();
        let sent = shared.writing.client.publish_with_reply(subject, reply, payload).await;
        sent.map_err(|_| AppendError::Closed)?;
    }
    Ok(ticket(streamed(flight, records)))
}

async fn streamed(
    mut flight: Flight,
    records: Vec<NewRecord>,
) -> Result<Vec<Position>, AppendError> {
    let total = records.len();
    let max = flight.log.shared.description.max_record_bytes;
    let subjects = subjects(&records);
    let interrupted =
        |applied, source| AppendError::Interrupted { applied, total, source: Box::new(source) };
    let mut refusal: Option<ApiError> = None;
    let mut denied: Option<String> = None;
    loop {
        let answer = match flight.answer(&subjects).await {
            Ok(answer) => answer,
            // The records before it are on their way: only the batch's end tells which are stored.
            Err(Silence::Denied(subject)) if denied.is_none() => {
                denied = Some(subject);
                continue;
            }
            Err(silence) => return Err(interrupted(0, silence.into_error(&flight))),
        };
        match serde_json::from_slice::<BatchAnswer>(&answer) {
            Ok(BatchAnswer::Flow { kind, error }) => {
                tracing::trace!(kind, "batch flow");
                refusal = refusal.or(error);
            }
            Ok(BatchAnswer::Final(Answer::Ok(ack))) => {
                let stored = ack.count.unwrap_or(0);
                let last = Position::new(ack.seq);
                if stored != total as u64 {
                    let applied = usize::try_from(stored).unwrap_or(usize::MAX);
                    // Ended for a record that did not arrive: those after it are not stored, and not on their way.
                    let source = match (denied, refusal) {
                        (Some(subject), _) => AppendError::Denied { subject },
                        (None, Some(error)) => error.into_append(0, max),
                        (None, None) => AppendError::Unavailable,
                    };
                    return Err(interrupted(applied, source));
                }
                let floor = flight.floor;
                flight.log.shared.appender.acknowledge(last, floor);
                if floor != Position::ZERO && ack.seq == floor.get() + stored {
                    return Ok(ending_at(ack.seq, total));
                }
                return locate(&flight.log, floor, last, &records)
                    .await
                    .map_err(|_| interrupted(total, AppendError::Unanswered { waited_ms: 0 }));
            }
            Ok(BatchAnswer::Final(Answer::Error { error })) => {
                let source = denied.map_or_else(
                    || error.into_append(0, max),
                    |subject| AppendError::Denied { subject },
                );
                return Err(interrupted(0, source));
            }
            Err(_) => return Err(interrupted(0, AppendError::Unanswered { waited_ms: 0 })),
        }
    }
}

/// Returns the subjects of records, most of them once.
fn subjects(records: &[NewRecord]) -> Vec<String> {
    let mut subjects: Vec<String> = Vec::new();
    for record in records {
        if subjects.last() != Some(&record.subject) {
            subjects.push(record.subject.clone());
        }
    }
    subjects
}

/// Returns the positions of contiguous records.
pub(super) fn ending_at(last: u64, total: usize) -> Vec<Position> {
    let first = (last + 1).saturating_sub(total as u64);
    (first..=last).map(Position::new).collect()
}
