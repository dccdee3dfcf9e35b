//! What everybody knows: what was agreed, and who tries what first.

use colony_core::{AgentName, EntityName, Entry, Position};
use serde::{Deserialize, Serialize};

use super::rota::Rota;
use crate::protocol::{CoordinationState, Outcome};

/// What was agreed, and the rota that follows from it: one fold of the log, equal for every reader.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Space {
    agreed: CoordinationState,
    rota: Rota,
    latest: Change,
}

/// What the last entry changed for somebody.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Agents that became the first to try a task.
    pub turns: Vec<AgentName>,
    /// The task that has a new holder.
    pub hold: Option<NewHold>,
}

/// A task that has a new holder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHold {
    /// The task.
    pub task: EntityName,
    /// Who holds it.
    pub owner: AgentName,
    /// Under which fence.
    pub fence: Position,
}

impl Space {
    /// Takes the next entry of the log and says what became of it.
    pub fn evolve(&mut self, entry: &Entry) -> Outcome {
        let outcome = self.agreed.evolve(entry);
        self.latest = match outcome {
            Outcome::Unrelated => Change::default(),
            Outcome::Applied | Outcome::Ignored(_) => {
                let applied = outcome == Outcome::Applied;
                self.rota.follow(&self.agreed, entry, applied)
            }
        };
        outcome
    }

    /// Returns what was agreed.
    pub fn agreed(&self) -> &CoordinationState {
        &self.agreed
    }

    /// Returns who tries what first.
    pub fn rota(&self) -> &Rota {
        &self.rota
    }

    /// Returns what the last entry changed.
    pub fn latest(&self) -> &Change {
        &self.latest
    }
}
