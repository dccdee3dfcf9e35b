//! What the rules are written with.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use colony_bus::log::{
    AppendError, Condition, EventLog, Followed, Following, Live, NewRecord, Outcome, Range, Record,
    Scope, Unit, Wholeness,
};
use colony_core::subject::lane_filter;
use colony_core::{AgentName, Lane, LaneName, Position, SpaceName};
use futures_util::StreamExt;

use super::{FreshLog, LogFactory, Violation};

/// How long servers may be without a leader.
const ELECTION: Duration = Duration::from_secs(20);
/// Pause between two attempts meanwhile.
const ELECTION_PAUSE: Duration = Duration::from_millis(50);

/// Returns the seed of this run: `COLONY_TEST_SEED`, or one that differs from run to run.
pub fn test_seed() -> u64 {
    let given = std::env::var("COLONY_TEST_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() << 20)
    })
}

/// Numbers that look random and come from a seed (xorshift64*, Vigna 2016).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Makes a generator. Different `stream`s of one seed give unrelated numbers.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mixed = (seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(31);
        let mut random = Self(mixed | 1);
        // The first numbers of seeds that are alike are alike.
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    /// Returns a number below `bound`, or 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) % bound.max(1)
    }

    /// Returns so many bytes.
    pub fn bytes(&mut self, count: usize) -> Bytes {
        (0..count).map(|_| self.below(256) as u8).collect()
    }

    /// Returns one of some things; `None` if there are none.
    pub fn choose<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len() as u64) as usize)
    }
}

/// Units that [`Fixture::fill`] has on their way at a time.
pub const OPEN_TICKETS: usize = 200;

/// A fresh log and what the rules do with it. Clones are of the same log.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// Its live messages.
    pub live: Arc<dyn Live>,
    /// The space whose subjects it stores.
    pub space: SpaceName,
    /// What random choices come from.
    pub seed: u64,
    factory: Arc<dyn LogFactory>,
    _keep: Arc<dyn Any + Send + Sync>,
}

impl Fixture {
    /// Makes a fresh log.
    ///
    /// # Errors
    /// [`Violation::Factory`].
    pub async fn new(factory: Arc<dyn LogFactory>, seed: u64) -> Result<Self, Violation> {
        let FreshLog { log, live, space, keep } =
            factory.make().await.map_err(Violation::Factory)?;
        Ok(Self { log, live, space, seed, factory, _keep: keep })
    }

    /// Makes another log with the same factory.
    ///
    /// # Errors
    /// [`Violation::Factory`].
    pub async fn another(&self) -> Result<Self, Violation> {
        Self::new(Arc::clone(&self.factory), self.seed).await
    }

    /// Returns random numbers; each stream of them its own.
    pub fn random(&self, stream: u64) -> Random {
        Random::new(self.seed, stream)
    }

    /// Returns the subject of an event of a test: `author` and `entity` are single tokens.
    pub fn subject(&self, author: &str, entity: impl std::fmt::Display) -> String {
        format!("colony.{}.{author}.main.event.test.done.{entity}", self.space)
    }

    /// Returns the filter of the lane that [`Fixture::subject`] is in.
    pub fn lane(&self, author: &str) -> Result<String, Violation> {
        let names = (author.parse::<AgentName>(), "main".parse::<LaneName>());
        match names {
            (Ok(author), Ok(name)) => Ok(lane_filter(&self.space, &Lane { author, name })),
            (_, _) => Err(differs("a test's author", "a name", author)),
        }
    }

    /// Returns a condition on the lane.
    ///
    /// # Errors
    /// None, if the author is a name.
    pub fn lane_last(&self, author: &str, last: Position) -> Result<Condition, Violation> {
        Ok(Condition { scope: Scope::Lane(self.lane(author)?), last })
    }

