//! Actions, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Class, Resource};
use crate::protocol::time::LogTime;

/// P10: acts, and how those in conflict are made good.
#[derive(Debug, Clone, Copy)]
pub struct Compensation;

/// All actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsState {
    pub(super) actions: BTreeMap<EntityName, Action>,
    /// Which actions are on a resource and stand, or are intended, by its name.
    pub(super) on: BTreeMap<String, Vec<EntityName>>,
    /// Which actions owe a compensation.
    pub(super) owing: BTreeMap<EntityName, EntityName>,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Whose.
    pub by: AgentName,
    /// On what.
    pub resources: Vec<Resource>,
    /// How far it is.
    pub phase: Phase,
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Announced.
    Intended {
        /// Where: its fence.
        at: Position,
        /// Until when.
        until: Timestamp,
    },
    /// Done, and it stands.
    Taken {
        /// Where.
        at: Position,
        /// What becomes of it where it meets another.
        class: Class,
        /// Who should hear of it if it is undone.
        affects: Vec<AgentName>,
    },
    /// Done, and it has to give way.
    Owing {
        /// Where.
        at: Position,
        /// To which action.
        to: EntityName,
        /// How it is undone.
        how: String,
        /// Who should hear of it.
        affects: Vec<AgentName>,
    },
    /// Undone.
    Compensated {
        /// Where that was said.
        at: Position,
    },
}

impl ActionsState {
    /// Returns an action.
    pub fn get(&self, action: &EntityName) -> Option<&Action> {
        self.actions.get(action)
    }

    /// Returns all actions, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Action)> {
        self.actions.iter()
    }

    /// Returns the actions of an agent that owe a compensation, each with the one it gives way to.
    pub fn owed_by<'a>(
        &'a self,
        agent: &'a AgentName,
    ) -> impl Iterator<Item = (&'a EntityName, &'a EntityName)> {
        let owing = self.owing.iter();
        owing.filter(move |(action, _)| self.get(action).is_some_and(|known| known.by == *agent))
    }

    /// Returns the standing action of another that these resources meet; the first in the log.
    pub(super) fn meets(
        &self,
        action: &EntityName,
        resources: &[Resource],
    ) -> Option<(&EntityName, &Action)> {
        let taken = |other: &Action| match other.phase {
            Phase::Taken { at, .. } => Some(at),
            Phase::Intended { .. } | Phase::Owing { .. } | Phase::Compensated { .. } => None,
        };
        self.first(action, resources, taken)
    }

    /// Returns the live intent of another that these resources meet; the first in the log.
    pub(super) fn intends(
        &self,
        action: &EntityName,
        resources: &[Resource],
        time: LogTime,
    ) -> Option<(&EntityName, &Action)> {
        let intended = |other: &Action| match other.phase {
            Phase::Intended { at, until } if !time.is_past(until) => Some(at),
            Phase::Intended { .. }
            | Phase::Taken { .. }
            | Phase::Owing { .. }
            | Phase::Compensated { .. } => None,
        };
        self.first(action, resources, intended)
    }

    fn first(
        &self,
        action: &EntityName,
        resources: &[Resource],
        place: impl Fn(&Action) -> Option<Position>,
    ) -> Option<(&EntityName, &Action)> {
        let names = resources.iter().filter_map(|resource| self.on.get(&resource.name)).flatten();
        let others = names.filter(|name| *name != action);
        let others = others.filter_map(|name| self.actions.get_key_value(name));
        let meeting = others.filter(|(_, other)| {
            resources.iter().any(|one| other.resources.iter().any(|two| one.meets(two)))
        });
        let placed = meeting.filter_map(|(name, other)| Some((place(other)?, name, other)));
        placed.min_by_key(|(at, ..)| *at).map(|(_, name, other)| (name, other))
    }

    pub(super) fn index(&mut self, action: &EntityName, resources: &[Resource]) {
        for resource in resources {
            let on = match self.on.get_mut(&resource.name) {
                Some(on) => on,
                None => self.on.entry(resource.name.clone()).or_default(),
            };
            if !on.contains(action) {
                on.push(action.clone());
            }
        }
    }
}

/// Takes an action off the resources that it was on.
pub(super) fn unindex(
    index: &mut BTreeMap<String, Vec<EntityName>>,
    action: &EntityName,
    resources: &[Resource],
) {
    for resource in resources {
        if let Some(on) = index.get_mut(&resource.name) {
            on.retain(|other| other != action);
            if on.is_empty() {
                index.remove(&resource.name);
            }
        }
    }
}
