//! What is said about tasks.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::bidding::{Bid, BidRevealed, Closed, Terms};
use crate::protocol::json::Json;
use crate::protocol::payload::payloads;
use crate::protocol::time::Millis;

payloads! {
    /// What is said about tasks. The entity is the task.
    TaskEvent {
        "task.offered" => Offered(Box<Offered>),
        "task.claimed" => Claimed(Claimed),
        "task.progressed" => Progressed(Progressed),
        "task.blocked" => Blocked(Blocked),
        "task.released" => Released(Released),
        "task.lapsed" => Lapsed(Lapsed),
        "task.done" => Done(Box<Done>),
        "task.verified" => Verified(Verified),
        "task.rejected" => Rejected(Rejected),
        "task.cancelled" => Cancelled(Cancelled),
        "task.bid" => Bid(Bid),
        "task.bid_revealed" => BidRevealed(BidRevealed),
        "task.closed" => Closed(Closed),
    }
}

/// There is work. Its author judges the result, unless the offer names others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// What is to be done.
    pub what: String,
    /// When it counts as done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub done_when: String,
    /// Skills that a worker must have announced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// Tasks that must be done before anybody may take this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<EntityName>,
    /// When it must be done; nobody may take it later, and a later result is marked late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The longest time that a holder may be silent, whatever it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_ms: Option<Millis>,
    /// How a worker is found.
    #[serde(default)]
    pub mode: Mode,
    /// Who may judge the result; empty means the author of the offer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<AgentName>,
    /// How many of them must agree; absent means one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u32>,
}

impl Offered {
    /// Makes an offer that says nothing but what is to be done.
    pub fn of(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            done_when: String::new(),
            skills: Vec::new(),
            after: Vec::new(),
            deadline: None,
            claim_ms: None,
            mode: Mode::Claim,
            verifiers: Vec::new(),
            quorum: None,
        }
    }
}

/// How a worker is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The first to claim it has it.
    #[default]
    Claim,
    /// Agents bid, and a rule awards it.
    Bid(Terms),
    /// It is given to one agent. Where that lapses, anybody may claim it.
    Assigned {
        /// The agent.
        to: AgentName,
    },
}

/// An agent wants to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Until when it may be silent. Never later than the offer allows.
    pub until: Timestamp,
}

/// The holder is at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progressed {
    /// The holder's fence.
    pub fence: Position,
    /// Until when it may now be silent; absent means as long again as the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How far it is, of 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// In words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The holder cannot go on. Progress clears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The holder's fence.
    pub fence: Position,
    /// What it waits for.
    pub on: BlockedOn,
    /// Until when it may now be silent; absent means as long again as the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a holder waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockedOn {
    /// Another task.
    Task(EntityName),
    /// An agent.
    Agent(AgentName),
    /// Anything else, in words.
    Reason(String),
}

/// The holder gives it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The holder's fence.
    pub fence: Position,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The holder was silent for too long. Anybody may say so, once it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lapsed {
    /// The fence that ends.
    pub fence: Position,
}

/// The holder says that it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The holder's fence.
    pub fence: Position,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// Where it can be seen: links, hashes, event ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// Somebody entitled to found the result good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Where the `task.done` that was looked at stands.
    pub delivery: Position,
    /// How it was found out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
}

/// Somebody entitled to found the result wanting. The task is open again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Where the `task.done` that was looked at stands.
    pub delivery: Position,
    /// What is wrong with it.
    pub reason: String,
}

/// It is not to be done any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
