//! The critical path: the chain of entries that the end had to wait for.

use std::collections::BTreeMap;

use colony_core::{AgentName, Entry, EventId, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::time::Millis;

/// How one entry of the critical path follows from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// It begins the path.
    Start,
    /// The same agent went on.
    Own,
    /// Another agent took over: time that passes here is waiting.
    Handover,
}

/// An entry of the critical path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where it stands.
    pub position: Position,
    /// Its author.
    pub agent: AgentName,
    /// How it follows from the step before.
    pub leg: Leg,
    /// How long that took.
    pub millis: Millis,
}

/// What every entry followed from.
#[derive(Debug, Clone, Default)]
pub(super) struct Paths {
    nodes: Vec<Node>,
    by_id: BTreeMap<(AgentName, EventId), usize>,
    by_bare_id: BTreeMap<EventId, usize>,
    last_of: BTreeMap<AgentName, usize>,
}

#[derive(Debug, Clone)]
struct Node {
    position: Position,
    agent: AgentName,
    at: Timestamp,
    before: Option<usize>,
}

impl Paths {
    /// Returns who made what has this id: what was made upon it answers that agent.
    pub(super) fn author(&self, id: &str) -> Option<&AgentName> {
        let index = self.by_bare_id.get(&id.parse::<EventId>().ok()?)?;
        self.nodes.get(*index).map(|node| &node.agent)
    }

    /// Takes an entry: it follows from whichever came last of its cause, its parents, and its author's entry before.
    pub(super) fn take(&mut self, entry: &Entry, at: Timestamp, parents: &[String]) {
        let event = entry.event();
        let cause = event.cause.as_ref();
        let cause =
            cause.and_then(|cause| self.by_id.get(&(cause.author.clone(), cause.id.clone())));
        let parents = parents.iter().filter_map(|id| id.parse::<EventId>().ok());
        let parents: Vec<_> = parents.filter_map(|id| self.by_bare_id.get(&id).copied()).collect();
        // An entry that says what it was made upon waited for that, not for whatever its author did last.
        let own = self.last_of.get(&event.author).filter(|_| parents.is_empty());
        let place = |index: &usize| self.nodes.get(*index).map(|node| (node.at, *index));
        let before = cause.into_iter().chain(own).chain(&parents).max_by_key(|index| place(index));
        let before = before.copied();
        let index = self.nodes.len();
        let (position, agent) = (entry.position, event.author.clone());
        self.nodes.push(Node { position, agent: agent.clone(), at, before });
        self.by_id.insert((agent.clone(), event.id.clone()), index);
        self.by_bare_id.insert(event.id.clone(), index);
        self.last_of.insert(agent, index);
    }

    /// Returns the path that led to the last entry, first step first.
    pub(super) fn critical(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let latest = (0..self.nodes.len())
            .max_by_key(|index| self.nodes.get(*index).map(|node| (node.at, node.position)));
        let mut next = latest;
        while let Some(node) = next.and_then(|index| self.nodes.get(index)) {
            // An entry follows from one that was taken before it, so the walk ends.
            let before = node.before.and_then(|index| self.nodes.get(index));
            let leg = match before {
                None => Leg::Start,
                Some(before) if before.agent == node.agent => Leg::Own,
                Some(_) => Leg::Handover,
            };
            let millis =
                before.map_or(Millis::new(0), |before| Millis::between(before.at, node.at));
            let (position, agent) = (node.position, node.agent.clone());
            steps.push(Step { position, agent, leg, millis });
            next = node.before;
        }
        steps.reverse();
        steps
    }
}
