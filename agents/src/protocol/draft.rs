//! Drafts: the events that a decision wants appended.

use colony_core::{AgentName, Data, EntityName, Event, EventId, EventType};

use super::payload::Payload;

/// An event that a decision wants appended, in its order, by the agent that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub ty: EventType,
    /// What it is about.
    pub entity: EntityName,
    /// The one agent that it is addressed to; `None` for all.
    pub recipient: Option<AgentName>,
    /// What it says.
    pub data: Data,
}

impl Draft {
    /// Makes a draft of a payload.
    pub fn new<P: Payload>(entity: EntityName, payload: &P) -> Self {
        #[expect(clippy::expect_used, reason = "types are constants; a test reads every one")]
        let ty = payload.ty().parse().expect("a protocol's type is a type");
        Self { ty, entity, recipient: None, data: payload.data() }
    }

    /// Makes the event, under the author's name and an id of its choice.
    pub fn into_event(self, author: AgentName, id: EventId) -> Event {
        let Self { ty, entity, recipient, data } = self;
        let mut event = Event::new(author, id, ty);
        event.entity = Some(entity);
        event.recipient = recipient;
        event.data = data;
        event
    }
}
