//! P11, contracts: promises with stakes, milestones, sampled verification and arbitration.
//!
//! Trust is the default and costs two events more than no contract: the proposal and the other side's signature.
//! Whatever is at stake moves by rules that every reader computes, in a ledger whose totals never change. See
//! `docs/protocols/contract.md`.

mod decide;
mod dispute;
mod event;
mod evolve;
mod ledger;
mod rejection;
mod sample;
mod state;
mod terms;
mod work;

pub use decide::Command;
pub use event::{
    Breached, ContractEvent, DisputeOpened, DisputeVoted, Escalated, Failed, Figures, Issued,
    Locked, Paid, Proposed, Settled, SideFound, Signed, Submitted, Verified,
};
pub use ledger::{Ledger, Totals};
pub use rejection::Rejection;
pub use sample::{Check, sample};
pub use state::{
    Contract, Contracts, ContractsState, Dispute, Ending, Escrow, MilestoneState, Phase,
    Settlement, Submission, Work,
};
pub use terms::{Deliverable, Milestone, Party, Side, Terms, Verification, terms_digest};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
