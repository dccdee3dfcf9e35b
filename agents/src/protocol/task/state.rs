//! Tasks, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{BlockedOn, Offered};
use crate::protocol::bidding::{Auction, Ranked};
use crate::protocol::json::Json;

/// P1 and P2: tasks, claimed, bid for or assigned.
#[derive(Debug, Clone, Copy)]
pub struct Tasks;

/// All tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TasksState(pub(super) BTreeMap<EntityName, Task>);

impl TasksState {
    /// Returns a task.
    pub fn get(&self, task: &EntityName) -> Option<&Task> {
        self.0.get(task)
    }

    /// Returns all tasks, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Task)> {
        self.0.iter()
    }

    /// Returns the fence of a task if this agent holds it.
    pub fn fence(&self, task: &EntityName, agent: &AgentName) -> Option<Position> {
        self.get(task)?.hold().filter(|hold| hold.owner == *agent).map(|hold| hold.fence)
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What was offered, last.
    pub offer: Box<Offer>,
    /// Counts the times that it was up for somebody to take; from 1.
    pub round: u32,
    /// How far it is.
    pub phase: Phase,
}

/// An offer, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Who offered it.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// When, by the log.
    pub since: Timestamp,
    /// What was said.
    pub said: Offered,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Anybody may claim it.
    Free {
        /// Since when.
        since: Timestamp,
    },
    /// Bids are taken.
    Bidding(Box<Auction>),
    /// No bid is left; its author may offer it again.
    Unawarded {
        /// Since when.
        since: Timestamp,
    },
    /// Somebody does it.
    Held(Box<Hold>),
    /// It is said to be done.
    Done(Box<Delivery>),
    /// It is done, and was found good.
    Verified(Box<Delivery>),
    /// It is not to be done.
    Cancelled {
        /// Where that was said.
        at: Position,
    },
}

/// Who does a task, and until when it may be silent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The agent.
    pub owner: AgentName,
    /// The position of the event that made it the holder.
    pub fence: Position,
    /// Since when.
    pub since: Timestamp,
    /// When anybody may say that it lapsed: any later moment.
    pub until: Timestamp,
    /// When it last said anything.
    pub heard: Timestamp,
    /// How far it is, of 100.
    pub percent: Option<u8>,
    /// What it waits for.
    pub blocked: Option<Block>,
    /// Bids that hold if this one does not, best first.
    pub next: Vec<Ranked>,
}

/// What a holder waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What.
    pub on: BlockedOn,
    /// Since when.
    pub since: Timestamp,
}

/// What was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The worker.
    pub by: AgentName,
    /// The worker's fence.
    pub fence: Position,
    /// Where it was said to be done.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// Whether that was after the deadline.
    pub late: bool,
    /// What came of it.
    pub result: Option<Json>,
    /// Where it can be seen.
    pub evidence: Vec<String>,
    /// What those entitled found, in order.
    pub verdicts: Vec<Verdict>,
    /// Bids that hold if it is rejected, best first.
    pub next: Vec<Ranked>,
}

/// What one verifier found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verifier.
    pub by: AgentName,
    /// Where it said so.
    pub at: Position,
    /// Whether it found the result good.
    pub good: bool,
}

impl Task {
    /// Returns who holds the task, if anybody does.
    pub fn hold(&self) -> Option<&Hold> {
        match &self.phase {
            Phase::Held(hold) => Some(hold),
            Phase::Free { .. }
            | Phase::Bidding(_)
            | Phase::Unawarded { .. }
            | Phase::Done(_)
            | Phase::Verified(_)
            | Phase::Cancelled { .. } => None,
        }
    }

    /// Returns what was delivered, if it is said to be done.
    pub fn delivery(&self) -> Option<&Delivery> {
        match &self.phase {
            Phase::Done(delivery) | Phase::Verified(delivery) => Some(delivery),
            Phase::Free { .. }
            | Phase::Bidding(_)
            | Phase::Unawarded { .. }
            | Phase::Held(_)
            | Phase::Cancelled { .. } => None,
        }
    }

    /// Returns whether it is said to be done, or was found good.
    pub fn is_done(&self) -> bool {
        self.delivery().is_some()
    }

    /// Returns whether somebody may judge its result.
    pub fn may_judge(&self, agent: &AgentName) -> bool {
        let named = &self.offer.said.verifiers;
        if named.is_empty() { self.offer.by == *agent } else { named.contains(agent) }
    }

    /// Returns how many verifiers must agree.
    pub fn quorum(&self) -> usize {
        let eligible = self.offer.said.verifiers.len().max(1);
        (self.offer.said.quorum.unwrap_or(1) as usize).clamp(1, eligible)
    }
}
