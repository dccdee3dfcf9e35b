//! The rules of schedules.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::calendar::{Calendar, CalendarError};
use super::event::{Defined, Missed, Removed, ScheduleEvent, Ticked};
use super::state::{Schedule, Schedules, SchedulesState, Tick};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};
use crate::protocol::time::Millis;

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Define a schedule.
    Define(EntityName, Defined),
    /// Make the ticks that are due.
    Tick(EntityName),
    /// Remove a schedule.
    Remove(EntityName),
}

/// What stands against an event or a command about a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such schedule.
    #[error("no schedule of this name is defined")]
    Unknown,
    /// Another agent defined it.
    #[error("{by} defined it at position {at}")]
    Defined {
        /// That agent.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// The expression or the zone is none.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The tick was made, or passed over by a later one.
    #[error("ticks up to {until} are dealt with{}", last_at(*at))]
    Ticked {
        /// Until when ticks are dealt with.
        until: Timestamp,
        /// Where the last tick stands; `None` if there was none.
        at: Option<Position>,
    },
    /// The tick is not due.
    #[error("nothing is due at {due}: {}, and the log's time is {now}", next_due(*next))]
    NotDue {
        /// The moment named.
        due: Timestamp,
        /// The next moment that is due.
        next: Option<Timestamp>,
        /// The log time.
        now: Timestamp,
    },
    /// The tick is later than the schedule allows, and is skipped.
    #[error("the tick is {} ms late, and at most {} ms are allowed", late_ms.get(), allowed_ms.get())]
    TooLate {
        /// How late it is.
        late_ms: Millis,
        /// How late it may be.
        allowed_ms: Millis,
    },
}

impl Protocol for Schedules {
    const NOUNS: &'static [&'static str] = &["schedule"];
    type Event = ScheduleEvent;
    type Command = Command;
    type State = SchedulesState;
    type Rejection = Rejection;

    fn plan(
        state: &SchedulesState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<ScheduleEvent>, Rejection> {
        Ok(match command {
            Command::Define(name, defined) => Plan::one(name, ScheduleEvent::Defined(defined)),
            Command::Remove(name) => Plan::one(name, ScheduleEvent::Removed(Removed {})),
            Command::Tick(name) => {
                let schedule = state.get(&name).ok_or(Rejection::Unknown)?;
                let ticks = schedule.due(context.time);
                if ticks.is_empty() {
                    let (next, now) = (schedule.next, context.time.moment());
                    return Err(Rejection::NotDue { due: next.unwrap_or(now), next, now });
                }
                let events = ticks.into_iter().map(ScheduleEvent::Ticked).collect();
                Plan { entity: name, events }
            }
        })
    }

    fn excerpt(
        state: &SchedulesState,
        plan: &Plan<ScheduleEvent>,
        _: &Context<'_>,
    ) -> SchedulesState {
        let entity = &plan.entity;
        let known = state.get(entity).map(|schedule| (entity.clone(), schedule.clone()));
        SchedulesState(known.into_iter().collect())
    }

    fn evolve(
        state: &mut SchedulesState,
        entity: &EntityName,
        event: ScheduleEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            ScheduleEvent::Defined(said) => define(state, entity, said, context)?,
            ScheduleEvent::Removed(Removed {}) => {
                owned(state, entity, context)?.ok_or(Rejection::Unknown)?;
                state.0.remove(entity);
            }
            ScheduleEvent::Ticked(said) => {
                state.0.get_mut(entity).ok_or(Rejection::Unknown)?.tick(&said, context)?;
            }
        }
        Ok(Vec::new())
    }
}

fn last_at(at: Option<Position>) -> String {
    at.map_or_else(String::new, |at| format!("; the last stands at position {at}"))
}

fn next_due(next: Option<Timestamp>) -> String {
    next.map_or_else(|| "nothing is due any more".to_owned(), |next| format!("next is {next}"))
}

/// Returns the schedule, if there is one and the author may change it.
fn owned<'a>(
    state: &'a SchedulesState,
    entity: &EntityName,
    context: &Context<'_>,
) -> Result<Option<&'a Schedule>, Rejection> {
    match state.get(entity) {
        Some(Schedule { by, at, .. }) if by != context.author => {
            Err(Rejection::Defined { by: by.clone(), at: *at })
        }
        known => Ok(known),
    }
}

fn define(
    state: &mut SchedulesState,
    entity: &EntityName,
    said: Defined,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    let known = owned(state, entity, context)?;
    let (last, ticks) = known.map_or((None, 0), |known| (known.last.clone(), known.ticks));
    let Defined { cron, zone, missed, work } = said;
    let calendar = Calendar::new(&cron, zone.as_deref())?;
    let done_until = context.time.moment();
    let next = calendar.after(done_until);
    let (by, at) = (context.author.clone(), context.position);
    let schedule = Schedule { by, at, calendar, missed, work, done_until, next, last, ticks };
    state.0.insert(entity.clone(), schedule);
    Ok(())
}

impl Schedule {
    fn tick(&mut self, said: &Ticked, context: &Context<'_>) -> Result<(), Rejection> {
        let (due, now, next) = (said.due, context.time.moment(), self.next);
        if due <= self.done_until {
            let at = self.last.as_ref().map(|tick| tick.at);
            return Err(Rejection::Ticked { until: self.done_until, at });
        }
        let not_due = Err(Rejection::NotDue { due, next, now });
        // Nothing lies between what is dealt with and the next: no search is needed to know that.
        if due > now || next.is_none_or(|next| due < next) {
            return not_due;
        }
        // Most ticks are the next that is due; only one that passes others over needs the calendar.
        let in_turn = next == Some(due);
        match self.missed {
            Missed::RunAll if !in_turn => return not_due,
            Missed::RunOnce | Missed::Skip { .. } if !in_turn => {
                if self.calendar.at_or_before(due) != Some(due) {
                    return not_due;
                }
            }
            Missed::RunAll | Missed::RunOnce | Missed::Skip { .. } => {}
        }
        if let Missed::Skip { late_ms: allowed_ms } = self.missed {
            let late_ms = context.time.since(due);
            if late_ms > allowed_ms {
                return Err(Rejection::TooLate { late_ms, allowed_ms });
            }
        }
        // A late tick of run-once stands for all that were missed up to now, not only up to the one it names.
        let following = self.calendar.after(due);
        let caught_up = following.is_none_or(|following| following > now);
        self.done_until = match self.missed {
            Missed::RunOnce if !caught_up => {
                self.calendar.at_or_before(now).map_or(due, |last| last.max(due))
            }
            Missed::RunOnce | Missed::RunAll | Missed::Skip { .. } => due,
        };
        self.next =
            if self.done_until == due { following } else { self.calendar.after(self.done_until) };
        self.last = Some(Tick { due, at: context.position, by: context.author.clone() });
        self.ticks += 1;
        Ok(())
    }
}
