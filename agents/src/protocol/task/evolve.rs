//! The rules of tasks.

use colony_core::{EntityName, Position, Timestamp};

use super::decide::{Command, Rejection, plan};
use super::event::{
    Blocked, Cancelled, Claimed, Done, Lapsed, Mode, Offered, Progressed, Rejected, Released,
    TaskEvent, Verified,
};
use super::state::{Block, Delivery, Hold, Offer, Phase, Task, Tasks, TasksState, Verdict};
use crate::protocol::bidding::{Auction, Bid, BidRevealed, Ranked};
use crate::protocol::limits::{DEFAULT_CLAIM, LONGEST_CLAIM};
use crate::protocol::reputation::{Deed, DeedKind};
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::time::Millis;

impl Protocol for Tasks {
    const NOUNS: &'static [&'static str] = &["task"];
    type Event = TaskEvent;
    type Command = Command;
    type State = TasksState;
    type Rejection = Rejection;

    fn plan(
        state: &TasksState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<TaskEvent>, Rejection> {
        plan(state, command, context)
    }

    fn excerpt(state: &TasksState, plan: &Plan<TaskEvent>, _: &Context<'_>) -> TasksState {
        let entity = &plan.entity;
        let Some(task) = state.get(entity) else { return TasksState::default() };
        let named = task.offer.said.after.iter().chain([entity]);
        let copy = |name: &EntityName| Some((name.clone(), state.get(name)?.clone()));
        TasksState(named.filter_map(copy).collect())
    }

    fn evolve(
        state: &mut TasksState,
        entity: &EntityName,
        event: TaskEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        if let TaskEvent::Offered(offered) = event {
            return offer(state, entity, *offered, context);
        }
        if let TaskEvent::Claimed(_) | TaskEvent::Bid(_) = event {
            may_begin(state, entity, context)?;
        }
        let task = state.0.get_mut(entity).ok_or(Rejection::Unknown)?;
        match event {
            TaskEvent::Offered(_) => Ok(Vec::new()),
            TaskEvent::Claimed(said) => task.claim(&said, context),
            TaskEvent::Progressed(said) => task.progress(&said, context),
            TaskEvent::Blocked(said) => task.block(said, context),
            TaskEvent::Released(said) => task.release(&said, context),
            TaskEvent::Lapsed(said) => task.lapse(&said, context),
            TaskEvent::Done(said) => task.finish(*said, context),
            TaskEvent::Verified(Verified { delivery, .. }) => task.judge(delivery, true, context),
            TaskEvent::Rejected(Rejected { delivery, .. }) => task.judge(delivery, false, context),
            TaskEvent::Cancelled(Cancelled { .. }) => task.cancel(context),
            TaskEvent::Bid(bid) => task.bid(&bid, context),
            TaskEvent::BidRevealed(revealed) => task.reveal(entity, &revealed, context),
            TaskEvent::Closed(_) => task.close(context),
        }
    }
}

fn offer(
    state: &mut TasksState,
    entity: &EntityName,
    said: Offered,
    context: &Context<'_>,
) -> Result<Vec<Deed>, Rejection> {
    let now = context.time.moment();
    let round = match state.get(entity) {
        None => 1,
        Some(Task { offer, round, phase: Phase::Free { .. } | Phase::Unawarded { .. } })
            if offer.by == *context.author =>
        {
            round + 1
        }
        Some(task) => {
            let (by, at) = (task.offer.by.clone(), task.offer.at);
            return Err(Rejection::Offered { by, at });
        }
    };
    let wrong = |field: &str| Err(Rejection::Offer { field: field.to_owned() });
    if said.deadline.is_some_and(|deadline| deadline <= now) {
        return wrong("deadline");
    }
    if said.after.contains(entity) {
        return wrong("after");
    }
    if said.claim_ms.is_some_and(Millis::is_zero) {
        return wrong("claim_ms");
    }
    let offer =
        Box::new(Offer { by: context.author.clone(), at: context.position, since: now, said });
    let phase = match &offer.said.mode {
        Mode::Claim => Phase::Free { since: now },
        Mode::Bid(terms) => Phase::Bidding(Box::new(Auction::open(terms, context)?)),
        Mode::Assigned { to } => Phase::Held(Box::new(Hold {
            owner: to.clone(),
            fence: context.position,
            since: now,
            until: offer
                .until(context.time.plus(offer.said.claim_ms.unwrap_or(DEFAULT_CLAIM)), now),
            heard: now,
            percent: None,
            blocked: None,
            next: Vec::new(),
        })),
    };
    state.0.insert(entity.clone(), Task { offer, round, phase });
    Ok(Vec::new())
}

