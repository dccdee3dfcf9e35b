//! Actions, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Class, Resource};
use super::occupied::{Intent, Occupied, Spans, by_resource, spans};
use crate::protocol::time::LogTime;

/// P10: acts, and how those in conflict are made good.
#[derive(Debug, Clone, Copy)]
pub struct Compensation;

/// All actions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionsState {
    /// Boxed, for a tree with large nodes is slow to grow.
    pub(super) actions: BTreeMap<EntityName, Box<Action>>,
    /// What stands or is intended on a resource, by its name.
    pub(super) on: BTreeMap<String, Occupied>,
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
        self.actions.get(action).map(Box::as_ref)
    }

    /// Returns all actions, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Action)> {
        self.actions.iter().map(|(name, action)| (name, action.as_ref()))
    }

    /// Returns the actions of an agent that owe a compensation, each with the one it gives way to.
    pub fn owed_by<'a>(
        &'a self,
        agent: &'a AgentName,
    ) -> impl Iterator<Item = (&'a EntityName, &'a EntityName)> {
        let owing = self.owing.iter();
        owing.filter(move |(action, _)| self.get(action).is_some_and(|known| known.by == *agent))
    }

    /// Returns the standing action of another that these resources meet, of those that do not merge; the first by the resource's name,
    /// then by when it begins.
    pub(super) fn meets(
        &self,
        action: &EntityName,
        spans: &Spans<'_>,
    ) -> Option<(&EntityName, &Action)> {
        self.named(self.standing(action, spans)?)
    }

    /// Returns the name of that action: its look-up is dear where nobody asks for more.
    pub(super) fn standing(&self, action: &EntityName, spans: &Spans<'_>) -> Option<&EntityName> {
        let standing = |(name, span): &(&str, _)| self.on.get(*name)?.standing(*span);
        spans.iter().find_map(|span| standing(span).filter(|other| *other != action))
    }

    fn named(&self, action: &EntityName) -> Option<(&EntityName, &Action)> {
        self.actions.get_key_value(action).map(|(name, action)| (name, action.as_ref()))
    }

    /// Returns the live intent of another that these resources meet; the first in the log.
    pub(super) fn intends(
        &self,
        action: &EntityName,
        spans: &Spans<'_>,
        time: LogTime,
    ) -> Option<(&EntityName, &Action)> {
        let first = by_resource(spans)
            .filter_map(|(name, spans)| self.on.get(name)?.intended(action, spans, time));
        let (_, found) = first.min_by_key(|(at, _)| *at)?;
        self.named(found)
    }

    /// Returns a resource on which no further intent has room, if there is one.
    pub(super) fn crowded(
        &self,
        action: &EntityName,
        spans: &Spans<'_>,
        time: LogTime,
    ) -> Option<String> {
        let full = |name: &&str| self.on.get(*name).is_some_and(|on| on.is_crowded(action, time));
        by_resource(spans).map(|(name, _)| name).find(full).map(str::to_owned)
    }

    /// Puts an action where others meet it, as far as they can: an intent, or an act that stands and does not merge.
    pub(super) fn index(
        &mut self,
        name: &EntityName,
        spans: &Spans<'_>,
        phase: &Phase,
        time: LogTime,
    ) {
        if !is_met(phase) {
            return;
        }
        for (resource, spans) in by_resource(spans) {
            match phase {
                Phase::Intended { at, until } => {
                    let spans = spans.iter().map(|(_, span)| *span).collect();
                    let intent = Intent { action: name.clone(), ends: *until, spans };
                    self.occupied(resource).intend(*at, intent, time);
                }
                _ => self.occupied(resource).take(name, spans),
            }
        }
    }

    fn occupied(&mut self, resource: &str) -> &mut Occupied {
        self.on.entry(resource.to_owned()).or_default()
    }
}

/// Returns whether others meet an action where it is.
fn is_met(phase: &Phase) -> bool {
    match phase {
        Phase::Taken { class: Class::Mergeable, .. }
        | Phase::Owing { .. }
        | Phase::Compensated { .. } => false,
        Phase::Intended { .. } | Phase::Taken { .. } => true,
    }
}

/// Takes an action off the resources that it was on.
pub(super) fn unindex(index: &mut BTreeMap<String, Occupied>, action: &Action) {
    if !is_met(&action.phase) {
        return;
    }
    for (resource, spans) in by_resource(&spans(&action.resources)) {
        if let Some(occupied) = index.get_mut(resource) {
            match &action.phase {
                Phase::Intended { at, .. } => occupied.forget(*at),
                _ => occupied.release(spans),
            }
            if occupied.is_empty() {
                index.remove(resource);
            }
        }
    }
}
