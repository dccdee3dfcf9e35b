//! The charter, as everybody folds it.

use std::collections::BTreeSet;

use colony_core::{AgentName, EntityName, EventType, Position};
use serde::{Deserialize, Serialize};

use super::event::{CharterEvent, Chartered};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};

/// The charter of a space.
#[derive(Debug, Clone, Copy)]
pub struct Charters;

/// The charter that holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterState {
    said: Chartered,
    at: Option<Position>,
}

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Write the charter.
    Charter(EntityName, Chartered),
}

/// What stands against a charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Only an administrator may write the next charter.
    #[error("{agent} does not administer the space; the charter at position {at} names who does")]
    NotAdministrator {
        /// The agent.
        agent: AgentName,
        /// Where the charter that holds stands.
        at: Position,
    },
    /// A charter without administrators could never be changed.
    #[error("a charter names at least one administrator")]
    NoAdministrator,
}

impl CharterState {
    /// Returns what the charter says; empty where there is none.
    pub fn said(&self) -> &Chartered {
        &self.said
    }

    /// Returns where the charter that holds stands.
    pub fn at(&self) -> Option<Position> {
        self.at
    }

    /// Returns whether an agent administers the space.
    pub fn is_administrator(&self, agent: &AgentName) -> bool {
        self.said.administrators.contains(agent)
    }

    /// Returns the agents that answer for people.
    pub fn people(&self) -> &BTreeSet<AgentName> {
        if self.said.people.is_empty() { &self.said.administrators } else { &self.said.people }
    }

    /// Returns the reputation that the author of an event of this type needs.
    pub fn needed_for(&self, ty: &EventType) -> Option<u32> {
        if self.said.levels.is_empty() { None } else { self.said.levels.get(ty).copied() }
    }
}

impl Protocol for Charters {
    const NOUNS: &'static [&'static str] = &["space"];
    type Event = CharterEvent;
    type Command = Command;
    type State = CharterState;
    type Rejection = Rejection;

    fn plan(
        _: &CharterState,
        command: Command,
        _: &Context<'_>,
    ) -> Result<Plan<CharterEvent>, Rejection> {
        let Command::Charter(space, said) = command;
        Ok(Plan::one(space, CharterEvent::Chartered(said)))
    }

    fn excerpt(state: &CharterState, _: &Plan<CharterEvent>, _: &Context<'_>) -> CharterState {
        state.clone()
    }

    fn evolve(
        state: &mut CharterState,
        _: &EntityName,
        CharterEvent::Chartered(said): CharterEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        if let Some(at) = state.at
            && !state.is_administrator(context.author)
        {
            return Err(Rejection::NotAdministrator { agent: context.author.clone(), at });
        }
        if said.administrators.is_empty() {
            return Err(Rejection::NoAdministrator);
        }
        *state = CharterState { said, at: Some(context.position) };
        Ok(Vec::new())
    }
}
