//! The rules of contracts: deliveries, how they are judged, and what they pay.

use colony_core::{AgentName, Digest, EntityName, Position, Timestamp};

use super::event::{Failed, Submitted, Verified};
use super::ledger::Ledger;
use super::rejection::Rejection;
use super::sample::{Check, sample};
use super::state::{Contract, Ending, MilestoneState, Phase, Submission, Work};
use super::terms::{Milestone, Verification};
use crate::protocol::limits::MAX_RECORDS;
use crate::protocol::reputation::Deed;
use crate::protocol::rules::Context;
use crate::protocol::schema;
use crate::protocol::time::Millis;

impl Contract {
    /// Takes a delivery. What is late, ill formed or does not match its digest does not count as one.
    pub(super) fn submit(
        &mut self,
        entity: &EntityName,
        said: &Submitted,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.active()?;
        let (milestone, now) = (said.milestone, context.time.moment());
        if self.terms.supplier.agent != *context.author {
            return Err(Rejection::NotEntitled { only: self.terms.supplier.agent.to_string() });
        }
        let (due, agreed) = (self.due(milestone)?, self.milestone(milestone)?.digest);
        let state = self.work(milestone)?.state;
        if !matches!(state, MilestoneState::Pending | MilestoneState::Failed { .. }) {
            return Err(Rejection::Milestone { milestone, state });
        }
        if context.time.is_past(due) {
            return Err(Rejection::Late { milestone, due, now });
        }
        if let Some(schema) = &self.terms.deliverable.schema {
            let result = said.result.as_ref().ok_or(Rejection::NoResult)?;
            schema::check(schema, result).map_err(Rejection::Format)?;
        }
        let actual = said.hash;
        let of_result = said.result.as_ref().map(|result| Digest::of(result.text().as_bytes()));
        if let Some(expected) = of_result.into_iter().chain(agreed).find(|digest| *digest != actual)
        {
            return Err(Rejection::Hash { expected, actual });
        }
        let records = said.records.unwrap_or(1);
        if records == 0 || records > MAX_RECORDS {
            return Err(Rejection::Records { max: MAX_RECORDS, records });
        }
        let check = self.check_of(entity, milestone, records, context);
        let unchecked = check == Check::Nothing;
        let submission = Submission {
            at: context.position,
            since: now,
            hash: said.hash,
            records,
            check,
            good: [].into(),
            wanting: [].into(),
        };
        let work = self.work_mut(milestone)?;
        work.submission = Some(submission);
        work.state = MilestoneState::Submitted;
        if unchecked { self.found_good(milestone, ledger, context) } else { Ok(Vec::new()) }
    }

    /// Returns what must be checked of a delivery.
    fn check_of(
        &self,
        entity: &EntityName,
        milestone: u32,
        records: u32,
        context: &Context<'_>,
    ) -> Check {
        let picked = |per_mille| match sample(entity, context.position, records, per_mille) {
            none if none.is_empty() => Check::Nothing,
            picked => Check::Records(picked),
        };
        let supplier = &self.terms.supplier.agent;
        let score = context.space.reputation.score(supplier, context.time);
        let trusted = score >= self.terms.trusted_from;
        match &self.terms.verification {
            Verification::Trust | Verification::Proof => Check::Nothing,
            _ if trusted => picked(self.terms.audit_per_mille),
            Verification::Sample { per_mille } => picked(*per_mille),
            Verification::Full | Verification::Peer { .. } => Check::All,
            Verification::Checkpoints { every } => {
                let last = milestone as usize + 1 == self.work.len();
                if last || (milestone + 1).is_multiple_of((*every).max(1)) {
                    Check::All
                } else {
                    Check::Nothing
                }
            }
        }
    }

    pub(super) fn verify(
        &mut self,
        said: &Verified,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.active()?;
        let quorum = self.verifiers(context.author)?.quorum;
        let submission = self.delivery_for(said.milestone, said.submission, context.author)?;
        if let Some(checked) = &said.checked {
            let unchecked = match &submission.check {
                Check::Nothing => None,
                Check::Records(picked) => picked.iter().copied().find(|r| !checked.contains(r)),
                Check::All => (0..submission.records).find(|record| !checked.contains(record)),
            };
            if let Some(record) = unchecked {
                return Err(Rejection::Unchecked { record });
            }
        }
        submission.good.insert(context.author.clone());
        if submission.good.len() >= quorum {
            return self.found_good(said.milestone, ledger, context);
        }
        Ok(Vec::new())
    }

    pub(super) fn fail(
        &mut self,
        said: &Failed,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.active()?;
        let Verifiers { quorum, count } = self.verifiers(context.author)?;
        let submission = self.delivery_for(said.milestone, said.submission, context.author)?;
        submission.wanting.insert(context.author.clone());
        // Wanting as soon as too few are left who could still find it good.
        if submission.wanting.len() > count.saturating_sub(quorum) {
            let since = context.time.moment();
            self.work_mut(said.milestone)?.state = MilestoneState::Failed { since };
        }
        Ok(Vec::new())
    }

