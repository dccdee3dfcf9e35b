//! The rules of contracts: how they begin and end.

use std::collections::BTreeSet;

use colony_core::{AgentName, EntityName};

use super::decide::{Command, plan};
use super::event::{Breached, ContractEvent, Figures, Issued, Locked, Proposed, Settled, Signed};
use super::ledger::Ledger;
use super::rejection::Rejection;
use super::state::{
    Contract, Contracts, ContractsState, Ending, Escrow, MilestoneState, Phase, Settlement, Work,
};
use super::terms::{Side, Terms, terms_digest};
use crate::protocol::reputation::{Deed, DeedKind};
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::schema;
use crate::protocol::signing::Signature;
use crate::protocol::time::Millis;

impl Protocol for Contracts {
    const NOUNS: &'static [&'static str] = &["contract", "stake", "milestone", "dispute"];
    type Event = ContractEvent;
    type Command = Command;
    type State = ContractsState;
    type Rejection = Rejection;

    fn plan(
        state: &ContractsState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<ContractEvent>, Rejection> {
        plan(state, command, context)
    }

    fn excerpt(
        state: &ContractsState,
        plan: &Plan<ContractEvent>,
        _: &Context<'_>,
    ) -> ContractsState {
        let entity = &plan.entity;
        let contract = state.get(entity).map(|contract| (entity.clone(), contract.clone()));
        ContractsState { contracts: contract.into_iter().collect(), ledger: state.ledger.clone() }
    }

    fn evolve(
        state: &mut ContractsState,
        entity: &EntityName,
        event: ContractEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let ContractsState { contracts, ledger } = state;
        let said = match event {
            ContractEvent::Issued(said) => return issue(ledger, &said, context),
            ContractEvent::Proposed(said) => {
                if let Some(Contract { at, .. }) = contracts.get(entity) {
                    return Err(Rejection::Proposed { at: *at });
                }
                let contract = propose(entity, &said, context)?;
                contracts.insert(entity.clone(), contract);
                return Ok(Vec::new());
            }
            said => said,
        };
        let contract = contracts.get_mut(entity).ok_or(Rejection::Unknown)?;
        match said {
            ContractEvent::Issued(_) | ContractEvent::Proposed(_) => Ok(Vec::new()),
            ContractEvent::Signed(said) => contract.sign(&said, context),
            ContractEvent::Locked(said) => contract.lock(&said, ledger, context),
            ContractEvent::Submitted(said) => contract.submit(entity, &said, ledger, context),
            ContractEvent::Verified(said) => contract.verify(&said, ledger, context),
            ContractEvent::Failed(said) => contract.fail(&said, context),
            ContractEvent::Paid(said) => contract.pay(said.milestone, ledger, context),
            ContractEvent::Breached(said) => contract.breach(&said, ledger, context),
            ContractEvent::DisputeOpened(said) => contract.dispute(&said, context),
            ContractEvent::DisputeVoted(said) => contract.vote(&said, ledger, context),
            ContractEvent::Escalated(said) => contract.escalate(&said, ledger, context),
            ContractEvent::Settled(said) => contract.settle(&said, ledger, context),
        }
    }
}

fn issue(
    ledger: &mut Ledger,
    said: &Issued,
    context: &Context<'_>,
) -> Result<Vec<Deed>, Rejection> {
    if !context.space.charter.is_administrator(context.author) {
        return Err(Rejection::NotEntitled { only: "an administrator of the space".to_owned() });
    }
    if ledger.issue(&said.to, said.amount) { Ok(Vec::new()) } else { Err(Rejection::Overflow) }
}

fn propose(
    entity: &EntityName,
    said: &Proposed,
    context: &Context<'_>,
) -> Result<Contract, Rejection> {
    let problem = |problem: String| Rejection::Terms { problem };
    let terms: Terms =
        serde_json::from_str(said.terms.text()).map_err(|error| problem(error.to_string()))?;
    let digest = terms_digest(entity, said.terms.text()).map_err(|e| problem(e.to_string()))?;
    terms.check()?;
    if let Some(schema) = &terms.deliverable.schema {
        schema::check_schema(schema).map_err(Rejection::Format)?;
    }
    let (start_by, now) = (terms.start_by, context.time.moment());
    if start_by <= now {
        return Err(Rejection::TooLate { start_by, now });
    }
    let side = terms.side(context.author).ok_or_else(|| Rejection::NotEntitled {
        only: format!("{} or {}", terms.customer.agent, terms.supplier.agent),
    })?;
    let work = Work { submission: None, state: MilestoneState::Pending, arbitrated: false };
    let mut contract = Contract {
        work: vec![work; terms.milestones.len()],
        terms: Box::new(terms),
        digest,
        at: context.position,
        signed: BTreeSet::new(),
        locked: BTreeSet::new(),
        escrow: Escrow::default(),
        paid: 0,
        transferred: 0,
        paused: Millis::new(0),
        phase: Phase::Proposed,
    };
    if let Some(signature) = &said.signature {
        contract.put_name(side, signature, context)?;
    }
    Ok(contract)
}

