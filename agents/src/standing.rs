//! How an agent stands, as the log tells: its lanes, how far each has reacted, what it has set aside.

use std::collections::BTreeSet;

use colony_bus::log::ReadError;
use colony_bus::{Bus, EntryError, Query};
use colony_core::{AgentName, EntryKind, Filter, LaneName, Position, Timestamp};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::instance::lanes::{Lanes, lane_name, partition_of_lane};
use crate::parked;
use crate::reactor::Note;

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LaneStanding {
    /// Which share of the agent's events it has.
    pub partition: u16,
    /// Its name.
    pub lane: LaneName,
    /// The position up to which every event was reacted to or set aside.
    pub cursor: Position,
    /// Entries in it.
    pub entries: u64,
    /// Where its last entry stands.
    pub last: Position,
    /// When that was recorded.
    pub last_recorded: Option<Timestamp>,
    /// Events set aside.
    pub parked: usize,
    /// Effects recorded for events that are not yet reacted to.
    pub effects: usize,
}

/// Where an agent began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// Over how many lanes its events are spread.
    pub partitions: u16,
    /// It reacts to events past this position.
    pub after: Position,
}

/// Returns how the lanes of the agent stand that a bus acts for; none if it has never run. Appends nothing.
///
/// # Errors
/// [`ReadError`].
pub async fn standing(bus: &Bus) -> Result<Vec<LaneStanding>, ReadError> {
    let mut lanes = Vec::new();
    let mut partitions = 1;
    while lanes.len() < usize::from(partitions) {
        let partition = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
        let view = parked::view(&Lanes::new(bus.clone(), partition)).await?;
        if view.partitions() == 0 {
            break;
        }
        partitions = view.partitions();
        let end = view.end();
        let record = bus.log().get(end.last).await?;
        lanes.push(LaneStanding {
            partition,
            lane: lane_name(partition, view.number()),
            cursor: view.cursor(),
            entries: end.head.number(),
            last: end.last,
            last_recorded: record.map(|record| record.recorded),
            parked: view.parked().len(),
            effects: view.effects(),
        });
    }
    Ok(lanes)
}

/// Returns where the agent began that a bus acts for; `None` if it has never run.
///
/// # Errors
/// [`EntryError::Read`].
pub async fn beginning(bus: &Bus) -> Result<Option<Beginning>, EntryError> {
    let (kinds, authors) = ([EntryKind::Cursor].into(), [bus.agent().clone()].into());
    let filter = Filter { kinds, authors, ..Filter::default() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await?;
    while let Some(entry) = entries.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(EntryError::Unreadable { .. }) => continue,
            Err(error) => return Err(error),
        };
        if partition_of_lane(&entry.address).is_some()
            && let Some(Note::Opened(opening)) = Note::of(&entry)
        {
            let after = entry.envelope.cursor.unwrap_or(Position::ZERO);
            return Ok(Some(Beginning { partitions: opening.partitions, after }));
        }
    }
    Ok(None)
}

/// Returns the agents that have reacted to events in a space, or begun to.
///
/// # Errors
/// [`EntryError::Read`].
pub async fn reacting(bus: &Bus) -> Result<BTreeSet<AgentName>, EntryError> {
    let filter = Filter { kinds: [EntryKind::Cursor].into(), ..Filter::default() };
    let mut entries = bus.read(Query { filter, ..Query::default() }).await?;
    let mut agents = BTreeSet::new();
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) if partition_of_lane(&entry.address).is_some() => {
                agents.insert(entry.envelope.event.author);
            }
            Ok(_) | Err(EntryError::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(agents)
}
