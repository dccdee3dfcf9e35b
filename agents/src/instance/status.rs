//! How an instance is doing.

use colony_core::{LaneName, Position};
use serde::{Deserialize, Serialize};

/// How one lane of an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LaneStatus {
    /// Which share of the agent's events it has.
    pub partition: u16,
    /// The lane that it writes, or will.
    pub lane: LaneName,
    /// The position up to which every event is known to be dealt with, by what the lane says.
    pub cursor: Position,
    /// The same, with what was handled and is not in the lane.
    pub reacted: Position,
    /// Nothing is left to do for this instance up to this position: each event there is handled, and what came of it stored.
    pub through: Position,
    /// The last entry delivered to this instance.
    pub delivered: Position,
    /// Events delivered and not yet handled.
    pub waiting: usize,
    /// Events set aside.
    pub parked: usize,
    /// Whether this instance does the work, as far as it can tell.
    pub works: bool,
    /// The instance that is to do it.
    pub preferred: Option<LaneName>,
}
