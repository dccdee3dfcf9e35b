//! Where the records of a fast batch stand: its acknowledgement names only the last.

use std::time::Duration;

use colony_core::Position;
use futures_util::StreamExt as _;
use serde_json::json;

use super::batch::ending_at;
use super::read::{REDIRECTED, Source, get, read_to};
use super::{JetStreamLog, Shared};
use crate::log::{NewRecord, ReadError};

/// How far back the records of a batch are looked for when nothing is known of what stood before it, in batches of that size.
const FAR: u64 = 16;
/// How long a server may take over the next record of several asked for.
const OVERDUE: Duration = Duration::from_secs(2);

/// Finds where the records of a unit stand that other writers' records may stand between.
///
/// They are known to be stored past `floor` and at or before `last`.
pub(super) async fn locate(
    log: &JetStreamLog,
    floor: Position,
    last: Position,
    records: &[NewRecord],
) -> Result<Vec<Position>, ReadError> {
    // At the very first append nothing is known of what stands before: look at the end only.
    let far = FAR * records.len() as u64;
    let floor = match floor {
        Position::ZERO => Position::new(last.get().saturating_sub(far)),
        floor => floor,
    };
    // Others wrote before it, most often, and not between.
    let together = ending_at(last.get(), records.len());
    if let (Some(at), Some(first)) = (together.first(), records.first())
        && let Some(found) = get(&log.shared, json!({ "seq": at })).await?
        && found.subject == first.subject
        && found.payload == first.payload
    {
        return Ok(together);
    }
    if let Some(positions) = ask(&log.shared, floor, last, records).await {
        return Ok(positions);
    }
    // A server that was asked may be behind.
    for after in [floor, Position::ZERO] {
        let subjects = vec![covering(records)];
        let mut found = read_to(Source::new(log.clone(), after, subjects), last).await?;
        let mut matching = Matching::new(records);
        while let Some(record) = found.next().await {
            let record = record?;
            matching.take(&record.subject, &record.payload, record.position);
        }
        if let Some(positions) = matching.complete() {
            return Ok(positions);
        }
    }
    Err(ReadError::Malformed { what: "a batch acknowledged and not found" })
}

/// Asks any server for the records that stand there, without a consumer; `None` if it does not have them all.
async fn ask(
    shared: &Shared,
    floor: Position,
    last: Position,
    records: &[NewRecord],
) -> Option<Vec<Position>> {
    let client = &shared.reading.client;
    let subject = format!("$JS.API.DIRECT.GET.{}", shared.stream);
    let mut matching = Matching::new(records);
    let mut next = floor.next();
    while next <= last {
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.ok()?;
        let request = json!({
            "seq": next,
            "next_by_subj": covering(records),
            "batch": records.len(),
        });
        let payload = request.to_string().into();
        client.publish_with_reply(subject.clone(), inbox, payload).await.ok()?;
        let before = next;
        loop {
            let answer = tokio::time::timeout(OVERDUE, answers.next()).await.ok()??;
            // The end of what was asked for, or that there is nothing.
            if answer.status.is_some() {
                break;
            }
            let headers = answer.headers?;
            let position = Position::new(headers.get(REDIRECTED)?.as_str().parse().ok()?);
            matching.take(headers.get("Nats-Subject")?.as_str(), &answer.payload, position);
            next = position.next();
        }
        if matching.rest.is_empty() || next == before {
            break;
        }
    }
    matching.complete()
}

/// Finds records in their order.
struct Matching<'a> {
    rest: &'a [NewRecord],
    positions: Vec<Position>,
}

impl<'a> Matching<'a> {
    fn new(rest: &'a [NewRecord]) -> Self {
        Self { rest, positions: Vec::with_capacity(rest.len()) }
    }

    fn take(&mut self, subject: &str, payload: &[u8], position: Position) {
        if let Some((wanted, rest)) = self.rest.split_first()
            && wanted.subject == subject
            && wanted.payload == payload
        {
            self.positions.push(position);
            self.rest = rest;
        }
    }

    fn complete(self) -> Option<Vec<Position>> {
        self.rest.is_empty().then_some(self.positions)
    }
}

/// Returns a filter that all the records' subjects match, as narrow as one can be.
fn covering(records: &[NewRecord]) -> String {
    let mut subjects = records.iter().map(|record| record.subject.split('.'));
    let mut tokens: Vec<&str> = subjects.next().into_iter().flatten().collect();
    let mut open = false;
    for subject in subjects {
        let other: Vec<&str> = subject.collect();
        open |= other.len() != tokens.len();
        tokens.truncate(other.len());
        for (token, other) in tokens.iter_mut().zip(other) {
            if *token != other {
                *token = "*";
            }
        }
    }
    if open && let Some(last) = tokens.last_mut() {
        *last = ">";
    }
    tokens.join(".")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn records(subjects: &[&str]) -> Vec<NewRecord> {
        let record = |subject: &&str| NewRecord {
            subject: (*subject).to_owned(),
            payload: Bytes::from_static(b"x"),
        };
        subjects.iter().map(record).collect()
    }

    #[test]
    fn a_covering_filter_matches_all_subjects_and_little_else() {
        let cover = |subjects: &[&str]| covering(&records(subjects));
        assert_eq!(cover(&["a.b.c"]), "a.b.c");
        assert_eq!(cover(&["a.b.c", "a.x.c", "a.b.c"]), "a.*.c");
        assert_eq!(cover(&["a.b.c", "a.b.c.d"]), "a.b.>");
        assert_eq!(cover(&["a.b.c.d", "a.x"]), "a.>");
    }

    #[test]
    fn only_records_in_their_order_match() {
        let wanted = records(&["a", "b", "a"]);
        let mut matching = Matching::new(&wanted);
        for (position, subject) in (5..).zip(["b", "a", "a", "b", "c", "a", "a"]) {
            matching.take(subject, b"x", Position::new(position));
        }
        let found = matching.complete().unwrap();
        assert_eq!(found, [6, 8, 10].map(Position::new));
    }
}
