//! What would have been: a space from a cut on without an agent's reactions, and where two histories part.

use std::collections::BTreeMap;

use colony_bus::log::{Range, ReadError};
use colony_bus::memory::{MemoryClock, OrderError};
use colony_bus::{Bus, EntryError, MemoryLog, MemoryOptions, Query};
use colony_core::event::Event;
use colony_core::{Address, Filter, Position, Subject};
use futures_util::StreamExt as _;

use crate::instance::lanes::partition_of_lane;
use crate::reactor::Note;

/// Why a space could not be forked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log's records are not in order.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// Makes a space in memory of everything that is stored, but for the reactions of the agent that a bus acts for past a cut.
///
/// An instance of the agent that is started there reacts to what was recorded, at the places where it was recorded. What
/// others answered to the reactions left out is still there; others' changes of documents that go on from changes left out wait for
/// them, and show only if the agent makes the same ones again. Effects past the cut are asked for again, so a handler is given what asks
/// nobody. Holds the whole history in memory.
///
/// # Errors
/// [`ForkError`].
pub async fn fork(bus: &Bus, cut: Position) -> Result<MemoryLog, ForkError> {
    let mut stored = bus.log().read(Range::all()).await?;
    let mut records = Vec::new();
    while let Some(record) = stored.next().await {
        let record = record?;
        if record.position <= cut || !is_reaction(bus, &record.subject) {
            records.push(record);
        }
    }
    // Caches made of the space must not be believed there, nor those of another fork.
    let identity = format!("{}/fork-{}", bus.description().identity, bus.new_id());
    let clock = MemoryClock::system();
    let options = MemoryOptions { clock, ..MemoryOptions::new(identity) };
    Ok(MemoryLog::with_records(options, records)?)
}

fn is_reaction(bus: &Bus, subject: &str) -> bool {
    let Ok(Subject { address, .. }) = Subject::parse(subject) else { return false };
    let own = matches!(&address, Address::Lane { lane, .. } if lane.author == *bus.agent());
    own && partition_of_lane(&address).is_some()
}

/// An event that led to other outputs in one space than in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Where the event stands.
    pub event: Position,
    /// What the agent said in the first space.
    pub here: Vec<Event>,
    /// What it said in the other.
    pub there: Vec<Event>,
}

/// Compares what an agent said in answer to events past a position, in two spaces; in the order of the events.
///
/// # Errors
/// [`EntryError::Read`].
pub async fn compare(
    here: &Bus,
    there: &Bus,
    after: Position,
) -> Result<Vec<Divergence>, EntryError> {
    let mut of_here = outputs(here, after).await?;
    let mut of_there = outputs(there, after).await?;
    let events: std::collections::BTreeSet<Position> =
        of_here.keys().chain(of_there.keys()).copied().collect();
    let mut divergences = Vec::new();
    for event in events {
        let here = of_here.remove(&event).unwrap_or_default();
        let there = of_there.remove(&event).unwrap_or_default();
        if here != there {
            divergences.push(Divergence { event, here, there });
        }
    }
    Ok(divergences)
}

async fn outputs(bus: &Bus, after: Position) -> Result<BTreeMap<Position, Vec<Event>>, EntryError> {
    let filter = Filter::lanes_of(bus.agent().clone());
    let query = Query { filter, after: Some(colony_bus::Cut::Position(after)), ..Query::default() };
    let mut entries = bus.read(query).await?;
    let mut outputs: BTreeMap<Position, Vec<Event>> = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Unreadable { .. }) => continue,
            Err(error) => return Err(error),
        };
        let said = matches!(Note::of(&entry), Some(Note::Output | Note::Changes));
        let output = partition_of_lane(&entry.address).is_some() && said;
        let cause = entry.event().cause.as_ref().and_then(|cause| cause.position);
        if let Some(cause) = cause.filter(|cause| output && *cause > after) {
            outputs.entry(cause).or_default().push(entry.envelope.event);
        }
    }
    Ok(outputs)
}

/// Returns the first cut past `after`, at or before `until`, at which a predicate holds; `None` if it does not hold at
/// `until`.
///
/// The predicate is asked some log2(`until` - `after`) times. It is taken to hold at every cut after the first at which it does.
///
/// # Errors
/// What the predicate reports.
pub async fn bisect<E, F: Future<Output = Result<bool, E>>>(
    after: Position,
    until: Position,
    mut holds: impl FnMut(Position) -> F,
) -> Result<Option<Position>, E> {
    if until <= after || !holds(until).await? {
        return Ok(None);
    }
    let (mut no, mut yes) = (after.get(), until.get());
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        match holds(Position::new(middle)).await? {
            true => yes = middle,
            false => no = middle,
        }
    }
    Ok(Some(Position::new(yes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_cut_at_which_something_holds_is_found() {
        let holds_from = |first: u64| {
            move |cut: Position| async move { Ok::<_, std::convert::Infallible>(cut.get() >= first) }
        };
        let (after, until) = (Position::new(10), Position::new(1_000));
        for first in [11, 12, 500, 999, 1_000] {
            let found = bisect(after, until, holds_from(first)).await.unwrap();
            assert_eq!(found, Some(Position::new(first)));
        }
        assert_eq!(bisect(after, until, holds_from(1_001)).await.unwrap(), None);
        assert_eq!(bisect(until, after, holds_from(0)).await.unwrap(), None);
    }
}