/// What is asked of whoever wants to begin: the task's deadline, what comes before it, and skills.
fn may_begin(
    state: &TasksState,
    entity: &EntityName,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    let offered = &state.get(entity).ok_or(Rejection::Unknown)?.offer.said;
    if let Some(deadline) = offered.deadline
        && context.time.is_past(deadline)
    {
        return Err(Rejection::Deadline { deadline });
    }
    let undone = |before: &&EntityName| !state.get(before).is_some_and(Task::is_done);
    if let Some(on) = offered.after.iter().find(undone) {
        return Err(Rejection::After { on: on.clone() });
    }
    let lacks = |skill: &&String| !context.space.directory.has_skill(context.author, skill);
    if let Some(skill) = offered.skills.iter().find(lacks) {
        return Err(Rejection::Skill { skill: skill.clone(), agent: context.author.clone() });
    }
    Ok(())
}

impl Offer {
    /// Returns until when a holder may be silent that asks for `asked`: no longer than the offer allows.
    fn until(&self, asked: Timestamp, now: Timestamp) -> Timestamp {
        let longest = self.said.claim_ms.unwrap_or(LONGEST_CLAIM).after(now);
        // A holder that is late already keeps the time it asks for: the deadline can no longer warn anybody.
        let deadline = self.said.deadline.filter(|deadline| *deadline > now).unwrap_or(asked);
        asked.min(longest).min(deadline)
    }
}

impl Task {
    fn claim(&mut self, said: &Claimed, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let now = context.time.moment();
        match &self.phase {
            Phase::Free { .. } => {}
            Phase::Held(hold) => return Err(self.held(hold)),
            Phase::Bidding(_) | Phase::Unawarded { .. } => return Err(Rejection::ByBids),
            Phase::Done(delivery) | Phase::Verified(delivery) => return Err(delivered(delivery)),
            Phase::Cancelled { at } => return Err(Rejection::Cancelled { at: *at }),
        }
        if said.until <= now {
            return Err(Rejection::Past { until: said.until, now });
        }
        self.phase = Phase::Held(Box::new(Hold {
            owner: context.author.clone(),
            fence: context.position,
            since: now,
            until: self.offer.until(said.until, now),
            heard: now,
            percent: None,
            blocked: None,
            next: Vec::new(),
        }));
        Ok(Vec::new())
    }

    fn progress(
        &mut self,
        said: &Progressed,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let until = self.longer(said.fence, said.until, context)?;
        let hold = self.own(said.fence, context)?;
        hold.until = until;
        hold.heard = context.time.moment();
        hold.percent = said.percent.map(|percent| percent.min(100)).or(hold.percent);
        hold.blocked = None;
        Ok(Vec::new())
    }

    fn block(&mut self, said: Blocked, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let until = self.longer(said.fence, said.until, context)?;
        let hold = self.own(said.fence, context)?;
        let now = context.time.moment();
        hold.until = until;
        hold.heard = now;
        let since = hold.blocked.as_ref().map_or(now, |block| block.since);
        hold.blocked = Some(Block { on: said.on, since });
        Ok(Vec::new())
    }

    fn release(&mut self, said: &Released, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let hold = self.own(said.fence, context)?;
        let next = std::mem::take(&mut hold.next);
        self.next_round(next, context);
        Ok(Vec::new())
    }

