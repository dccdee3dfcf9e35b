//! The rules of quotas.

use colony_core::{AgentName, EntityName, Position};
use serde::{Deserialize, Serialize};

use super::event::{Defined, QuotaEvent, Returned, Taken};
use super::state::{Quota, Quotas, QuotasState, Refusal, Reservation, WARNINGS, Warned};
use crate::protocol::limits::MAX_REFUSALS;
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::time::Millis;

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Define a quota.
    Define(EntityName, Defined),
    /// Take some, whether or not it is likely to be granted: a refused request counts as a need.
    Take(EntityName, u64),
    /// Return what was not used of a reservation.
    Return {
        /// The quota.
        quota: EntityName,
        /// The position of the `quota.taken`.
        reservation: Position,
        /// How much of it was used.
        used: u64,
    },
}

/// What stands against an event or a command about a quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such quota.
    #[error("no quota of this name is defined")]
    Unknown,
    /// Another agent defined it.
    #[error("{by} defined it at position {at}")]
    Defined {
        /// That agent.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// A period or an amount of nothing.
    #[error("{field} cannot be 0")]
    Nothing {
        /// Which field.
        field: String,
    },
    /// More than there ever is.
    #[error("{asked} can never be granted: there are {amount} in a period")]
    TooMuch {
        /// What was asked for.
        asked: u64,
        /// What there is.
        amount: u64,
    },
    /// No such reservation is held: it was returned, has expired, or was never granted.
    #[error("{agent} holds no reservation of position {reservation}")]
    NoReservation {
        /// The agent.
        agent: AgentName,
        /// The position named.
        reservation: Position,
    },
    /// More is said to be used than was reserved.
    #[error("{used} are said to be used of {reserved}")]
    Overused {
        /// What is said to be used.
        used: u64,
        /// What was reserved.
        reserved: u64,
    },
}

impl Protocol for Quotas {
    const NOUNS: &'static [&'static str] = &["quota"];
    type Event = QuotaEvent;
    type Command = Command;
    type State = QuotasState;
    type Rejection = Rejection;

    fn plan(
        _: &QuotasState,
        command: Command,
        _: &Context<'_>,
    ) -> Result<Plan<QuotaEvent>, Rejection> {
        Ok(match command {
            Command::Define(name, defined) => Plan::one(name, QuotaEvent::Defined(defined)),
            Command::Take(name, amount) => Plan::one(name, QuotaEvent::Taken(Taken { amount })),
            Command::Return { quota, reservation, used } => {
                Plan::one(quota, QuotaEvent::Returned(Returned { reservation, used }))
            }
        })
    }

    fn excerpt(state: &QuotasState, plan: &Plan<QuotaEvent>, _: &Context<'_>) -> QuotasState {
        let entity = &plan.entity;
        QuotasState(
            state.get(entity).map(|quota| (entity.clone(), quota.clone())).into_iter().collect(),
        )
    }

    fn evolve(
        state: &mut QuotasState,
        entity: &EntityName,
        event: QuotaEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            QuotaEvent::Defined(said) => define(state, entity, said, context)?,
            QuotaEvent::Taken(said) => {
                state.0.get_mut(entity).ok_or(Rejection::Unknown)?.take(&said, context)?;
            }
            QuotaEvent::Returned(said) => {
                state.0.get_mut(entity).ok_or(Rejection::Unknown)?.give_back(&said, context)?;
            }
        }
        Ok(Vec::new())
    }
}

fn define(
    state: &mut QuotasState,
    entity: &EntityName,
    said: Defined,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    let nothing = |field: &str| Err(Rejection::Nothing { field: field.to_owned() });
    if said.amount == 0 {
        return nothing("amount");
    }
    if said.period_ms.is_zero() {
        return nothing("period_ms");
    }
    if said.hold_ms.is_some_and(Millis::is_zero) {
        return nothing("hold_ms");
    }
    let by = context.author.clone();
    match state.0.get_mut(entity) {
        Some(Quota { by: owner, at, .. }) if *owner != by => {
            Err(Rejection::Defined { by: owner.clone(), at: *at })
        }
        // The period that runs is kept with what is taken in it, so that defining anew grants nothing twice.
        Some(quota) if quota.said.period_ms == said.period_ms => {
            quota.advance(context.time);
            quota.at = context.position;
            quota.said = said;
            Ok(())
        }
        Some(Quota { taken, .. }) => {
            // Periods of another length begin now; what is taken stays taken through the first of them.
            let taken = *taken;
            let now = context.time.moment();
            let mut quota = Quota::new(by, context.position, now, said);
            quota.taken = taken;
            state.0.insert(entity.clone(), quota);
            Ok(())
        }
        None => {
            let now = context.time.moment();
            state.0.insert(entity.clone(), Quota::new(by, context.position, now, said));
            Ok(())
        }
    }
}

impl Quota {
    fn take(&mut self, said: &Taken, context: &Context<'_>) -> Result<(), Rejection> {
        let (asked, by) = (said.amount, context.author);
        if asked > self.said.amount {
            return Err(Rejection::TooMuch { asked, amount: self.said.amount });
        }
        if asked == 0 {
            return Err(Rejection::Nothing { field: "amount".to_owned() });
        }
        self.advance(context.time);
        self.want(by, asked);
        let (available, kept_for_others) = self.could_take(by, asked);
        if asked > available {
            if self.refused.len() == MAX_REFUSALS {
                self.refused.pop_front();
            }
            self.refused.push_back(Refusal {
                at: context.position,
                by: by.clone(),
                asked,
                available,
                kept_for_others,
                until: self.ends(),
            });
            return Ok(());
        }
        self.taken += asked;
        if let Some(used) = self.uses.get_mut(by) {
            used.taken += asked;
        }
        let reservation =
            Reservation { by: by.clone(), amount: asked, since: context.time.moment() };
        self.reservations.insert(context.position, reservation);
        let percent = u128::from(self.taken) * 100 / u128::from(self.said.amount);
        let last = self.warned.last().map_or(0, |warned| warned.percent);
        for due in WARNINGS {
            if due > last && percent >= u128::from(due) {
                self.warned.push(Warned { percent: due, at: context.position });
            }
        }
        Ok(())
    }

    fn give_back(&mut self, said: &Returned, context: &Context<'_>) -> Result<(), Rejection> {
        let none = || Rejection::NoReservation {
            agent: context.author.clone(),
            reservation: said.reservation,
        };
        let held = self.live(said.reservation, context.time).ok_or_else(none)?;
        if held.by != *context.author {
            return Err(none());
        }
        let reserved = held.amount;
        let unused = reserved
            .checked_sub(said.used)
            .ok_or(Rejection::Overused { used: said.used, reserved })?;
        self.advance(context.time);
        self.reservations.remove(&said.reservation);
        self.free(context.author, unused);
        Ok(())
    }
}
