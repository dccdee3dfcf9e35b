//! What an agent wants to say, before it has an id, a time and an author.

use colony_core::event::{Cause, Data, EventTime, Seen, Trace};
use colony_core::subject::Kind;
use colony_core::{AgentName, EntityName, Entry, Event, EventId, EventType};

/// An event to publish. The bus adds the author, and an id and the time where none are given.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(crate) ty: EventType,
    pub(crate) id: Option<EventId>,
    pub(crate) version: u32,
    pub(crate) entity: Option<EntityName>,
    pub(crate) recipient: Option<AgentName>,
    pub(crate) time: Option<EventTime>,
    pub(crate) data: Data,
    pub(crate) cause: Option<Cause>,
    pub(crate) correlation: Option<EventId>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) trace: Option<Trace>,
}

impl Draft {
    /// Begins an event of a type.
    pub fn new(ty: EventType) -> Self {
        Self {
            ty,
            id: None,
            version: 1,
            entity: None,
            recipient: None,
            time: None,
            data: Data::None,
            cause: None,
            correlation: None,
            seen: Vec::new(),
            trace: None,
        }
    }

    /// Names what the event is about.
    pub fn about(mut self, entity: EntityName) -> Self {
        self.entity = Some(entity);
        self
    }

    /// Addresses the event to one agent: it becomes mail.
    pub fn to(mut self, recipient: AgentName) -> Self {
        self.recipient = Some(recipient);
        self
    }

    /// Says something.
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Says something as JSON.
    ///
    /// # Errors
    /// What serde reports of a value that has no JSON form.
    pub fn json<T: serde::Serialize>(self, value: &T) -> Result<Self, serde_json::Error> {
        Ok(self.data(Data::json(value)?))
    }

    /// Gives the event its id. Unique within the author; without one, the bus makes one.
    pub fn id(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self
    }

    /// Tells the version of the data's schema. Default 1.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Tells when it happened. Default: now.
    pub fn happened(mut self, time: EventTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Makes the event a reaction to an entry: its cause, in the same story.
    pub fn because_of(mut self, entry: &Entry) -> Self {
        let event = entry.event();
        self.cause = Some(Cause {
            author: event.author.clone(),
            id: event.id.clone(),
            position: Some(entry.position),
        });
        self.correlation = Some(event.correlation.clone().unwrap_or_else(|| event.id.clone()));
        self.trace = self.trace.or_else(|| event.trace.clone());
        self
    }

    /// Names the cause directly.
    pub fn caused_by(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Names the root of the story.
    pub fn in_story(mut self, root: EventId) -> Self {
        self.correlation = Some(root);
        self
    }

    /// Tells which version of a document the author had seen.
    pub fn having_seen(mut self, seen: Seen) -> Self {
        self.seen.push(seen);
        self
    }

    /// Carries W3C trace context.
    pub fn traced(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Carries W3C trace context, where the draft has none of its own.
    pub fn traced_unless(mut self, trace: Trace) -> Self {
        self.trace.get_or_insert(trace);
        self
    }

    /// Makes the event: `id` and `now` are taken where the draft has none of its own.
    pub fn into_event(self, author: AgentName, id: EventId, now: EventTime) -> Event {
        let Self {
            ty,
            id: own,
            version,
            entity,
            recipient,
            time,
            data,
            cause,
            correlation,
            seen,
            trace,
        } = self;
        Event {
            id: own.unwrap_or(id),
            ty,
            version,
            author,
            entity,
            recipient,
            time: Some(time.unwrap_or(now)),
            data,
            cause,
            correlation,
            seen,
            trace,
            extensions: Default::default(),
        }
    }
}

/// Returns where an event stands in its lane: as mail if it is addressed to one agent.
pub fn kind_of(event: &Event) -> Kind {
    match &event.recipient {
        Some(recipient) => Kind::Mail { recipient: recipient.clone(), ty: event.ty.clone() },
        None => Kind::Event { ty: event.ty.clone(), entity: event.entity.clone() },
    }
}
