//! What agents may want of contracts.

use colony_core::{AgentName, EntityName};

use super::event::{
    Breached, ContractEvent, DisputeOpened, DisputeVoted, Escalated, Failed, Issued, Locked, Paid,
    Proposed, Settled, SideFound, Signed, Submitted, Verified,
};
use super::rejection::Rejection;
use super::state::{Contract, ContractsState, Phase};
use crate::protocol::rules::{Context, Plan};
use crate::protocol::signing::Signature;

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// As an administrator, issue what can be staked.
    Issue {
        /// What the issue is called.
        name: EntityName,
        /// To whom.
        to: AgentName,
        /// How much.
        amount: u64,
    },
    /// Propose a contract.
    Propose(EntityName, Box<Proposed>),
    /// Sign it.
    Sign(EntityName, Signature),
    /// Lock what the terms ask of this agent.
    Lock(EntityName),
    /// Deliver a milestone.
    Submit(EntityName, Box<Submitted>),
    /// Find the last delivery of a milestone good, having checked these records or all.
    Verify {
        /// The contract.
        contract: EntityName,
        /// The milestone, from 0.
        milestone: u32,
        /// The records that were checked; `None` for all.
        checked: Option<Vec<u32>>,
    },
    /// Find the last delivery of a milestone wanting.
    Fail {
        /// The contract.
        contract: EntityName,
        /// The milestone, from 0.
        milestone: u32,
        /// What is wrong.
        reason: String,
    },
    /// Have a milestone paid that was found good.
    Pay(EntityName, u32),
    /// Say that a milestone was not delivered in time.
    Breach(EntityName, u32),
    /// Contest how a delivery was judged.
    Dispute {
        /// The contract.
        contract: EntityName,
        /// The milestone, from 0.
        milestone: u32,
        /// What this agent says.
        claim: String,
    },
    /// As an arbitrator, or the person it was escalated to, say who is right.
    Arbitrate {
        /// The contract.
        contract: EntityName,
        /// Who is right.
        right: SideFound,
        /// Why.
        reason: String,
    },
    /// Say that the arbitrators did not decide in time.
    Escalate(EntityName),
    /// Settle the contract.
    Settle(EntityName),
}

pub(super) fn plan(
    state: &ContractsState,
    command: Command,
    context: &Context<'_>,
) -> Result<Plan<ContractEvent>, Rejection> {
    let known = |name: &EntityName| state.get(name).ok_or(Rejection::Unknown);
    let submission = |name: &EntityName, milestone: u32| {
        let work = known(name)?.work(milestone)?;
        let submission = work.submission.as_ref();
        let none = Rejection::Milestone { milestone, state: work.state };
        submission.map(|submission| submission.at).ok_or(none)
    };
    let dispute = |contract: &Contract| match &contract.phase {
        Phase::Disputed(dispute) => Ok(dispute.at),
        Phase::Proposed | Phase::Active | Phase::Closed(_) => Err(contract.wrong_phase()),
    };
    Ok(match command {
        Command::Issue { name, to, amount } => {
            Plan::one(name, ContractEvent::Issued(Issued { to, amount }))
        }
        Command::Propose(name, proposed) => Plan::one(name, ContractEvent::Proposed(proposed)),
        Command::Sign(name, signature) => {
            Plan::one(name, ContractEvent::Signed(Box::new(Signed { signature })))
        }
        Command::Lock(name) => {
            let contract = known(&name)?;
            let amount = contract.terms.to_lock(contract.party(context.author)?);
            Plan::one(name, ContractEvent::Locked(Locked { amount }))
        }
        Command::Submit(name, submitted) => Plan::one(name, ContractEvent::Submitted(submitted)),
        Command::Verify { contract, milestone, checked } => {
            let submission = submission(&contract, milestone)?;
            let verified = Verified { milestone, submission, checked };
            Plan::one(contract, ContractEvent::Verified(verified))
        }
        Command::Fail { contract, milestone, reason } => {
            let submission = submission(&contract, milestone)?;
            Plan::one(contract, ContractEvent::Failed(Failed { milestone, submission, reason }))
        }
        Command::Pay(name, milestone) => Plan::one(name, ContractEvent::Paid(Paid { milestone })),
        Command::Breach(name, milestone) => {
            Plan::one(name, ContractEvent::Breached(Breached { milestone }))
        }
        Command::Dispute { contract, milestone, claim } => {
            Plan::one(contract, ContractEvent::DisputeOpened(DisputeOpened { milestone, claim }))
        }
        Command::Arbitrate { contract, right, reason } => {
            let dispute = dispute(known(&contract)?)?;
            let voted = DisputeVoted { dispute, right, reason };
            Plan::one(contract, ContractEvent::DisputeVoted(voted))
        }
        Command::Escalate(name) => {
            let dispute = dispute(known(&name)?)?;
            Plan::one(name, ContractEvent::Escalated(Escalated { dispute }))
        }
        Command::Settle(name) => {
            let contract = known(&name)?;
            let figures = Some(contract.figures(contract.may_settle(context)?, context));
            Plan::one(name, ContractEvent::Settled(Settled { figures }))
        }
    })
}
