//! What is said at the human gate.

use std::collections::BTreeSet;

use colony_core::{AgentName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;

payloads! {
    /// What is said at the human gate. The entity is the question, the grant, or for stops whatever their author likes.
    GateEvent {
        "gate.asked" => Asked(Box<Asked>),
        "gate.answered" => Answered(Answered),
        "gate.cancelled" => Cancelled(Cancelled),
        "gate.granted" => Granted(Granted),
        "gate.withdrawn" => Withdrawn(Withdrawn),
        "gate.stopped" => Stopped(Stopped),
        "gate.resumed" => Resumed(Resumed),
    }
}

/// An agent asks people, and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The question.
    pub question: String,
    /// What may be answered; empty means anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Who may answer; empty means everybody whom the charter names.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub of: BTreeSet<AgentName>,
    /// What leave is asked for, in the words of a grant; a grant that covers it answers at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How much leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// Until when an answer is of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What holds if nobody answers until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}

/// A person answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The answer.
    pub answer: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Whoever asked no longer needs the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {}

/// A person gives leave within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// To whom; absent means to every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<AgentName>,
    /// For what.
    pub scope: String,
    /// How much at a time; absent means any amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<u64>,
    /// How much in all; absent means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How often; absent means any number of times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Until when.
    pub until: Timestamp,
}

/// A person takes leave back. What was done under it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {}

/// Emergency stop: what the agent, or everybody, appends has no effect until it is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The agent; absent means the whole space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The stop ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The agent; absent means the whole space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentName>,
}
