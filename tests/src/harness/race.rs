//! Writers that race on one lane with the lane condition, and a check of who won.

use std::sync::Arc;
use std::time::Duration;

use colony_bus::log::{
    AppendError, Condition, EventLog as _, NewRecord, Outcome, Range, Scope, Unit, Wholeness,
};
use colony_bus::{JetStreamLog, ServerOptions};
use colony_core::Position;
use futures_util::StreamExt as _;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Progress;
use super::servers::space;

/// A race of writers, each on connections of its own.
#[derive(Debug, Clone)]
pub struct Race {
    /// The server.
    pub server: ServerOptions,
    /// The filter of each writer's condition.
    pub filters: Vec<String>,
    /// Where they write: each takes these in turn.
    pub subjects: Vec<String>,
    /// Ends when so many were accepted and nobody holds the progress.
    pub accepted: u64,
    /// Counts those accepted.
    pub progress: Progress,
}

/// What came of a race.
#[derive(Debug, Default)]
pub struct RaceReport {
    /// Appends acknowledged.
    pub accepted: usize,
    /// Appends refused for their condition.
    pub refused: usize,
    /// Appends of which it was not told.
    pub unknown: usize,
    /// Records whose condition did not hold where they stand: position, last position asked for, and real one.
    pub stale: Vec<(Position, Position, Position)>,
    /// Acknowledged appends that are not in the log.
    pub lost: Vec<Position>,
}

/// Runs a race on a new lane and judges the log afterwards.
///
/// Every record says in its bytes what it was told to stand after, so records that were never acknowledged are judged, too.
pub async fn race(race: Race) -> RaceReport {
    let race = Arc::new(race);
    let start = Arc::new(Barrier::new(race.filters.len()));
    let mut writers = JoinSet::new();
    for number in 0..race.filters.len() {
        writers.spawn(write(Arc::clone(&race), number, Arc::clone(&start)));
    }
    let mut report = RaceReport::default();
    let mut told = Vec::new();
    while let Some(writer) = writers.join_next().await {
        let (accepted, refused, unknown) = writer.expect("the writer did not fail");
        report.accepted += accepted.len();
        report.refused += refused;
        report.unknown += unknown;
        told.extend(accepted);
    }
    judge(&race, &told, &mut report).await;
    println!(
        "accepted {}, refused {}, unknown {}, stale {}, lost {}",
        report.accepted,
        report.refused,
        report.unknown,
        report.stale.len(),
        report.lost.len()
    );
    report
}

async fn write(
    race: Arc<Race>,
    number: usize,
    start: Arc<Barrier>,
) -> (Vec<(Position, Vec<u8>)>, usize, usize) {
    let log = JetStreamLog::connect(&space(), &race.server).await.expect("it connects");
    start.wait().await;
    let filter = &race.filters[number];
    let (mut accepted, mut refused, mut unknown) = (Vec::new(), 0, 0);
    let mut last = None;
    let mut turn = 0;
    while race.progress.goes_on(race.accepted) {
        let expected = match last {
            Some(last) => last,
            None => match log.last(filter).await {
                Ok(record) => record.map_or(Position::ZERO, |record| record.position),
                Err(_) => {
                    // The server is away.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        turn += 1;
        let subject = race.subjects[(turn + number) % race.subjects.len()].clone();
        let payload = format!("{expected} {number} {turn}").into_bytes();
        let unit = Unit {
            records: vec![NewRecord { subject, payload: payload.clone().into() }],
            wholeness: Wholeness::Ordered,
            conditions: vec![Condition { scope: Scope::Lane(filter.clone()), last: expected }],
        };
        let result = match log.append(unit).await {
            Ok(ticket) => ticket.await,
            Err(error) => Err(error),
        };
        last = None;
        match result {
            Ok(positions) => {
                accepted.push((positions[0], payload));
                race.progress.step();
                last = Some(positions[0]);
            }
            Err(AppendError::Conflict { winner, .. }) => {
                refused += 1;
                // What won may be known; an older answer would only lose once more.
                last = winner.map(|winner| winner.position).filter(|winner| *winner > expected);
            }
            Err(error) if error.outcome() == Outcome::Unknown => unknown += 1,
            Err(AppendError::Unavailable) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("a writer was refused: {error}"),
        }
    }
    (accepted, refused, unknown)
}

async fn judge(race: &Race, told: &[(Position, Vec<u8>)], report: &mut RaceReport) {
    let log = JetStreamLog::connect(&space(), &race.server).await.expect("it connects");
    let mut subjects = race.subjects.clone();
    subjects.sort_unstable();
    subjects.dedup();
    let range = Range { after: Position::ZERO, until: Position::MAX, subjects };
    let mut records = log.read(range).await.expect("the lane can be read");
    let mut found = std::collections::BTreeMap::new();
    let mut last = Position::ZERO;
    while let Some(record) = records.next().await {
        let record = record.expect("the lane can be read to its end");
        let text = String::from_utf8(record.payload.to_vec()).unwrap();
        let expected = Position::new(text.split(' ').next().unwrap().parse().unwrap());
        if expected != last {
            report.stale.push((record.position, expected, last));
        }
        last = record.position;
        found.insert(record.position, record.payload.to_vec());
    }
    for (position, payload) in told {
        if found.get(position) != Some(payload) {
            report.lost.push(*position);
        }
    }
}