    fn lapse(&mut self, said: &Lapsed, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let now = context.time.moment();
        let round = self.round;
        let Phase::Held(hold) = &mut self.phase else { return Err(Rejection::NotHeld { round }) };
        let owner = hold.owner.clone();
        if hold.fence != said.fence {
            return Err(Rejection::Fence { given: said.fence, fence: hold.fence, owner });
        }
        if !context.time.is_past(hold.until) {
            return Err(Rejection::NotOverdue { owner, until: hold.until, now });
        }
        let next = std::mem::take(&mut hold.next);
        self.next_round(next, context);
        let with = self.offer.by.clone();
        Ok(vec![Deed { agent: owner, kind: DeedKind::Broken, with }])
    }

    fn finish(&mut self, said: Done, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let deadline = self.offer.said.deadline;
        let hold = self.own(said.fence, context)?;
        let delivery = Delivery {
            by: context.author.clone(),
            fence: said.fence,
            at: context.position,
            since: context.time.moment(),
            late: deadline.is_some_and(|deadline| context.time.is_past(deadline)),
            result: said.result,
            evidence: said.evidence,
            verdicts: Vec::new(),
            next: std::mem::take(&mut hold.next),
        };
        self.phase = Phase::Done(Box::new(delivery));
        Ok(Vec::new())
    }

    fn judge(
        &mut self,
        given: Position,
        good: bool,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let agent = context.author.clone();
        let entitled = self.may_judge(&agent);
        let asked = self.quorum();
        let verifiers = &self.offer.said.verifiers;
        let Phase::Done(delivery) = &mut self.phase else { return Err(Rejection::NotDelivered) };
        // Nobody judges their own work: a worker that is among the verifiers is not waited for.
        let others = verifiers.iter().filter(|verifier| **verifier != delivery.by).count();
        let eligible = if verifiers.is_empty() { 1 } else { others };
        let quorum = asked.min(eligible);
        if delivery.at != given {
            return Err(Rejection::OtherDelivery { given, actual: delivery.at });
        }
        if !entitled {
            return Err(Rejection::NotVerifier { agent });
        }
        if delivery.by == agent {
            return Err(Rejection::OwnWork);
        }
        if let Some(verdict) = delivery.verdicts.iter().find(|verdict| verdict.by == agent) {
            return Err(Rejection::Judged { agent, at: verdict.at });
        }
        delivery.verdicts.push(Verdict { by: agent, at: context.position, good });
        let agreed = delivery.verdicts.iter().filter(|verdict| verdict.good == good).count();
        let worker = delivery.by.clone();
        if good && agreed >= quorum {
            let kind = if delivery.late { DeedKind::Late } else { DeedKind::Verified };
            let delivery = delivery.clone();
            self.phase = Phase::Verified(delivery);
            return Ok(vec![Deed { agent: worker, kind, with: context.author.clone() }]);
        }
        // Rejected as soon as too few are left who could still find it good.
        if !good && agreed > eligible.saturating_sub(quorum) {
            let next = std::mem::take(&mut delivery.next);
            self.next_round(next, context);
            let with = context.author.clone();
            return Ok(vec![Deed { agent: worker, kind: DeedKind::Rejected, with }]);
        }
        Ok(Vec::new())
    }

    fn cancel(&mut self, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        match &self.phase {
            Phase::Cancelled { at } => return Err(Rejection::Cancelled { at: *at }),
            Phase::Verified(delivery) => return Err(delivered(delivery)),
            Phase::Free { .. }
            | Phase::Bidding(_)
            | Phase::Unawarded { .. }
            | Phase::Held(_)
            | Phase::Done(_) => {}
        }
        if self.offer.by != *context.author {
            return Err(Rejection::NotOfferer { by: self.offer.by.clone() });
        }
        self.phase = Phase::Cancelled { at: context.position };
        Ok(Vec::new())
    }

    fn bid(&mut self, bid: &Bid, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        self.auction()?.bid(bid, context)?;
        Ok(Vec::new())
    }

