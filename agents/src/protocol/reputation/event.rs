//! What is said about reputations. Deeds themselves are not said: they follow from the other protocols.

use colony_core::{Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;

payloads! {
    /// What is said about reputations. The entity is the agent spoken of.
    ReputationEvent {
        "reputation.vouched" => Vouched(Vouched),
        "reputation.withdrawn" => Withdrawn(Withdrawn),
        "reputation.reversed" => Reversed(Reversed),
    }
}

/// The author answers for another with points of its own score: if the other breaks its word, they are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// How many points, of the author's own earned score.
    pub points: u32,
    /// Until when.
    pub until: Timestamp,
}

/// The author takes its word back. What was lost stays lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {}

/// An administrator found that a deed was counted wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reversed {
    /// Where the event stands that proved the deed.
    pub deed: Position,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}
