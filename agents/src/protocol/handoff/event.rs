//! What is said about handoffs.

use colony_core::{AgentName, DocumentName, EntityName, EventId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::json::Json;
use crate::protocol::payload::payloads;

payloads! {
    /// What is said about handoffs. The entity is the handoff, or for clarifications the question.
    HandoffEvent {
        "handoff.offered" => Offered(Box<Offered>),
        "handoff.accepted" => Accepted(Accepted),
        "handoff.declined" => Declined(Declined),
        "handoff.completed" => Completed(Completed),
        "clarification.asked" => Asked(Asked),
        "clarification.answered" => Answered(Answered),
    }
}

/// Work is passed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// To whom; absent means whoever accepts first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AgentName>,
    /// Until when that agent alone may accept; afterwards anybody may. Absent means always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The handoff that this one passes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<EntityName>,
    /// The task that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<EntityName>,
    /// What is to be done.
    pub what: String,
    /// When it counts as done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub done_when: String,
    /// A JSON Schema that the result must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// Why things are as they are.
    #[serde(default)]
    pub why: Why,
    /// Where more can be found.
    #[serde(default)]
    pub links: Links,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// What is still to do or to come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

/// Why things are as they are: what a successor would otherwise have to find out again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// What was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Reason>,
    /// What was taken for granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<String>,
    /// What to beware of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
    /// How sure the giver is, of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<u8>,
}

/// A decision, and what spoke for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What was decided.
    pub what: String,
    /// Because of what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
    /// What was decided against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<String>,
}

/// Where more can be found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventLink>,
    /// Documents, as they stood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<DocumentLink>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLink {
    /// Its author.
    pub author: AgentName,
    /// Its id.
    pub id: EventId,
}

/// A document as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentLink {
    /// The document.
    pub name: DocumentName,
    /// Its heads then, in hexadecimal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<String>,
}

/// An agent takes it on. Its position is the fence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Until when it will be completed or passed on; afterwards anybody may accept. Absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An agent does not take it on. Where it was offered to this agent alone, anybody may accept now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The agent that accepted has done it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The position of its `handoff.accepted`.
    pub fence: Position,
    /// The result. Where a schema was given, it must be there and fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
}

/// Something about a handoff is not clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The handoff.
    pub handoff: EntityName,
    /// The question.
    pub question: String,
}

/// Somebody who holds the context answers. Whoever asked may have moved on; the answer stays with the handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The answer.
    pub answer: String,
    /// The events that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<EventLink>,
}
