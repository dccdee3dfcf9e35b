//! The rules of contracts: disputes.

use std::collections::BTreeMap;

use super::event::{DisputeOpened, DisputeVoted, Escalated, SideFound};
use super::ledger::Ledger;
use super::rejection::Rejection;
use super::state::{Contract, Dispute, Ending, MilestoneState, Phase};
use super::terms::Side;
use crate::protocol::reputation::{Deed, DeedKind};
use crate::protocol::rules::Context;
use crate::protocol::vote::tally;

impl Contract {
    pub(super) fn dispute(
        &mut self,
        said: &DisputeOpened,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let by = self.party(context.author)?;
        self.active()?;
        let (milestone, now) = (said.milestone, context.time.moment());
        let work = self.work(milestone)?;
        if work.arbitrated {
            return Err(Rejection::Arbitrated { milestone });
        }
        match (by, work.state) {
            (Side::Supplier, MilestoneState::Failed { .. }) => {}
            (Side::Customer, MilestoneState::Verified | MilestoneState::Paid) => {
                // Whoever looked and found it good has had its say.
                let found_good = work.submission.as_ref().map(|submission| &submission.good);
                if found_good.is_some_and(|good| good.contains(context.author)) {
                    return Err(Rejection::Already { agent: context.author.clone() });
                }
                let since = work.submission.as_ref().map(|submission| submission.since);
                let until = since.map(|since| self.terms.judge_ms.after(since));
                if let Some(until) = until
                    && context.time.is_past(until)
                {
                    return Err(Rejection::Uncontested { until, now });
                }
            }
            (_, state) => return Err(Rejection::Milestone { milestone, state }),
        }
        let nobody = self.terms.arbitrators.is_empty();
        if nobody && self.terms.escalation.is_none() {
            return Err(Rejection::NoArbitrators);
        }
        self.phase = Phase::Disputed(Box::new(Dispute {
            milestone,
            by,
            at: context.position,
            since: now,
            votes: BTreeMap::new(),
            escalated: nobody.then_some(now),
        }));
        Ok(Vec::new())
    }

    pub(super) fn vote(
        &mut self,
        said: &DisputeVoted,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let agent = context.author.clone();
        let arbitrators = self.terms.arbitrators.clone();
        let escalation = self.terms.escalation.clone();
        let dispute = self.open_dispute(said.dispute)?;
        let milestone = dispute.milestone;
        if dispute.escalated.is_some() {
            return match escalation {
                Some(by) if by != agent => Err(Rejection::Escalated { by }),
                Some(_) | None => self.decide(milestone, said.right, ledger, context),
            };
        }
        if !arbitrators.contains(&agent) {
            let only = "an arbitrator that the terms name".to_owned();
            return Err(Rejection::NotEntitled { only });
        }
        if dispute.votes.contains_key(&agent) {
            return Err(Rejection::Already { agent });
        }
        dispute.votes.insert(agent, said.right);
        let votes = dispute.votes.values().map(|right| (name(*right), 1));
        let needed = arbitrators.len() as u64 / 2 + 1;
        let decided = tally(votes, needed, true, false).decided();
        let right = [SideFound::Customer, SideFound::Supplier, SideFound::Neither];
        match right.into_iter().find(|right| decided == Some(name(*right))) {
            Some(right) => self.decide(milestone, right, ledger, context),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn escalate(
        &mut self,
        said: &Escalated,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let dispute_ms = self.terms.dispute_ms;
        let escalation = self.terms.escalation.clone();
        let now = context.time.moment();
        let dispute = self.open_dispute(said.dispute)?;
        if let (Some(_), Some(by)) = (dispute.escalated, &escalation) {
            return Err(Rejection::Escalated { by: by.clone() });
        }
        let after = dispute_ms.after(dispute.since);
        if !context.time.is_past(after) {
            return Err(Rejection::TooEarly { after, now });
        }
        dispute.escalated = Some(now);
        if escalation.is_none() {
            return Ok(self.close(Ending::Undecided, ledger, context));
        }
        Ok(Vec::new())
    }

    /// Carries out what was found. The stake of whoever is at fault goes to the other, or is burned if both are.
    fn decide(
        &mut self,
        milestone: u32,
        right: SideFound,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let (buyer, seller) =
            (self.terms.customer.agent.clone(), self.terms.supplier.agent.clone());
        let at_fault = |agent: &colony_core::AgentName, with: &colony_core::AgentName| Deed {
            agent: agent.clone(),
            kind: DeedKind::Disputed,
            with: with.clone(),
        };
        match right {
            SideFound::Supplier => {
                let work = self.work_mut(milestone)?;
                work.arbitrated = true;
                if work.state != MilestoneState::Paid {
                    work.state = MilestoneState::Verified;
                }
                let stake = std::mem::take(&mut self.escrow.customer);
                ledger.unlock(&seller, stake);
                self.transferred = self.transferred.saturating_add(stake);
                self.resume(context);
                Ok(vec![at_fault(&buyer, &seller)])
            }
            SideFound::Customer => {
                self.work_mut(milestone)?.state =
                    MilestoneState::Failed { since: context.time.moment() };
                self.close(Ending::SupplierAtFault, ledger, context);
                Ok(vec![at_fault(&seller, &buyer)])
            }
            SideFound::Neither => {
                self.work_mut(milestone)?.state =
                    MilestoneState::Failed { since: context.time.moment() };
                self.close(Ending::BothAtFault, ledger, context);
                Ok(vec![at_fault(&seller, &buyer), at_fault(&buyer, &seller)])
            }
        }
    }

    fn open_dispute(&mut self, given: colony_core::Position) -> Result<&mut Dispute, Rejection> {
        match &mut self.phase {
            Phase::Disputed(dispute) if dispute.at == given => Ok(dispute),
            Phase::Disputed(_) | Phase::Proposed | Phase::Active | Phase::Closed(_) => {
                Err(Rejection::NoDispute { dispute: given })
            }
        }
    }
}

const fn name(right: SideFound) -> &'static str {
    match right {
        SideFound::Customer => "customer",
        SideFound::Supplier => "supplier",
        SideFound::Neither => "neither",
    }
}
