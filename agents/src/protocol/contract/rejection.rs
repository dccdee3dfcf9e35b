//! What may stand against an event or a command about a contract.

use colony_core::{AgentName, Digest, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::Figures;
use super::state::MilestoneState;
use crate::protocol::schema::SchemaError;

/// What stands against an event or a command about a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such contract.
    #[error("no contract of this name was proposed")]
    Unknown,
    /// The name is taken.
    #[error("a contract of this name was proposed at position {at}")]
    Proposed {
        /// Where.
        at: Position,
    },
    /// The terms cannot be read, or contradict each other.
    #[error("the terms: {problem}")]
    Terms {
        /// What is wrong.
        problem: String,
    },
    /// The agent is not a party, or not the one that may do this.
    #[error("only {only} may do this")]
    NotEntitled {
        /// Who may.
        only: String,
    },
    /// The key in the terms is not the one that the agent has announced.
    #[error("{agent} has announced another key than the terms name")]
    Key {
        /// The agent.
        agent: AgentName,
    },
    /// The signature does not hold.
    #[error("the signature does not hold for the terms with digest {digest}")]
    Signature {
        /// What must be signed.
        digest: Digest,
    },
    /// The party has signed, or locked.
    #[error("{agent} has done so")]
    Already {
        /// The party.
        agent: AgentName,
    },
    /// The amount is not the one that the terms ask for.
    #[error("the terms ask for {expected}, not {actual}")]
    Amount {
        /// What they ask for.
        expected: u64,
        /// What was said.
        actual: u64,
    },
    /// The account holds less.
    #[error("{agent} has {balance}, and {needed} are needed")]
    Balance {
        /// The agent.
        agent: AgentName,
        /// What it has.
        balance: u64,
        /// What is needed.
        needed: u64,
    },
    /// There would be more in circulation than can be counted.
    #[error("there would be more in circulation than can be counted")]
    Overflow,
    /// It is not, or no longer, being worked on.
    #[error("the contract is {phase}")]
    Phase {
        /// How far it is.
        phase: String,
    },
    /// It had to begin earlier.
    #[error("it had to begin by {start_by}; the log's time is {now}")]
    TooLate {
        /// By when.
        start_by: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// There is no such milestone.
    #[error("there is no milestone {milestone}")]
    NoMilestone {
        /// The milestone.
        milestone: u32,
    },
    /// The milestone is not where this needs it.
    #[error("milestone {milestone} is {state:?}")]
    Milestone {
        /// The milestone.
        milestone: u32,
        /// How far it is.
        state: MilestoneState,
    },
    /// The delivery is late.
    #[error("milestone {milestone} was due at {due}; the log's time is {now}")]
    Late {
        /// The milestone.
        milestone: u32,
        /// When it was due.
        due: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// The delivery does not have the agreed format.
    #[error("{0}")]
    Format(SchemaError),
    /// A result was agreed, and there is none.
    #[error("a result is asked for that fits a schema, and there is none")]
    NoResult,
    /// The digest is not that of the delivery, or not the agreed one.
    #[error("the digest should be {expected}, and is {actual}")]
    Hash {
        /// What it should be.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A delivery consists of too many records, or of none.
    #[error("a delivery has 1 to {max} records, not {records}")]
    Records {
        /// How many may be.
        max: u32,
        /// How many are.
        records: u32,
    },
    /// Another delivery is judged than the last.
    #[error("the delivery to be judged stands at {actual}, not at {given}")]
    OtherSubmission {
        /// The one named.
        given: Position,
        /// The last.
        actual: Position,
    },
    /// A record of the sample was not checked.
    #[error("record {record} is in the sample and was not checked")]
    Unchecked {
        /// The record.
        record: u32,
    },
    /// It is too early for this.
    #[error("this can be said after {after}; the log's time is {now}")]
    TooEarly {
        /// After when.
        after: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// A delivery can no longer be contested.
    #[error("it could be contested until {until}; the log's time is {now}")]
    Uncontested {
        /// Until when.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// An arbitration has settled it.
    #[error("an arbitration has settled milestone {milestone}")]
    Arbitrated {
        /// The milestone.
        milestone: u32,
    },
    /// Nobody was agreed on who could decide.
    #[error("the terms name neither arbitrators nor a person to decide")]
    NoArbitrators,
    /// There is no such dispute.
    #[error("there is no open dispute of position {dispute}")]
    NoDispute {
        /// The position named.
        dispute: Position,
    },
    /// It was escalated.
    #[error("the dispute was escalated: {by} decides")]
    Escalated {
        /// Who decides.
        by: AgentName,
    },
    /// The figures are not those that everybody computes.
    #[error("the figures should be {expected:?}, and are {actual:?}")]
    Figures {
        /// What they should be.
        expected: Figures,
        /// What they are.
        actual: Figures,
    },
}
