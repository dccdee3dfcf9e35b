//! Counts of what a log holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Projection;
use crate::envelope::Entry;
use crate::filter::EntryKind;
use crate::name::{AgentName, DocumentName, EventType};
use crate::position::Position;
use crate::subject::Kind;
use crate::timestamp::Timestamp;

/// Counts entries by kind, author and document, and events and mail by type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics;

/// What [`Statistics`] folds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsState {
    /// All entries.
    pub entries: u64,
    /// Bytes of all events' data.
    pub data_bytes: u64,
    /// Entries by kind.
    pub kinds: BTreeMap<EntryKind, u64>,
    /// Entries by author.
    pub authors: BTreeMap<AgentName, u64>,
    /// Events and mail by type.
    pub types: BTreeMap<EventType, u64>,
    /// Changes by document.
    pub documents: BTreeMap<DocumentName, u64>,
    /// The first entry.
    pub first: Option<Moment>,
    /// The last entry.
    pub last: Option<Moment>,
}

/// Where an entry stands, and when the log stored it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Where it stands.
    pub position: Position,
    /// When the log stored it, by the log's clock.
    pub recorded: Timestamp,
}

impl From<&Entry> for Moment {
    fn from(entry: &Entry) -> Self {
        Self { position: entry.position, recorded: entry.recorded }
    }
}

impl Projection for Statistics {
    type State = StatisticsState;

    fn name(&self) -> &str {
        "statistics"
    }

    fn version(&self) -> u32 {
        2
    }

    fn initial(&self) -> StatisticsState {
        StatisticsState::default()
    }

    fn evolve(&self, state: &mut StatisticsState, entry: &Entry) {
        let event = entry.event();
        state.entries += 1;
        state.data_bytes = state.data_bytes.saturating_add(event.data.len() as u64);
        count(&mut state.kinds, &EntryKind::of(&entry.address));
        count(&mut state.authors, &event.author);
        match entry.kind() {
            Some(Kind::Event { .. } | Kind::Mail { .. }) => {
                count(&mut state.types, &event.ty);
            }
            Some(Kind::Document(name)) => count(&mut state.documents, name),
            Some(Kind::Snapshot(_) | Kind::Effect(_) | Kind::Cursor) | None => {}
        }
        let moment = Moment::from(entry);
        state.first.get_or_insert(moment);
        state.last = Some(moment);
    }
}

fn count<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, key: &K) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => drop(counts.insert(key.clone(), 1)),
    }
}