impl Contract {
    fn sign(&mut self, said: &Signed, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let side = self.party(context.author)?;
        self.not_begun(context)?;
        if self.signed.contains(&side) {
            return Err(Rejection::Already { agent: context.author.clone() });
        }
        self.put_name(side, &said.signature, context)?;
        self.begin();
        Ok(Vec::new())
    }

    fn put_name(
        &mut self,
        side: Side,
        signature: &Signature,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let party = self.terms.party(side);
        let announced = context.space.directory.get(&party.agent);
        let announced = announced.and_then(|listed| listed.card.key.as_ref());
        if announced.is_some_and(|key| *key != party.key) {
            return Err(Rejection::Key { agent: party.agent.clone() });
        }
        if !signature.holds(&party.key, &self.digest) {
            return Err(Rejection::Signature { digest: self.digest });
        }
        self.signed.insert(side);
        Ok(())
    }

    fn lock(
        &mut self,
        said: &Locked,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let side = self.party(context.author)?;
        self.not_begun(context)?;
        let agent = context.author.clone();
        let expected = self.terms.to_lock(side);
        if self.locked.contains(&side) || expected == 0 {
            return Err(Rejection::Already { agent });
        }
        if said.amount != expected {
            return Err(Rejection::Amount { expected, actual: said.amount });
        }
        if !ledger.lock(&agent, expected) {
            let balance = ledger.balance(&agent);
            return Err(Rejection::Balance { agent, balance, needed: expected });
        }
        match side {
            Side::Customer => {
                self.escrow.customer = self.terms.customer.stake;
                self.escrow.price = expected.saturating_sub(self.terms.customer.stake);
            }
            Side::Supplier => self.escrow.supplier = expected,
        }
        self.locked.insert(side);
        self.begin();
        Ok(Vec::new())
    }

    /// Begins the work, once both have signed and locked what they must.
    fn begin(&mut self) {
        let ready = |side| {
            let locked = self.terms.to_lock(side) == 0 || self.locked.contains(&side);
            self.signed.contains(&side) && locked
        };
        if ready(Side::Customer) && ready(Side::Supplier) {
            self.phase = Phase::Active;
        }
    }

    fn breach(
        &mut self,
        said: &Breached,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.active()?;
        let milestone = said.milestone;
        let (due, state) = (self.due(milestone)?, self.work(milestone)?.state);
        let after = match state {
            MilestoneState::Pending => due,
            // Whoever was found wanting has time to contest it first.
            MilestoneState::Failed { since } => due.max(self.terms.judge_ms.after(since)),
            MilestoneState::Submitted | MilestoneState::Verified | MilestoneState::Paid => {
                return Err(Rejection::Milestone { milestone, state });
            }
        };
        if !context.time.is_past(after) {
            return Err(Rejection::TooEarly { after, now: context.time.moment() });
        }
        let (supplier, with) =
            (self.terms.supplier.agent.clone(), self.terms.customer.agent.clone());
        self.close(Ending::Breached { milestone }, ledger, context);
        Ok(vec![Deed { agent: supplier, kind: DeedKind::Broken, with }])
    }

    fn settle(
        &mut self,
        said: &Settled,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let ending = self.may_settle(context)?;
        let expected = self.figures(ending, context);
        if let Some(actual) = said.figures
            && actual != expected
        {
            return Err(Rejection::Figures { expected, actual });
        }
        Ok(self.close(ending, ledger, context))
    }

    /// Returns how the contract would end if it were settled now.
    pub(super) fn may_settle(&self, context: &Context<'_>) -> Result<Ending, Rejection> {
        let now = context.time.moment();
        let after = |after, ending| match context.time.is_past(after) {
            true => Ok(ending),
            false => Err(Rejection::TooEarly { after, now }),
        };
        match &self.phase {
            Phase::Proposed => after(self.terms.start_by, Ending::NotBegun),
            Phase::Active => {
                for (index, work) in (0..).zip(&self.work) {
                    if !self.is_good(work, context) {
                        return Err(Rejection::Milestone { milestone: index, state: work.state });
                    }
                }
                // The customer may let go of its time to contest what was delivered; others wait for it to end.
                if *context.author == self.terms.customer.agent {
                    return Ok(Ending::Kept);
                }
                let submissions = self.work.iter().filter(|work| !work.arbitrated);
                let last =
                    submissions.filter_map(|work| Some(work.submission.as_ref()?.since)).max();
                match last {
                    Some(last) => after(self.terms.judge_ms.after(last), Ending::Kept),
                    None => Ok(Ending::Kept),
                }
            }
            Phase::Disputed(dispute) => match dispute.escalated {
                Some(since) => after(self.terms.dispute_ms.after(since), Ending::Undecided),
                None => Err(self.wrong_phase()),
            },
            Phase::Closed(_) => Err(self.wrong_phase()),
        }
    }

