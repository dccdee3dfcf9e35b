//! What is said about quotas.

use std::collections::BTreeMap;

use colony_core::{AgentName, Position};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;
use crate::protocol::time::Millis;

payloads! {
    /// What is said about quotas. The entity is the quota.
    QuotaEvent {
        "quota.defined" => Defined(Defined),
        "quota.taken" => Taken(Taken),
        "quota.returned" => Returned(Returned),
    }
}

/// A budget: so much in each period. Its author may define it anew, from the next event on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defined {
    /// How much there is in a period.
    pub amount: u64,
    /// How long a period is. Periods follow each other from the first definition on.
    pub period_ms: Millis,
    /// How much each agent's need counts beside the others'; an agent that is not named counts 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub shares: BTreeMap<AgentName, u32>,
    /// After how long a reservation that was not returned is free again. Whoever uses it later breaks the budget: set it
    /// only where the resource itself refuses old fences. Absent means that it counts until the period ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<Millis>,
}

/// An agent takes some. Its position names the reservation, if it is granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// How much.
    pub amount: u64,
}

/// An agent returns what it did not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// The position of the `quota.taken`.
    pub reservation: Position,
    /// How much of it was used.
    #[serde(default)]
    pub used: u64,
}
