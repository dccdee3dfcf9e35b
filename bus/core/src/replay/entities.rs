//! What happened last to each entity.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Projection;
use super::statistics::Moment;
use crate::envelope::Entry;
use crate::name::{AgentName, EntityName, EventId, EventType};
use crate::subject::Kind;

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
    type State = BTreeMap<EntityName, EntityState>;

    fn name(&self) -> &str {
        "entities"
    }

    fn version(&self) -> u32 {
        1
    }

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn evolve(&self, state: &mut Self::State, entry: &Entry) {
        let event = entry.event();
        let (Some(Kind::Event { .. } | Kind::Mail { .. }), Some(entity)) =
            (entry.kind(), &event.entity)
        else {
            return;
        };
        let moment = Moment::from(entry);
        let last = LastEvent {
            moment,
            id: event.id.clone(),
            ty: event.ty.clone(),
            author: event.author.clone(),
        };
        match state.get_mut(entity) {
            Some(known) => {
                known.events += 1;
                known.last = last;
            }
            None => {
                state.insert(entity.clone(), EntityState { events: 1, first: moment, last });
            }
        }
    }
}