    /// Appends a unit and waits until it is durable.
    ///
    /// # Errors
    /// As the log says.
    pub async fn append(&self, unit: Unit) -> Result<Vec<Position>, AppendError> {
        let patience = tokio::time::Instant::now() + ELECTION;
        loop {
            let appended = match self.log.append(unit.clone()).await {
                Ok(ticket) => ticket.await,
                Err(error) => Err(error),
            };
            match appended {
                // Nothing was stored: three servers that have just begun, or have no processor time, have no leader.
                Err(AppendError::Unavailable) if tokio::time::Instant::now() < patience => {
                    tokio::time::sleep(ELECTION_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Appends one record and returns where it stands.
    ///
    /// # Errors
    /// As the log says.
    pub async fn append_one(
        &self,
        subject: String,
        payload: impl Into<Bytes>,
    ) -> Result<Position, Violation> {
        let positions = self.append(Unit::one(record(subject, payload))).await?;
        equal("positions of a unit of one", &positions.len(), &1)?;
        Ok(positions.first().copied().unwrap_or_default())
    }

    /// Appends so many records, with up to [`OPEN_TICKETS`] on their way at a time.
    ///
    /// # Errors
    /// As the log says.
    pub async fn fill(&self, author: &str, count: u64) -> Result<Vec<Position>, Violation> {
        let mut open = VecDeque::new();
        let mut positions = Vec::new();
        for number in 0..count {
            if open.len() == OPEN_TICKETS
                && let Some(ticket) = open.pop_front()
            {
                positions.extend(ticket.await?);
            }
            let subject = self.subject(author, number % 10);
            let new = record(subject, number.to_be_bytes().to_vec());
            open.push_back(self.log.append(Unit::one(new)).await?);
        }
        for ticket in open {
            positions.extend(ticket.await?);
        }
        Ok(positions)
    }

    /// Reads a range to its end.
    ///
    /// # Errors
    /// As the log says.
    pub async fn read(&self, range: Range) -> Result<Vec<Record>, Violation> {
        let mut records = self.log.read(range).await?;
        let mut out = Vec::new();
        while let Some(record) = records.next().await {
            out.push(record?);
        }
        Ok(out)
    }

    /// Reads everything.
    ///
    /// # Errors
    /// As the log says.
    pub async fn all(&self) -> Result<Vec<Record>, Violation> {
        self.read(Range::all()).await
    }

    /// Appends a unit that has to be refused, and makes sure that nothing of it was stored, as the error has to say.
    ///
    /// # Errors
    /// [`Violation`] if it was not refused, or not whole.
    pub async fn refuses(&self, unit: Unit) -> Result<AppendError, Violation> {
        let before = self.all().await?;
        let error = match self.append(unit).await {
            Ok(positions) => {
                return Err(differs(
                    "the answer to a unit",
                    "a refusal",
                    &format!("{positions:?}"),
                ));
            }
            Err(error) => error,
        };
        equal("the outcome of a refusal", &error.outcome(), &Outcome::NotApplied)?;
        same_records("the log after a refusal", &self.all().await?, &before)?;
        Ok(error)
    }

    /// As [`Fixture::refuses`], because a condition does not hold. Returns the winner told.
    ///
    /// # Errors
    /// [`Violation`].
    pub async fn conflicts(&self, unit: Unit) -> Result<Option<Record>, Violation> {
        let conditions = unit.conditions.clone();
        match self.refuses(unit).await? {
            AppendError::Conflict { scope, expected, winner } => {
                let asked =
                    conditions.iter().any(|c| c.scope.as_str() == scope && c.last == expected);
                ensure("the conflict is about a condition of the unit", asked)?;
                Ok(winner.map(|winner| *winner))
            }
            error => Err(differs("the refusal", "a conflict", &format!("{error:?}"))),
        }
    }
}

/// Makes a record.
pub fn record(subject: String, payload: impl Into<Bytes>) -> NewRecord {
    NewRecord { subject, payload: payload.into() }
}

/// Makes a unit without conditions.
pub fn unit(wholeness: Wholeness, records: Vec<NewRecord>) -> Unit {
    Unit { records, wholeness, conditions: Vec::new() }
}

/// What a follower saw up to some record.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Records in the order in which they came.
    pub records: Vec<Record>,
    /// How many records had come each time it was told that it had caught up.
    pub caught_up: Vec<usize>,
}

/// Follows until `enough` says so.
///
/// # Errors
/// [`Violation`] if the stream fails or ends.
pub async fn follow_until(
    followed: &mut Following,
    mut enough: impl FnMut(&Seen) -> bool,
) -> Result<Seen, Violation> {
    let mut seen = Seen::default();
    while !enough(&seen) {
        match followed.next().await.transpose()? {
            Some(Followed::Record(record)) => seen.records.push(record),
            Some(Followed::CaughtUp) => seen.caught_up.push(seen.records.len()),
            None => return Err(differs("a follower", "never to end", "its end")),
        }
    }
    Ok(seen)
}

/// Makes sure that something holds.
///
/// # Errors
/// [`Violation::Differs`].
pub fn ensure(what: &'static str, holds: bool) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(differs(what, "that it holds", "that it does not")) }
}

/// Makes sure that two things are equal.
///
/// # Errors
/// [`Violation::Differs`].
pub fn equal<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    actual: &T,
    expected: &T,
) -> Result<(), Violation> {
    if actual == expected {
        return Ok(());
    }
    Err(differs(what, &format!("{expected:?}"), &format!("{actual:?}")))
}

/// Makes sure that two sequences of records are equal; tells the first difference.
///
/// # Errors
/// [`Violation::Differs`].
pub fn same_records(
    what: &'static str,
    actual: &[Record],
    expected: &[Record],
) -> Result<(), Violation> {
    let place = |record: Option<&Record>| {
        record.map(|record| (record.position, record.subject.clone(), record.payload.len()))
    };
    let mut pairs = (0..actual.len().max(expected.len())).map(|n| (actual.get(n), expected.get(n)));
    match pairs.find(|(actual, expected)| actual != expected) {
        None => Ok(()),
        Some((actual, expected)) => equal(what, &place(actual), &place(expected)).and(Err(
            differs(what, "the same bytes and time", &format!("others at {:?}", place(actual))),
        )),
    }
}

/// Makes a violation.
pub fn differs(what: &'static str, expected: &str, actual: &str) -> Violation {
    Violation::Differs { what, expected: expected.to_owned(), actual: actual.to_owned() }
}
