//! A space at a glance: counts, entities and documents, folded together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::entities::EntityTable;
use super::statistics::{Moment, StatisticsState};
use super::{Entities, Projection, Statistics};
use crate::envelope::Entry;
use crate::name::{AgentName, DocumentName};
use crate::subject::Kind;

/// Folds [`Statistics`], [`Entities`] and what is known of documents without opening them, in one pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Overview;

/// What [`Overview`] folds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverviewState {
    /// Counts.
    pub statistics: StatisticsState,
    /// What happened last to each entity.
    pub entities: EntityTable,
    /// What was written of each document.
    pub documents: BTreeMap<DocumentName, DocumentState>,
}

/// What the entries of a document tell without opening it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentState {
    /// How many entries carry changes of it.
    pub entries: u64,
    /// How many bytes of changes they carry.
    pub bytes: u64,
    /// The last of them.
    pub last: Moment,
    /// Who wrote that.
    pub author: AgentName,
}

impl Projection for Overview {
    type State = OverviewState;

    fn name(&self) -> &str {
        "overview"
    }

    fn version(&self) -> u32 {
        1
    }

    fn initial(&self) -> OverviewState {
        OverviewState::default()
    }

    fn evolve(&self, state: &mut OverviewState, entry: &Entry) {
        let OverviewState { statistics, entities, documents } = state;
        Statistics.evolve(statistics, entry);
        Entities.evolve(entities, entry);
        let Some(Kind::Document(name)) = entry.kind() else { return };
        let event = entry.event();
        let bytes = event.data.len() as u64;
        let (last, author) = (Moment::from(entry), event.author.clone());
        match documents.get_mut(name) {
            Some(known) => {
                *known = DocumentState {
                    entries: known.entries + 1,
                    bytes: known.bytes.saturating_add(bytes),
                    last,
                    author,
                };
            }
            None => {
                let first = DocumentState { entries: 1, bytes, last, author };
                documents.insert(name.clone(), first);
            }
        }
    }
}