    fn reveal(
        &mut self,
        entity: &EntityName,
        revealed: &BidRevealed,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        self.auction()?.reveal(entity, revealed, context)?;
        Ok(Vec::new())
    }

    fn close(&mut self, context: &Context<'_>) -> Result<Vec<Deed>, Rejection> {
        let ranked = self.auction()?.close(context)?;
        self.award(ranked, context);
        Ok(Vec::new())
    }

    fn auction(&mut self) -> Result<&mut Auction, Rejection> {
        let round = self.round;
        match &mut self.phase {
            Phase::Bidding(auction) => Ok(auction),
            Phase::Free { .. } => Err(Rejection::NoBids),
            Phase::Unawarded { .. } => Err(Rejection::NotHeld { round }),
            Phase::Held(hold) => {
                Err(Rejection::Held { owner: hold.owner.clone(), round, fence: hold.fence })
            }
            Phase::Done(delivery) | Phase::Verified(delivery) => Err(delivered(delivery)),
            Phase::Cancelled { at } => Err(Rejection::Cancelled { at: *at }),
        }
    }

    /// Begins the next round: the next bid holds, or the task is open again.
    fn next_round(&mut self, next: Vec<Ranked>, context: &Context<'_>) {
        self.round += 1;
        match self.offer.said.mode {
            Mode::Bid(_) => self.award(next, context),
            Mode::Claim | Mode::Assigned { .. } => {
                self.phase = Phase::Free { since: context.time.moment() };
            }
        }
    }

    /// Gives the task to the best bid there is.
    fn award(&mut self, mut ranked: Vec<Ranked>, context: &Context<'_>) {
        let now = context.time.moment();
        self.phase = if ranked.is_empty() {
            Phase::Unawarded { since: now }
        } else {
            let winner = ranked.remove(0);
            let silent = self.offer.said.claim_ms.unwrap_or(DEFAULT_CLAIM);
            Phase::Held(Box::new(Hold {
                owner: winner.agent,
                fence: context.position,
                since: now,
                until: self.offer.until(silent.after(now), now),
                heard: now,
                percent: None,
                blocked: None,
                next: ranked,
            }))
        };
    }

    /// Returns the hold, if the author is its owner and works under its fence.
    fn own(&mut self, given: Position, context: &Context<'_>) -> Result<&mut Hold, Rejection> {
        let round = self.round;
        match &mut self.phase {
            Phase::Held(hold) if hold.owner != *context.author => {
                Err(Rejection::NotOwner { owner: hold.owner.clone(), fence: hold.fence })
            }
            Phase::Held(hold) if hold.fence != given => {
                Err(Rejection::Fence { given, fence: hold.fence, owner: hold.owner.clone() })
            }
            Phase::Held(hold) => Ok(hold),
            Phase::Free { .. } | Phase::Bidding(_) | Phase::Unawarded { .. } => {
                Err(Rejection::NotHeld { round })
            }
            Phase::Done(delivery) | Phase::Verified(delivery) => Err(delivered(delivery)),
            Phase::Cancelled { at } => Err(Rejection::Cancelled { at: *at }),
        }
    }

    /// Returns until when the holder may now be silent.
    fn longer(
        &mut self,
        fence: Position,
        asked: Option<Timestamp>,
        context: &Context<'_>,
    ) -> Result<Timestamp, Rejection> {
        let now = context.time.moment();
        let hold = self.own(fence, context)?;
        let again = Millis::between(hold.heard, hold.until).after(now);
        match asked {
            None => Ok(self.offer.until(again, now)),
            Some(until) if until <= now => Err(Rejection::Past { until, now }),
            Some(until) => Ok(self.offer.until(until, now)),
        }
    }

    fn held(&self, hold: &Hold) -> Rejection {
        Rejection::Held { owner: hold.owner.clone(), round: self.round, fence: hold.fence }
    }
}

fn delivered(delivery: &Delivery) -> Rejection {
    Rejection::Delivered { by: delivery.by.clone(), at: delivery.at }
}
