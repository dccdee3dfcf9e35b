//! The rules of optimistic action.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{ActionEvent, Class, Compensated, Intended, Resource, Taken};
use super::occupied::{Occupied, Spans, by_resource, spans};
use super::state::{Action, ActionsState, Compensation, Phase, unindex};
use crate::protocol::limits::{MAX_INTENTS, MAX_RESOURCES};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Announce an act.
    Intend(EntityName, Intended),
    /// Say that it was done.
    Take(EntityName, Taken),
    /// Say that it was done, unless another stands on or intends the same: for agents that would rather defer.
    TakeUnlessIntended(EntityName, Taken),
    /// Say that it was undone.
    Compensate(EntityName),
}

/// What stands against an event or a command about an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such action.
    #[error("no action of this name is known")]
    Unknown,
    /// The name is taken by another agent, or the act is done.
    #[error("{by} used this name at position {at}")]
    Taken {
        /// By whom.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// It acts on nothing.
    #[error("an action names what it acts on, and no stretch of time that ends before it begins")]
    NoResource,
    /// It acts on more than one action may.
    #[error("an action is on at most {limit} resources")]
    Resources {
        /// How many may be named.
        limit: usize,
    },
    /// As many intend something with a resource as may.
    #[error("{limit} intents stand on {resource:?}, as many as may")]
    Crowded {
        /// The resource.
        resource: String,
        /// How many may stand on it.
        limit: usize,
    },
    /// The moment has passed.
    #[error("until {until} is not in the future: the log's time is {now}")]
    Past {
        /// The moment asked for.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// Another act stands on the same.
    #[error("{by}'s {action} stands on the same")]
    Met {
        /// The act.
        action: EntityName,
        /// Whose.
        by: AgentName,
    },
    /// Another intends the same, and said so first.
    #[error("{by} intends the same with {action}")]
    Intended {
        /// The act.
        action: EntityName,
        /// Whose.
        by: AgentName,
    },
    /// An irreversible act was not announced, or its announcement no longer stands.
    #[error("an irreversible act needs an intent that stands; position {fence} is not one for it")]
    NotIntended {
        /// The fence given.
        fence: Position,
    },
    /// Only who acted can undo it.
    #[error("only {by} can undo it")]
    NotAuthor {
        /// Who acted.
        by: AgentName,
    },
    /// It cannot be undone, was not done, or is undone.
    #[error("there is nothing to undo")]
    Nothing,
    /// It gives way to another act than the one named.
    #[error("{}", match to { Some(to) => format!("it gives way to {to}"), None => "it gives way to nothing".to_owned() })]
    GivesWay {
        /// The act that it gives way to, if any.
        to: Option<EntityName>,
    },
}

impl Protocol for Compensation {
    const NOUNS: &'static [&'static str] = &["action"];
    type Event = ActionEvent;
    type Command = Command;
    type State = ActionsState;
    type Rejection = Rejection;

    fn plan(
        state: &ActionsState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<ActionEvent>, Rejection> {
        Ok(match command {
            Command::Intend(name, intended) => Plan::one(name, ActionEvent::Intended(intended)),
            Command::Take(name, taken) => Plan::one(name, ActionEvent::Taken(taken)),
            Command::TakeUnlessIntended(name, taken) => {
                let spans = spans(&taken.resources);
                if let Some((action, other)) = state.meets(&name, &spans) {
                    let (action, by) = (action.clone(), other.by.clone());
                    return Err(Rejection::Met { action, by });
                }
                if let Some((action, other)) = state.intends(&name, &spans, context.time)
                    && !intended_before(state.get(&name), other)
                {
                    let (action, by) = (action.clone(), other.by.clone());
                    return Err(Rejection::Intended { action, by });
                }
                Plan::one(name, ActionEvent::Taken(taken))
            }
            Command::Compensate(name) => {
                let action = state.get(&name).ok_or(Rejection::Unknown)?;
                let (to, affects) = match &action.phase {
                    Phase::Owing { to, affects, .. } => (Some(to.clone()), affects),
                    Phase::Taken { affects, .. } => (None, affects),
                    Phase::Intended { .. } | Phase::Compensated { .. } => {
                        return Err(Rejection::Nothing);
                    }
                };
                let other = to.as_ref().and_then(|to| state.get(to)).map(|other| other.by.clone());
                let mut tells: Vec<_> = affects.iter().cloned().chain(other).collect();
                tells.sort();
                tells.dedup();
                tells.retain(|agent| *agent != action.by);
                let compensated = Compensated { gave_way_to: to, tells };
                Plan::one(name, ActionEvent::Compensated(compensated))
            }
        })
    }

    fn excerpt(state: &ActionsState, plan: &Plan<ActionEvent>, _: &Context<'_>) -> ActionsState {
        // Whatever is on the same resources at the same time may stand in the way.
        let mut on = BTreeMap::new();
        for event in &plan.events {
            let resources = match event {
                ActionEvent::Intended(said) => said.resources.as_slice(),
                ActionEvent::Taken(said) => said.resources.as_slice(),
                ActionEvent::Compensated(_) => &[],
            };
            for (name, spans) in by_resource(&spans(resources)) {
                if let Some(occupied) = state.on.get(name) {
                    on.insert(name.to_owned(), occupied.near(spans));
                }
            }
        }
        let near = on.values().flat_map(Occupied::actions).chain([&plan.entity]);
        let copy = |name: &EntityName| Some((name.clone(), state.actions.get(name)?.clone()));
        let actions = near.filter_map(copy).collect();
        let owing = state.owing.get(&plan.entity).map(|to| (plan.entity.clone(), to.clone()));
        ActionsState { actions, on, owing: owing.into_iter().collect() }
    }

    fn evolve(
        state: &mut ActionsState,
        entity: &EntityName,
        event: ActionEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            ActionEvent::Intended(said) => state.intend(entity, said, context)?,
            ActionEvent::Taken(said) => state.take(entity, said, context)?,
            ActionEvent::Compensated(said) => state.compensate(entity, &said, context)?,
        }
        Ok(Vec::new())
    }
}

