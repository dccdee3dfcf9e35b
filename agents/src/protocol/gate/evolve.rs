//! The rules of the human gate.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Answered, Asked, Cancelled, GateEvent, Granted, Resumed, Stopped, Withdrawn};
use super::state::{Gate, GateState, Grant, Question, Reply, Stop};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};

/// What an agent, or a person, may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Ask people.
    Ask(EntityName, Box<Asked>),
    /// Answer, as a person.
    Answer(EntityName, Answered),
    /// Take a question back.
    Cancel(EntityName),
    /// Give leave within limits, as a person.
    Grant(EntityName, Granted),
    /// Take leave back, as a person.
    Withdraw(EntityName),
    /// Stop an agent or the space, as a person.
    Stop(EntityName, Stopped),
    /// End a stop, as a person.
    Resume(EntityName, Resumed),
}

/// What stands against an event or a command at the human gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such question or grant.
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
    /// The agent does not answer for people here.
    #[error("{agent} does not answer for people here")]
    NotPerson {
        /// The agent.
        agent: AgentName,
    },
    /// The question has its answer, or was taken back.
    #[error("the question is closed: {reply}")]
    Closed {
        /// What came of it.
        reply: Reply,
    },
    /// The question expired.
    #[error("an answer was of use until {until}; the log's time is {now}")]
    Expired {
        /// Until when.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// The answer is not one that was asked for.
    #[error("{answer:?} is not one of the answers asked for")]
    NoOption {
        /// The answer.
        answer: String,
    },
    /// Only who asked may take a question back.
    #[error("only {by}, who asked, may take it back")]
    NotAsker {
        /// Who asked.
        by: AgentName,
    },
    /// The moment has passed.
    #[error("until {until} is not in the future: the log's time is {now}")]
    Past {
        /// The moment asked for.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// It is stopped, or is not.
    #[error("{} stopped", if *.stopped { "it is" } else { "it is not" })]
    Stop {
        /// Whether it is.
        stopped: bool,
    },
}

/// Returns whether a stopped agent may say this: to people, and that it leaves.
pub fn open_to_stopped(ty: &str) -> bool {
    ty.starts_with("gate.") || ty == "agent.retired"
}

impl Protocol for Gate {
    const NOUNS: &'static [&'static str] = &["gate"];
    type Event = GateEvent;
    type Command = Command;
    type State = GateState;
    type Rejection = Rejection;

    fn plan(
        _: &GateState,
        command: Command,
        _: &Context<'_>,
    ) -> Result<Plan<GateEvent>, Rejection> {
        let (name, event) = match command {
            Command::Ask(name, asked) => (name, GateEvent::Asked(asked)),
            Command::Answer(name, answered) => (name, GateEvent::Answered(answered)),
            Command::Cancel(name) => (name, GateEvent::Cancelled(Cancelled {})),
            Command::Grant(name, granted) => (name, GateEvent::Granted(granted)),
            Command::Withdraw(name) => (name, GateEvent::Withdrawn(Withdrawn {})),
            Command::Stop(name, stopped) => (name, GateEvent::Stopped(stopped)),
            Command::Resume(name, resumed) => (name, GateEvent::Resumed(resumed)),
        };
        Ok(Plan::one(name, event))
    }

    fn excerpt(state: &GateState, plan: &Plan<GateEvent>, _: &Context<'_>) -> GateState {
        let entity = &plan.entity;
        let question = state.question(entity).map(|known| (entity.clone(), known.clone()));
        GateState {
            questions: question.into_iter().collect(),
            grants: state.grants.clone(),
            space: state.space.clone(),
            stopped: state.stopped.clone(),
        }
    }

    fn evolve(
        state: &mut GateState,
        entity: &EntityName,
        event: GateEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            GateEvent::Asked(said) => state.ask(entity, said, context)?,
            GateEvent::Answered(said) => state.answer(entity, said, context)?,
            GateEvent::Cancelled(Cancelled {}) => state.cancel(entity, context)?,
            GateEvent::Granted(said) => state.give(entity, said, context)?,
            GateEvent::Withdrawn(Withdrawn {}) => {
                person(context)?;
                let grant = state.grants.get_mut(entity).filter(|grant| !grant.withdrawn);
                grant.ok_or_else(|| Rejection::Unknown { name: entity.clone() })?.withdrawn = true;
            }
            GateEvent::Stopped(said) => state.stop(said, context)?,
            GateEvent::Resumed(Resumed { agent }) => {
                person(context)?;
                let ended = match agent {
                    Some(agent) => state.stopped.remove(&agent),
                    None => state.space.take(),
                };
                ended.ok_or(Rejection::Stop { stopped: false })?;
            }
        }
        Ok(Vec::new())
    }
}

