//! Events that have no effect, and why.

use std::collections::VecDeque;

use colony_core::{AgentName, EntityName, EventType, Position};
use serde::{Deserialize, Serialize};

use super::coordination::Rejection;
use crate::protocol::limits::MAX_IGNORED;

/// An event that every reader ignores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Where it stands.
    pub position: Position,
    /// Its author.
    pub author: AgentName,
    /// Its type.
    pub ty: EventType,
    /// What it is about.
    pub entity: Option<EntityName>,
    /// What stood against it.
    pub reason: Rejection,
}

/// The latest ignored events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredEvents {
    total: u64,
    latest: VecDeque<Ignored>,
}

impl IgnoredEvents {
    pub(super) fn push(&mut self, ignored: Ignored) {
        self.total += 1;
        if self.latest.len() == MAX_IGNORED {
            self.latest.pop_front();
        }
        self.latest.push_back(ignored);
    }

    /// Returns how many events were ignored since the log began.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the latest of them, at most [`MAX_IGNORED`](crate::protocol::limits::MAX_IGNORED), oldest first.
    pub fn latest(&self) -> impl DoubleEndedIterator<Item = &Ignored> + ExactSizeIterator {
        self.latest.iter()
    }

    /// Returns what stood against the event at a position, if it was ignored and is still kept.
    pub fn reason(&self, position: Position) -> Option<&Rejection> {
        let at = self.latest.binary_search_by_key(&position, |ignored| ignored.position).ok()?;
        self.latest.get(at).map(|ignored| &ignored.reason)
    }
}
