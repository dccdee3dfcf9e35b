//! What agents may want of handoffs, and what may stand against it.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Accepted, Answered, Asked, Completed, Declined, HandoffEvent, Offered};
use super::state::{HandoffsState, Phase};
use crate::protocol::json::Json;
use crate::protocol::rules::{Context, Plan};
use crate::protocol::schema::SchemaError;
use crate::protocol::time::Millis;

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Pass work on.
    Offer(EntityName, Box<Offered>),
    /// Take it on, for a while or without limit.
    Accept(EntityName, Option<Millis>),
    /// Do not take it on.
    Decline {
        /// The handoff.
        handoff: EntityName,
        /// Why.
        reason: String,
    },
    /// Hand in the result.
    Complete {
        /// The handoff.
        handoff: EntityName,
        /// The fence that the caller works under; `None` for whatever holds.
        fence: Option<Position>,
        /// The result.
        result: Option<Json>,
    },
    /// Ask about a handoff.
    Ask {
        /// The name of the question.
        question: EntityName,
        /// What is asked, about which handoff.
        asked: Asked,
    },
    /// Answer a question.
    Answer {
        /// The name of the question.
        question: EntityName,
        /// The answer.
        answered: Answered,
    },
}

/// What stands against an event or a command about a handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such handoff or question.
    #[error("there is no {name}")]
    Unknown {
        /// The name.
        name: EntityName,
    },
    /// The name is taken.
    #[error("{by} used this name at position {at}")]
    Taken {
        /// By whom.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// It is offered to another agent, for now.
    #[error("only {only} may accept it, {}", match until { Some(until) => format!("until {until}"), None => "until it declines".to_owned() })]
    OnlyFor {
        /// That agent.
        only: AgentName,
        /// Until when; `None` until it declines.
        until: Option<Timestamp>,
    },
    /// Somebody accepted it before.
    #[error("{by} has it, with fence {fence}")]
    Accepted {
        /// That agent.
        by: AgentName,
        /// The position of its acceptance.
        fence: Position,
    },
    /// Nobody has it.
    #[error("nobody has accepted it")]
    NotAccepted,
    /// The fence is not the one that holds.
    #[error("the fence {given} is not the one that holds: {by} has it with fence {fence}")]
    Fence {
        /// The fence given.
        given: Position,
        /// The fence that holds.
        fence: Position,
        /// Who has it.
        by: AgentName,
    },
    /// It is passed on.
    #[error("{by} passed it on as {to}")]
    PassedOn {
        /// Who did.
        by: AgentName,
        /// As which handoff.
        to: EntityName,
    },
    /// It is done.
    #[error("{by} completed it at position {at}")]
    Completed {
        /// By whom.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// The result is missing, does not fit, or the schema is none.
    #[error("{0}")]
    Schema(SchemaError),
    /// A result was agreed, and there is none.
    #[error("a result is asked for that fits a schema, and there is none")]
    NoResult,
    /// The moment has passed.
    #[error("until {until} is not in the future: the log's time is {now}")]
    Past {
        /// The moment asked for.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// There are as many answers as are kept.
    #[error("the question has {limit} answers")]
    Answers {
        /// How many.
        limit: usize,
    },
}

pub(super) fn plan(
    state: &HandoffsState,
    command: Command,
    context: &Context<'_>,
) -> Result<Plan<HandoffEvent>, Rejection> {
    Ok(match command {
        Command::Offer(name, offered) => Plan::one(name, HandoffEvent::Offered(offered)),
        Command::Accept(name, length) => {
            let until = length.map(|length| context.time.plus(length));
            Plan::one(name, HandoffEvent::Accepted(Accepted { until }))
        }
        Command::Decline { handoff, reason } => {
            Plan::one(handoff, HandoffEvent::Declined(Declined { reason }))
        }
        Command::Complete { handoff, fence, result } => {
            let known = state.get(&handoff);
            let known = known.ok_or_else(|| Rejection::Unknown { name: handoff.clone() })?;
            let fence = match (&known.phase, fence) {
                (_, Some(fence)) => fence,
                (Phase::Accepted { fence, .. }, None) => *fence,
                (phase, None) => return Err(phase.stands_against()),
            };
            Plan::one(handoff, HandoffEvent::Completed(Completed { fence, result }))
        }
        Command::Ask { question, asked } => Plan::one(question, HandoffEvent::Asked(asked)),
        Command::Answer { question, answered } => {
            Plan::one(question, HandoffEvent::Answered(answered))
        }
    })
}
