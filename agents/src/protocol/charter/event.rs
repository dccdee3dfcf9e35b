//! What a charter says.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, EventType};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;

payloads! {
    /// What is said about the space itself. The entity is `space`.
    CharterEvent {
        "space.chartered" => Chartered(Chartered),
    }
}

/// Who administers the space, and what it asks of agents. Replaces what held before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chartered {
    /// Agents that may revoke, stop, issue stakes, reverse deeds, and write the next charter. At least one.
    pub administrators: BTreeSet<AgentName>,
    /// Agents that answer for people; empty means the administrators.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub people: BTreeSet<AgentName>,
    /// The reputation, of 1000, that an event's author needs, by the event's type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub levels: BTreeMap<EventType, u32>,
}
