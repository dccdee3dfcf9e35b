//! What happened last to each entity.

use serde::{Deserialize, Serialize};

use super::Projection;
use super::statistics::Moment;
use crate::envelope::Entry;
use crate::name::{AgentName, EventId, EventType};
use crate::subject::Kind;

mod table;
pub use table::EntityTable;

/// Keeps the last event or mail about each entity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Entities;

/// What [`Entities`] keeps of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityState {
    /// How many events and mails were about it.
    pub events: u64,
    /// The first of them.
    pub first: Moment,
    /// The last of them.
    pub last: LastEvent,
}

/// The last event about an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// Where it stands and when it was stored.
    pub moment: Moment,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub ty: EventType,
    /// Its author.
    pub author: AgentName,
}

impl Projection for Entities {
    type State = EntityTable;

    fn name(&self) -> &str {
        "entities"
    }

    fn version(&self) -> u32 {
        2
    }

    fn initial(&self) -> Self::State {
        EntityTable::default()
    }

    fn evolve(&self, state: &mut Self::State, entry: &Entry) {
        let event = entry.event();
        let (Some(Kind::Event { .. } | Kind::Mail { .. }), Some(entity)) =
            (entry.kind(), &event.entity)
        else {
            return;
        };
        let last = LastEvent {
            moment: Moment::from(entry),
            id: event.id.clone(),
            ty: event.ty.clone(),
            author: event.author.clone(),
        };
        state.happened(entity, last);
    }
}