    pub(super) fn pay(
        &mut self,
        milestone: u32,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.active()?;
        let pays = self.milestone(milestone)?.pays;
        let work = self.work(milestone)?;
        let state = work.state;
        if state == MilestoneState::Paid || !self.is_good(work, context) {
            return Err(Rejection::Milestone { milestone, state });
        }
        self.work_mut(milestone)?.state = MilestoneState::Paid;
        self.escrow.price = self.escrow.price.saturating_sub(pays);
        self.paid = self.paid.saturating_add(pays);
        ledger.unlock(&self.terms.supplier.agent, pays);
        Ok(Vec::new())
    }

    /// Returns whether a milestone was found good, by judgement or by the silence of those who could judge.
    pub(super) fn is_good(&self, work: &Work, context: &Context<'_>) -> bool {
        match work.state {
            MilestoneState::Verified | MilestoneState::Paid => true,
            MilestoneState::Submitted => work.submission.as_ref().is_some_and(|submission| {
                self.clock(context) > self.terms.judge_ms.after(submission.since)
            }),
            MilestoneState::Pending | MilestoneState::Failed { .. } => false,
        }
    }

    /// Returns when a milestone is due: disputes stop the clock.
    pub(super) fn due(&self, milestone: u32) -> Result<Timestamp, Rejection> {
        Ok(self.paused.after(self.milestone(milestone)?.due))
    }

    /// Returns the time by which deliveries are judged: it stands still while a dispute is open.
    fn clock(&self, context: &Context<'_>) -> Timestamp {
        match &self.phase {
            Phase::Disputed(dispute) => dispute.since,
            Phase::Proposed | Phase::Active | Phase::Closed(_) => context.time.moment(),
        }
    }

    /// Goes on after a dispute: every clock that stood still is put forward by as long.
    pub(super) fn resume(&mut self, context: &Context<'_>) {
        if let Phase::Disputed(dispute) = &self.phase {
            let pause = context.time.since(dispute.since);
            self.paused = Millis::new(self.paused.get().saturating_add(pause.get()));
            for work in &mut self.work {
                if let Some(submission) = &mut work.submission {
                    submission.since = pause.after(submission.since);
                }
                if let MilestoneState::Failed { since } = &mut work.state {
                    *since = pause.after(*since);
                }
            }
            self.phase = Phase::Active;
        }
    }

    /// Marks a milestone as good. A contract in which nothing is at stake ends with its last milestone.
    fn found_good(
        &mut self,
        milestone: u32,
        ledger: &mut Ledger,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.work_mut(milestone)?.state = MilestoneState::Verified;
        let all_good = self.work.iter().all(|work| work.state == MilestoneState::Verified);
        if all_good && self.escrow.total() == 0 {
            return Ok(self.close(Ending::Kept, ledger, context));
        }
        Ok(Vec::new())
    }

    /// Returns how many verifiers there are and must agree, if the agent is one.
    fn verifiers(&self, agent: &AgentName) -> Result<Verifiers, Rejection> {
        match &self.terms.verification {
            Verification::Peer { verifiers, quorum } if verifiers.contains(agent) => {
                Ok(Verifiers { quorum: *quorum as usize, count: verifiers.len() })
            }
            Verification::Peer { .. } => {
                Err(Rejection::NotEntitled { only: "a verifier that the terms name".to_owned() })
            }
            Verification::Trust
            | Verification::Sample { .. }
            | Verification::Full
            | Verification::Checkpoints { .. }
            | Verification::Proof => {
                let customer = &self.terms.customer.agent;
                if customer == agent {
                    Ok(Verifiers { quorum: 1, count: 1 })
                } else {
                    Err(Rejection::NotEntitled { only: customer.to_string() })
                }
            }
        }
    }

    /// Returns the delivery that is to be judged, if it is the one named and this agent has not judged it.
    fn delivery_for(
        &mut self,
        milestone: u32,
        given: Position,
        agent: &AgentName,
    ) -> Result<&mut Submission, Rejection> {
        let work = self.work_mut(milestone)?;
        let state = work.state;
        match &mut work.submission {
            Some(submission) if state == MilestoneState::Submitted => {
                if submission.at != given {
                    return Err(Rejection::OtherSubmission { given, actual: submission.at });
                }
                if submission.good.contains(agent) || submission.wanting.contains(agent) {
                    return Err(Rejection::Already { agent: agent.clone() });
                }
                Ok(submission)
            }
            Some(_) | None => Err(Rejection::Milestone { milestone, state }),
        }
    }

    pub(super) fn milestone(&self, milestone: u32) -> Result<&Milestone, Rejection> {
        self.terms.milestones.get(milestone as usize).ok_or(Rejection::NoMilestone { milestone })
    }

    pub(super) fn work(&self, milestone: u32) -> Result<&Work, Rejection> {
        self.work.get(milestone as usize).ok_or(Rejection::NoMilestone { milestone })
    }

    pub(super) fn work_mut(&mut self, milestone: u32) -> Result<&mut Work, Rejection> {
        self.work.get_mut(milestone as usize).ok_or(Rejection::NoMilestone { milestone })
    }
}

struct Verifiers {
    quorum: usize,
    count: usize,
}
