//! The directory, as everybody folds it.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Card, DirectoryEvent, Retired, Revoked};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};

/// P3: who there is.
#[derive(Debug, Clone, Copy)]
pub struct Directory;

/// All agents that were ever announced or revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryState {
    agents: BTreeMap<AgentName, Listed>,
    revoked: BTreeMap<AgentName, Position>,
}

/// One agent in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What it says of itself.
    pub card: Card,
    /// Where it said so, last.
    pub at: Position,
    /// When it was first announced.
    pub since: Timestamp,
    /// Whether it still belongs here.
    pub standing: Standing,
}

/// Whether an agent belongs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It does.
    Active,
    /// It left.
    Retired {
        /// Where it said so.
        at: Position,
    },
    /// It was shut out.
    Revoked {
        /// Where that was said.
        at: Position,
    },
}

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Announce oneself.
    Announce(Box<Card>),
    /// Leave.
    Retire {
        /// Why.
        reason: String,
    },
    /// As an administrator, shut an agent out.
    Revoke {
        /// The agent.
        agent: AgentName,
        /// Why.
        reason: String,
    },
}

/// What stands against an event or a command about an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// An agent speaks for itself only.
    #[error("{author} cannot speak for {entity}")]
    NotOneself {
        /// Who would speak.
        author: AgentName,
        /// For whom.
        entity: EntityName,
    },
    /// The agent is not in the directory.
    #[error("{agent} was not announced, or has retired")]
    NotListed {
        /// The agent.
        agent: AgentName,
    },
    /// Only an administrator may revoke.
    #[error("{agent} does not administer the space")]
    NotAdministrator {
        /// Who would revoke.
        agent: AgentName,
    },
    /// It was revoked before.
    #[error("{agent} was revoked at position {at}")]
    Revoked {
        /// The agent.
        agent: AgentName,
        /// Where.
        at: Position,
    },
    /// The entity is no agent's name.
    #[error("{entity} is not an agent's name")]
    NotAgent {
        /// The entity.
        entity: EntityName,
    },
}

impl DirectoryState {
    /// Returns an agent.
    pub fn get(&self, agent: &AgentName) -> Option<&Listed> {
        self.agents.get(agent)
    }

    /// Returns all agents, also those that left, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&AgentName, &Listed)> {
        self.agents.iter()
    }

    /// Returns where an agent was revoked, if it was.
    pub fn revoked(&self, agent: &AgentName) -> Option<Position> {
        if self.revoked.is_empty() { None } else { self.revoked.get(agent).copied() }
    }

    /// Returns whether an agent is active and has announced a skill.
    pub fn has_skill(&self, agent: &AgentName, skill: &str) -> bool {
        self.get(agent).is_some_and(|listed| {
            listed.standing == Standing::Active && listed.card.skills.iter().any(|s| s == skill)
        })
    }

    /// Returns the active agents that have all these skills, in the order of their names.
    pub fn with_skills<'a>(
        &'a self,
        skills: &'a [String],
    ) -> impl Iterator<Item = (&'a AgentName, &'a Listed)> {
        self.iter().filter(move |(_, listed)| {
            let has = |skill| listed.card.skills.contains(skill);
            listed.standing == Standing::Active && skills.iter().all(has)
        })
    }
}

impl Protocol for Directory {
    const NOUNS: &'static [&'static str] = &["agent"];
    type Event = DirectoryEvent;
    type Command = Command;
    type State = DirectoryState;
    type Rejection = Rejection;

    fn plan(
        _: &DirectoryState,
        command: Command,
        context: &Context<'_>,
    ) -> Result<Plan<DirectoryEvent>, Rejection> {
        let oneself = crate::protocol::entity_of(context.author);
        Ok(match command {
            Command::Announce(card) => Plan::one(oneself, DirectoryEvent::Announced(card)),
            Command::Retire { reason } => {
                Plan::one(oneself, DirectoryEvent::Retired(Retired { reason }))
            }
            Command::Revoke { agent, reason } => {
                let revoked = DirectoryEvent::Revoked(Revoked { reason });
                Plan::one(crate::protocol::entity_of(&agent), revoked)
            }
        })
    }

    fn excerpt(
        state: &DirectoryState,
        plan: &Plan<DirectoryEvent>,
        _: &Context<'_>,
    ) -> DirectoryState {
        let entity = &plan.entity;
        let agent: Option<AgentName> = entity.as_str().parse().ok();
        let listed =
            agent.as_ref().and_then(|agent| Some((agent.clone(), state.get(agent)?.clone())));
        let revoked = agent.and_then(|agent| Some((agent.clone(), state.revoked(&agent)?)));
        DirectoryState {
            agents: listed.into_iter().collect(),
            revoked: revoked.into_iter().collect(),
        }
    }

    fn evolve(
        state: &mut DirectoryState,
        entity: &EntityName,
        event: DirectoryEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        let oneself = || match entity.as_str() == context.author.as_str() {
            true => Ok(context.author.clone()),
            false => Err(Rejection::NotOneself {
                author: context.author.clone(),
                entity: entity.clone(),
            }),
        };
        let (at, now) = (context.position, context.time.moment());
        match event {
            DirectoryEvent::Announced(card) => {
                let agent = oneself()?;
                if let Some(at) = state.revoked(&agent) {
                    return Err(Rejection::Revoked { agent, at });
                }
                let since = state.get(&agent).map_or(now, |listed| listed.since);
                let listed = Listed { card: *card, at, since, standing: Standing::Active };
                state.agents.insert(agent, listed);
            }
            DirectoryEvent::Retired(Retired { .. }) => {
                let agent = oneself()?;
                match state.agents.get_mut(&agent) {
                    Some(listed) if listed.standing == Standing::Active => {
                        listed.standing = Standing::Retired { at };
                    }
                    Some(_) | None => return Err(Rejection::NotListed { agent }),
                }
            }
            DirectoryEvent::Revoked(Revoked { .. }) => {
                if !context.space.charter.is_administrator(context.author) {
                    return Err(Rejection::NotAdministrator { agent: context.author.clone() });
                }
                let agent: AgentName = entity
                    .as_str()
                    .parse()
                    .map_err(|_| Rejection::NotAgent { entity: entity.clone() })?;
                if let Some(at) = state.revoked(&agent) {
                    return Err(Rejection::Revoked { agent, at });
                }
                if let Some(listed) = state.agents.get_mut(&agent) {
                    listed.standing = Standing::Revoked { at };
                }
                state.revoked.insert(agent, at);
            }
        }
        Ok(Vec::new())
    }
}
