//! What is said about agents.

use colony_core::signature::PublicKey;
use serde::{Deserialize, Serialize};

use crate::protocol::json::Json;
use crate::protocol::payload::payloads;

payloads! {
    /// What is said about agents. The entity is the agent.
    DirectoryEvent {
        "agent.announced" => Announced(Box<Card>),
        "agent.retired" => Retired(Retired),
        "agent.revoked" => Revoked(Revoked),
    }
}

/// What an agent says of itself. A later card replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// What it is for, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it can do, as others ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<String>,
    /// The version of its program.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// How many tasks it takes at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// What it wants for a task, in the space's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// Where it can be reached outside the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The key that it signs contracts and votes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKey>,
    /// The A2A agent card it was imported from, so that exporting loses nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a2a: Option<Json>,
}

/// An agent leaves for good; it may announce itself again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// An administrator shuts an agent out: what it appends afterwards has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
