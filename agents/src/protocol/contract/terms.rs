//! What is agreed in a contract.

use colony_core::signature::PublicKey;
use colony_core::{AgentName, Digest, EntityName, Timestamp};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use crate::protocol::canonical::{CanonicalError, canonical};
use crate::protocol::json::Json;
use crate::protocol::limits::MAX_MILESTONES;
use crate::protocol::time::Millis;

/// What is agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Who asks for the work and pays.
    pub customer: Party,
    /// Who does the work.
    pub supplier: Party,
    /// What is delivered.
    pub deliverable: Deliverable,
    /// The parts in which it is delivered; at least one.
    pub milestones: Vec<Milestone>,
    /// By when both must have signed and locked their stakes; afterwards what is locked is returned.
    pub start_by: Timestamp,
    /// How deliveries are verified.
    #[serde(default)]
    pub verification: Verification,
    /// How long a delivery can be judged and contested. Silence finds it good.
    #[serde(default = "one_day")]
    pub judge_ms: Millis,
    /// How long arbitrators have; and how long a person has after them.
    #[serde(default = "one_day")]
    pub dispute_ms: Millis,
    /// Who decides disputes, by majority: an odd number, or nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arbitrators: Vec<AgentName>,
    /// Who decides if they do not: an agent that answers for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<AgentName>,
    /// The reputation, of 1000, from which the supplier's deliveries are only audited.
    #[serde(default = "high")]
    pub trusted_from: u32,
    /// How many of 1000 records are checked in an audit.
    #[serde(default = "few")]
    pub audit_per_mille: u32,
}

fn one_day() -> Millis {
    Millis::from_secs(24 * 60 * 60)
}

fn high() -> u32 {
    900
}

fn few() -> u32 {
    50
}

/// One side of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The agent.
    pub agent: AgentName,
    /// The key that it signs with. Where it has announced one, the same.
    pub key: PublicKey,
    /// What it loses if it is found at fault.
    #[serde(default)]
    pub stake: u64,
}

/// What is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliverable {
    /// In words.
    pub what: String,
    /// A JSON Schema that the result of each milestone must fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// How it is tested, for whoever verifies: a command, a document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub acceptance: String,
}

/// A part of what is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestone {
    /// In words.
    pub name: String,
    /// What the customer pays for it.
    #[serde(default)]
    pub pays: u64,
    /// When it is due.
    pub due: Timestamp,
    /// The digest that the delivery must have, where it is known beforehand: the proof of [`Verification::Proof`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// How deliveries are verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// They are not: the customer may contest them.
    #[default]
    Trust,
    /// The customer checks a share of the records.
    Sample {
        /// How many of 1000.
        per_mille: u32,
    },
    /// The customer checks everything.
    Full,
    /// Others check everything.
    Peer {
        /// They.
        verifiers: Vec<AgentName>,
        /// How many must agree.
        quorum: u32,
    },
    /// The customer checks every n-th milestone, and the last.
    Checkpoints {
        /// Every how many: n.
        every: u32,
    },
    /// The delivery's digest was agreed: whoever has it can check it, and the fold does.
    Proof,
}

/// The sides of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Who asks for the work and pays.
    Customer,
    /// Who does the work.
    Supplier,
}

impl Side {
    /// Returns the other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Customer => Self::Supplier,
            Self::Supplier => Self::Customer,
        }
    }
}

/// Returns what the parties sign: SHA-256 over the line `colony.contract.v1`, a line with the contract's name, and a line
/// with the terms in their canonical form ([`canonical`]), each ended by `\n`.
///
/// The canonical form is of the JSON as proposed, so fields that a reader does not know are signed, too.
///
/// # Errors
/// [`CanonicalError`] for terms that have no canonical form.
pub fn terms_digest(contract: &EntityName, terms: &str) -> Result<Digest, CanonicalError> {
    let terms = canonical(terms)?;
    Ok(Digest::of(format!("colony.contract.v1\n{contract}\n{terms}\n").as_bytes()))
}

impl Terms {
    /// Returns a side.
    pub fn party(&self, side: Side) -> &Party {
        match side {
            Side::Customer => &self.customer,
            Side::Supplier => &self.supplier,
        }
    }

    /// Returns which side an agent is.
    pub fn side(&self, agent: &AgentName) -> Option<Side> {
        [Side::Customer, Side::Supplier].into_iter().find(|side| self.party(*side).agent == *agent)
    }

    /// Returns the sum of what the milestones pay.
    pub fn price(&self) -> Option<u64> {
        self.milestones.iter().try_fold(0_u64, |sum, milestone| sum.checked_add(milestone.pays))
    }

    /// Returns what a side must lock: its stake, and for the customer what the milestones pay.
    pub fn to_lock(&self, side: Side) -> u64 {
        let stake = self.party(side).stake;
        match side {
            // Checked when the contract was proposed.
            Side::Customer => self.price().unwrap_or(u64::MAX).saturating_add(stake),
            Side::Supplier => stake,
        }
    }

    /// Checks what does not depend on the log.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let wrong = |field: &str| Err(Rejection::Terms { problem: format!("{field} cannot hold") });
        if self.customer.agent == self.supplier.agent {
            return wrong("supplier");
        }
        if self.milestones.is_empty() || self.milestones.len() > MAX_MILESTONES {
            return wrong("milestones");
        }
        if self.price().and_then(|price| price.checked_add(self.customer.stake)).is_none() {
            return wrong("pays");
        }
        let arbitrators = &self.arbitrators;
        let mut named: Vec<_> = arbitrators.iter().collect();
        named.sort();
        named.dedup();
        let partial = arbitrators.iter().any(|agent| self.side(agent).is_some());
        let even = !arbitrators.is_empty() && arbitrators.len().is_multiple_of(2);
        if named.len() < arbitrators.len() || partial || even {
            return wrong("arbitrators");
        }
        if self.escalation.as_ref().is_some_and(|agent| self.side(agent).is_some()) {
            return wrong("escalation");
        }
        let possible = match &self.verification {
            Verification::Trust | Verification::Full => true,
            Verification::Sample { per_mille } => *per_mille <= 1_000,
            Verification::Checkpoints { every } => *every > 0,
            Verification::Proof => self.milestones.iter().all(|m| m.digest.is_some()),
            Verification::Peer { verifiers, quorum } => {
                let others = verifiers.iter().all(|agent| self.side(agent).is_none());
                let mut named: Vec<_> = verifiers.iter().collect();
                named.sort();
                named.dedup();
                let distinct = named.len() == verifiers.len();
                others && distinct && (1..=verifiers.len() as u64).contains(&u64::from(*quorum))
            }
        };
        if possible { Ok(()) } else { wrong("verification") }
    }
}
