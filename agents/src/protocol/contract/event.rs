//! What is said about contracts.

use colony_core::{AgentName, Digest, Position};
use serde::{Deserialize, Serialize};

use super::terms::Side;
use crate::protocol::json::Json;
use crate::protocol::payload::payloads;
use crate::protocol::signing::Signature;

payloads! {
    /// What is said about contracts. The entity is the contract; for `stake.issued`, whatever its author likes.
    ContractEvent {
        "contract.proposed" => Proposed(Box<Proposed>),
        "contract.signed" => Signed(Box<Signed>),
        "stake.issued" => Issued(Issued),
        "stake.locked" => Locked(Locked),
        "milestone.submitted" => Submitted(Box<Submitted>),
        "milestone.verified" => Verified(Verified),
        "milestone.failed" => Failed(Failed),
        "milestone.paid" => Paid(Paid),
        "contract.breached" => Breached(Breached),
        "dispute.opened" => DisputeOpened(DisputeOpened),
        "dispute.voted" => DisputeVoted(DisputeVoted),
        "dispute.escalated" => Escalated(Escalated),
        "contract.settled" => Settled(Settled),
    }
}

/// A contract is proposed, by one of its parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The [`Terms`](super::Terms), as JSON whose numbers are whole.
    pub terms: Json,
    /// The proposer's signature over [`terms_digest`](super::terms_digest); without it, it signs separately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// A party signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Its signature over [`terms_digest`](super::terms_digest).
    pub signature: Signature,
}

/// An administrator puts something into circulation that can be staked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// To whom.
    pub to: AgentName,
    /// How much.
    pub amount: u64,
}

/// A party locks what the terms ask of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// How much: exactly that.
    pub amount: u64,
}

/// The supplier delivers a milestone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The milestone, from 0.
    pub milestone: u32,
    /// SHA-256 of what is delivered; where `result` is given, of its text as it stands here.
    pub hash: Digest,
    /// What is delivered, where it is small, or a schema was agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Json>,
    /// Where it can be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Of how many records it consists, for sampling; absent means one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u32>,
}

/// A verifier found a delivery good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The milestone, from 0.
    pub milestone: u32,
    /// Where the `milestone.submitted` stands.
    pub submission: Position,
    /// The records that were checked, from 0; absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Vec<u32>>,
}

/// A verifier found a delivery wanting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The milestone, from 0.
    pub milestone: u32,
    /// Where the `milestone.submitted` stands.
    pub submission: Position,
    /// What is wrong.
    pub reason: String,
}

/// What a milestone pays goes to the supplier. Anybody may say so, once it was found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// The milestone, from 0.
    pub milestone: u32,
}

/// A milestone was not delivered in time. Anybody may say so, once it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breached {
    /// The milestone, from 0.
    pub milestone: u32,
}

/// A party contests how a delivery was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeOpened {
    /// The milestone, from 0.
    pub milestone: u32,
    /// What it says.
    pub claim: String,
}

/// An arbitrator's vote, or the decision of the person that it was escalated to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeVoted {
    /// Where the `dispute.opened` stands.
    pub dispute: Position,
    /// Who is right.
    pub right: SideFound,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Who is right in a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SideFound {
    /// The customer.
    Customer,
    /// The supplier.
    Supplier,
    /// Neither: both are at fault.
    Neither,
}

impl From<Side> for SideFound {
    fn from(side: Side) -> Self {
        match side {
            Side::Customer => Self::Customer,
            Side::Supplier => Self::Supplier,
        }
    }
}

/// The arbitrators did not decide in time. Anybody may say so, once it is true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalated {
    /// Where the `dispute.opened` stands.
    pub dispute: Position,
}

/// The contract is over: everything was delivered and found good, it never began, or nobody decided a dispute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What its author computed, for readers of single events; where it is given, it must be what everybody computes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// What became of what was locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Paid to the supplier, over all.
    pub paid: u64,
    /// Returned to whoever had locked it.
    pub returned: u64,
    /// Transferred from one side's stake to the other.
    pub transferred: u64,
    /// Burned.
    pub burned: u64,
}
