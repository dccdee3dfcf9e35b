//! Contracts, as everybody folds them.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, Digest, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Figures, SideFound};
use super::ledger::Ledger;
use super::sample::Check;
use super::terms::{Side, Terms};
use crate::protocol::time::Millis;

/// P11: promises with stakes.
#[derive(Debug, Clone, Copy)]
pub struct Contracts;

/// All contracts, and the ledger of what is at stake.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractsState {
    pub(super) contracts: BTreeMap<EntityName, Contract>,
    pub(super) ledger: Ledger,
}

impl ContractsState {
    /// Returns a contract.
    pub fn get(&self, contract: &EntityName) -> Option<&Contract> {
        self.contracts.get(contract)
    }

    /// Returns all contracts, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Contract)> {
        self.contracts.iter()
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

/// One contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// What is agreed.
    pub terms: Box<Terms>,
    /// What the parties sign.
    pub digest: Digest,
    /// Where it was proposed.
    pub at: Position,
    /// Who signed.
    pub signed: BTreeSet<Side>,
    /// Who has locked what the terms ask.
    pub locked: BTreeSet<Side>,
    /// What is locked now.
    pub escrow: Escrow,
    /// What was paid to the supplier.
    pub paid: u64,
    /// What one side's stake brought the other.
    pub transferred: u64,
    /// For how long disputes that it survived have stopped all its clocks.
    pub paused: Millis,
    /// The milestones, in the order of the terms.
    pub work: Vec<Work>,
    /// How far it is.
    pub phase: Phase,
}

/// What is locked in a contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// The customer's stake.
    pub customer: u64,
    /// The supplier's stake.
    pub supplier: u64,
    /// What is to be paid.
    pub price: u64,
}

impl Escrow {
    /// Returns the sum.
    pub fn total(&self) -> u64 {
        self.customer.saturating_add(self.supplier).saturating_add(self.price)
    }
}

/// How far a contract is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Not everybody has signed and locked.
    Proposed,
    /// Work is delivered.
    Active,
    /// A delivery is contested; everything else waits.
    Disputed(Box<Dispute>),
    /// It is over.
    Closed(Settlement),
}

/// A milestone, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The last delivery.
    pub submission: Option<Submission>,
    /// How far it is.
    pub state: MilestoneState,
    /// Whether an arbitration has settled it: it cannot be contested again.
    pub arbitrated: bool,
}

/// How far a milestone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MilestoneState {
    /// Nothing was delivered.
    Pending,
    /// Delivered, and to be judged.
    Submitted,
    /// Found wanting.
    Failed {
        /// When.
        since: Timestamp,
    },
    /// Found good.
    Verified,
    /// Found good, and paid.
    Paid,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Where it stands.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// Its digest.
    pub hash: Digest,
    /// Of how many records it consists.
    pub records: u32,
    /// What must be checked of it.
    pub check: Check,
    /// Who found it good so far.
    pub good: BTreeSet<AgentName>,
    /// Who found it wanting so far.
    pub wanting: BTreeSet<AgentName>,
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The milestone.
    pub milestone: u32,
    /// Who contests it.
    pub by: Side,
    /// Where.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What the arbitrators found.
    pub votes: BTreeMap<AgentName, SideFound>,
    /// Since when a person is asked.
    pub escalated: Option<Timestamp>,
}

/// How a contract ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Where.
    pub at: Position,
    /// Why.
    pub ending: Ending,
    /// What became of what was locked.
    pub figures: Figures,
}

/// Why a contract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Everything was delivered and found good.
    Kept,
    /// It did not begin in time.
    NotBegun,
    /// The supplier did not deliver a milestone in time.
    Breached {
        /// The milestone.
        milestone: u32,
    },
    /// An arbitration found for the customer.
    SupplierAtFault,
    /// An arbitration found against both.
    BothAtFault,
    /// Nobody decided a dispute.
    Undecided,
}