    /// Returns what would become of everything that is locked.
    pub(super) fn figures(&self, ending: Ending, context: &Context<'_>) -> Figures {
        let Escrow { customer, supplier, price } = self.escrow;
        // What was found good is paid, however the contract ends.
        let is_due =
            |work: &Work| work.state != MilestoneState::Paid && self.is_good(work, context);
        let work = self.work.iter().zip(&self.terms.milestones);
        let earned: u64 = work.filter(|(work, _)| is_due(work)).map(|(_, m)| m.pays).sum();
        let earned = earned.min(price);
        let (paid, transferred) = (self.paid.saturating_add(earned), self.transferred);
        let rest = price.saturating_sub(earned);
        let all_back = customer.saturating_add(supplier).saturating_add(rest);
        match ending {
            Ending::Kept | Ending::NotBegun | Ending::Undecided => {
                Figures { paid, returned: all_back, transferred, burned: 0 }
            }
            Ending::Breached { .. } | Ending::SupplierAtFault => Figures {
                paid,
                returned: customer.saturating_add(rest),
                transferred: transferred.saturating_add(supplier),
                burned: 0,
            },
            Ending::BothAtFault => Figures {
                paid,
                returned: rest,
                transferred,
                burned: customer.saturating_add(supplier),
            },
        }
    }

    /// Ends the contract, and moves everything that is locked in it.
    pub(super) fn close(
        &mut self,
        ending: Ending,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Vec<Deed> {
        let figures = self.figures(ending, context);
        let Escrow { customer, supplier, price } = std::mem::take(&mut self.escrow);
        let earned = figures.paid.saturating_sub(self.paid);
        let (buyer, seller) = (&self.terms.customer.agent, &self.terms.supplier.agent);
        ledger.unlock(seller, earned);
        ledger.unlock(buyer, price.saturating_sub(earned));
        match ending {
            Ending::Kept | Ending::NotBegun | Ending::Undecided => {
                ledger.unlock(buyer, customer);
                ledger.unlock(seller, supplier);
            }
            Ending::Breached { .. } | Ending::SupplierAtFault => {
                ledger.unlock(buyer, customer.saturating_add(supplier));
            }
            Ending::BothAtFault => ledger.burn(customer.saturating_add(supplier)),
        }
        self.paid = figures.paid;
        let kept = |agent: &AgentName, with: &AgentName| Deed {
            agent: agent.clone(),
            kind: DeedKind::Kept,
            with: with.clone(),
        };
        let deeds = match ending {
            Ending::Kept => vec![kept(seller, buyer), kept(buyer, seller)],
            Ending::NotBegun
            | Ending::Breached { .. }
            | Ending::SupplierAtFault
            | Ending::BothAtFault
            | Ending::Undecided => Vec::new(),
        };
        self.phase = Phase::Closed(Settlement { at: context.position, ending, figures });
        deeds
    }

    pub(super) fn party(&self, agent: &AgentName) -> Result<Side, Rejection> {
        self.terms.side(agent).ok_or_else(|| Rejection::NotEntitled {
            only: format!("{} or {}", self.terms.customer.agent, self.terms.supplier.agent),
        })
    }

    pub(super) fn active(&self) -> Result<(), Rejection> {
        match self.phase {
            Phase::Active => Ok(()),
            Phase::Proposed | Phase::Disputed(_) | Phase::Closed(_) => Err(self.wrong_phase()),
        }
    }

    fn not_begun(&self, context: &Context<'_>) -> Result<(), Rejection> {
        let Phase::Proposed = self.phase else { return Err(self.wrong_phase()) };
        let start_by = self.terms.start_by;
        if context.time.is_past(start_by) {
            return Err(Rejection::TooLate { start_by, now: context.time.moment() });
        }
        Ok(())
    }

    pub(super) fn wrong_phase(&self) -> Rejection {
        let phase = match &self.phase {
            Phase::Proposed => "not signed and staked by both".to_owned(),
            Phase::Active => "being worked on".to_owned(),
            Phase::Disputed(dispute) => format!("disputed since position {}", dispute.at),
            Phase::Closed(settlement) => format!("closed since position {}", settlement.at),
        };
        Rejection::Phase { phase }
    }
}
