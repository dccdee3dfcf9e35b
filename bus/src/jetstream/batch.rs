//! Batches: several records in one round trip (NATS ADR-50).

use async_nats::HeaderMap;
use colony_core::Position;

use super::answer::{Answer, ApiError, BatchAnswer, PubAck};
use super::append::{Flight, Silence, ask, ticket};
use super::locate::locate;
use crate::log::{AppendError, Condition, NewRecord, Scope, Ticket};

/// Sends an atomic batch: all or nothing, contiguous, one acknowledgement.
///
/// A lane's condition goes on the first record, a subject's on the first record of that subject: the server
/// checks them all when it commits.
pub(super) async fn atomic(
    flight: Flight,
    records: Vec<NewRecord>,
    mut conditions: Vec<Condition>,
) -> Result<Ticket, AppendError> {
    let shared = &flight.log.shared;
    let reply = shared.appender.reply(flight.id);
    // Unique in the stream: the inbox is unique, and so is the number in it.
    let batch: String =
        reply.chars().rev().take(64).collect::<Vec<_>>().into_iter().rev().collect();
    let total = records.len();
    let subjects = subjects(&records);
    let kept = conditions.clone();
    for (index, NewRecord { subject, payload }) in records.into_iter().enumerate() {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", batch.as_str());
        headers.insert("Nats-Batch-Sequence", (index + 1).to_string());
        let here = conditions.iter().position(|condition| match &condition.scope {
            Scope::Lane(_) => index == 0,
            Scope::Subject(exact) => *exact == subject,
        });
        if let Some(here) = here {
            ask(&mut headers, &conditions.remove(here));
        }
        let client = &shared.writing.client;
        let sent = if index + 1 == total {
            headers.insert("Nats-Batch-Commit", "1");
            client.publish_with_reply_and_headers(subject, reply.clone(), headers, payload).await
        } else {
            client.publish_with_headers(subject, headers, payload).await
        };
        sent.map_err(|_| AppendError::Closed)?;
    }
    Ok(ticket(committed(flight, subjects, total, kept)))
}

async fn committed(
    mut flight: Flight,
    subjects: Vec<String>,
    total: usize,
    conditions: Vec<Condition>,
) -> Result<Vec<Position>, AppendError> {
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
            Err(flight.conflict(&conditions).await)
        }
        Ok(Answer::Error { error }) => {
            Err(error.into_append(0, flight.log.shared.description.max_record_bytes))
        }
        Err(_) => Err(AppendError::Unanswered { waited_ms: 0 }),
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