/// Requires that the author answers for people.
fn person(context: &Context<'_>) -> Result<(), Rejection> {
    if context.space.charter.people().contains(context.author) {
        Ok(())
    } else {
        Err(Rejection::NotPerson { agent: context.author.clone() })
    }
}

impl GateState {
    fn ask(
        &mut self,
        entity: &EntityName,
        said: Box<Asked>,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let now = context.time.moment();
        if let Some(Question { by, at, .. }) = self.question(entity) {
            return Err(Rejection::Taken { by: by.clone(), at: *at });
        }
        if let Some(until) = said.until
            && until <= now
        {
            return Err(Rejection::Past { until, now });
        }
        let mut reply = Reply::Open;
        if let Some(scope) = &said.scope {
            let amount = said.amount.unwrap_or(0);
            let covers = |grant: &Grant| grant.covers(context.author, scope, amount, context.time);
            let mut covering = self.grants.iter_mut().filter(|(_, grant)| covers(grant));
            if let Some((name, grant)) = covering.next() {
                grant.used = grant.used.saturating_add(amount);
                grant.times = grant.times.saturating_add(1);
                reply = Reply::Covered { by: name.clone() };
            }
        }
        let (by, at) = (context.author.clone(), context.position);
        self.questions.insert(entity.clone(), Question { by, at, since: now, said, reply });
        Ok(())
    }

    fn open(&mut self, entity: &EntityName) -> Result<&mut Question, Rejection> {
        let question = self.questions.get_mut(entity);
        let question = question.ok_or_else(|| Rejection::Unknown { name: entity.clone() })?;
        match question.reply {
            Reply::Open => Ok(question),
            Reply::Answered { .. } | Reply::Covered { .. } | Reply::Cancelled { .. } => {
                Err(Rejection::Closed { reply: question.reply.clone() })
            }
        }
    }

    fn answer(
        &mut self,
        entity: &EntityName,
        said: Answered,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let question = self.open(entity)?;
        let (agent, people) = (context.author, context.space.charter.people());
        let of = &question.said.of;
        // Where the space names its people, only they answer; who is asked may narrow that, never widen it.
        let entitled = (of.is_empty() || of.contains(agent))
            && (people.contains(agent) || (people.is_empty() && !of.is_empty()));
        if !entitled || question.by == *agent {
            return Err(Rejection::NotPerson { agent: agent.clone() });
        }
        if let Some(until) = question.said.until
            && context.time.is_past(until)
        {
            return Err(Rejection::Expired { until, now: context.time.moment() });
        }
        let options = &question.said.options;
        if !options.is_empty() && !options.contains(&said.answer) {
            return Err(Rejection::NoOption { answer: said.answer });
        }
        let (by, at) = (agent.clone(), context.position);
        question.reply = Reply::Answered { by, at, answer: said.answer };
        Ok(())
    }

    fn cancel(&mut self, entity: &EntityName, context: &Context<'_>) -> Result<(), Rejection> {
        let question = self.open(entity)?;
        if question.by != *context.author {
            return Err(Rejection::NotAsker { by: question.by.clone() });
        }
        question.reply = Reply::Cancelled { at: context.position };
        Ok(())
    }

    fn give(
        &mut self,
        entity: &EntityName,
        said: Granted,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        person(context)?;
        let (until, now) = (said.until, context.time.moment());
        if until <= now {
            return Err(Rejection::Past { until, now });
        }
        if let Some(Grant { by, at, .. }) = self.grant(entity) {
            return Err(Rejection::Taken { by: by.clone(), at: *at });
        }
        let (by, at) = (context.author.clone(), context.position);
        let grant = Grant { by, at, said, used: 0, times: 0, withdrawn: false };
        self.grants.insert(entity.clone(), grant);
        Ok(())
    }

    fn stop(&mut self, said: Stopped, context: &Context<'_>) -> Result<(), Rejection> {
        person(context)?;
        let Stopped { agent, reason } = said;
        let stopped = match &agent {
            Some(agent) => self.stopped.contains_key(agent),
            None => self.space.is_some(),
        };
        if stopped {
            return Err(Rejection::Stop { stopped });
        }
        let stop = Stop { by: context.author.clone(), at: context.position, reason };
        match agent {
            Some(agent) => drop(self.stopped.insert(agent, stop)),
            None => self.space = Some(stop),
        }
        Ok(())
    }
}