fn intended_before(own: Option<&Action>, other: &Action) -> bool {
    let place = |action: &Action| match action.phase {
        Phase::Intended { at, .. } => Some(at),
        Phase::Taken { .. } | Phase::Owing { .. } | Phase::Compensated { .. } => None,
    };
    own.and_then(place).zip(place(other)).is_some_and(|(own, other)| own < other)
}

impl ActionsState {
    fn intend(
        &mut self,
        entity: &EntityName,
        said: Intended,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let now = context.time.moment();
        let known = self.free_for(entity, &said.resources, context)?;
        if said.until <= now {
            return Err(Rejection::Past { until: said.until, now });
        }
        let spans = spans(&said.resources);
        if let Some(resource) = self.crowded(entity, &spans, context.time) {
            return Err(Rejection::Crowded { resource, limit: MAX_INTENTS });
        }
        let phase = Phase::Intended { at: context.position, until: said.until };
        self.occupy(entity, known, &spans, &phase, context);
        let action = Action { by: context.author.clone(), resources: said.resources, phase };
        self.actions.insert(entity.clone(), action.into());
        Ok(())
    }

    fn take(
        &mut self,
        entity: &EntityName,
        said: Taken,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let Taken { resources, class, affects } = said;
        let known = self.free_for(entity, &resources, context)?;
        let at = context.position;
        let spans = spans(&resources);
        if let Class::Irreversible { fence } = class {
            self.irreversible(entity, &resources, &spans, fence, context)?;
        }
        let other = self.standing(entity, &spans).cloned();
        let phase = match (class, other) {
            (Class::Compensable { how }, Some(to)) => {
                self.owing.insert(entity.clone(), to.clone());
                Phase::Owing { at, to, how, affects }
            }
            (class, _) => Phase::Taken { at, class, affects },
        };
        self.occupy(entity, known, &spans, &phase, context);
        let action = Action { by: context.author.clone(), resources, phase };
        self.actions.insert(entity.clone(), action.into());
        Ok(())
    }

    /// An act that cannot be undone goes ahead only under an intent that was the first, on everything it touches.
    fn irreversible(
        &self,
        entity: &EntityName,
        resources: &[Resource],
        spans: &Spans<'_>,
        fence: Position,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let own = self.get(entity);
        let stands = own.is_some_and(|own| match own.phase {
            Phase::Intended { at, until } => {
                at == fence && !context.time.is_past(until) && own.resources == resources
            }
            Phase::Taken { .. } | Phase::Owing { .. } | Phase::Compensated { .. } => false,
        });
        if !stands {
            return Err(Rejection::NotIntended { fence });
        }
        if let Some((action, other)) = self.meets(entity, spans) {
            return Err(Rejection::Met { action: action.clone(), by: other.by.clone() });
        }
        if let Some((action, other)) = self.intends(entity, spans, context.time)
            && !intended_before(own, other)
        {
            return Err(Rejection::Intended { action: action.clone(), by: other.by.clone() });
        }
        Ok(())
    }

    fn compensate(
        &mut self,
        entity: &EntityName,
        said: &Compensated,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let action = self.actions.get_mut(entity).ok_or(Rejection::Unknown)?;
        if action.by != *context.author {
            return Err(Rejection::NotAuthor { by: action.by.clone() });
        }
        let to = match &action.phase {
            Phase::Owing { to, .. } => Some(to),
            Phase::Taken { class: Class::Irreversible { .. }, .. }
            | Phase::Intended { .. }
            | Phase::Compensated { .. } => return Err(Rejection::Nothing),
            Phase::Taken { .. } => None,
        };
        if said.gave_way_to.as_ref() != to {
            return Err(Rejection::GivesWay { to: to.cloned() });
        }
        unindex(&mut self.on, action);
        action.phase = Phase::Compensated { at: context.position };
        self.owing.remove(entity);
        Ok(())
    }

    /// Requires that this agent may use the name, which is new or its own intent. Returns whether it is an intent.
    fn free_for(
        &self,
        entity: &EntityName,
        resources: &[Resource],
        context: &Context<'_>,
    ) -> Result<bool, Rejection> {
        if resources.len() > MAX_RESOURCES {
            return Err(Rejection::Resources { limit: MAX_RESOURCES });
        }
        if resources.is_empty() || resources.iter().any(Resource::is_never) {
            return Err(Rejection::NoResource);
        }
        match self.get(entity) {
            None => Ok(false),
            Some(Action { by, phase: Phase::Intended { .. }, .. }) if by == context.author => {
                Ok(true)
            }
            Some(Action { by, phase, .. }) => {
                let (Phase::Intended { at, .. }
                | Phase::Taken { at, .. }
                | Phase::Owing { at, .. }
                | Phase::Compensated { at }) = phase;
                Err(Rejection::Taken { by: by.clone(), at: *at })
            }
        }
    }

    /// Puts what was said of an action where others meet it.
    fn occupy(
        &mut self,
        entity: &EntityName,
        known: bool,
        spans: &Spans<'_>,
        phase: &Phase,
        context: &Context<'_>,
    ) {
        if known && let Some(before) = self.actions.get(entity) {
            // Its own intent makes room.
            unindex(&mut self.on, before);
        }
        self.index(entity, spans, phase, context.time);
    }
}
