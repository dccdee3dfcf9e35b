//! Whether an agent is there, and whether it gets anywhere: two questions, answered apart.

use colony_core::{AgentName, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::Standing;
use crate::protocol::coordination::CoordinationState;
use crate::protocol::time::Millis;

/// What an agent says of itself through presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It waits for work.
    Idle,
    /// It works on something.
    Working(String),
    /// It cannot go on.
    Blocked(String),
    /// A resource makes it wait.
    RateLimited,
}

/// What presence knows of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// What it said last.
    pub status: Status,
    /// When that was heard, by the observer's clock.
    pub heard: Timestamp,
}

/// How the observer sees the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// The observer's clock.
    pub now: Timestamp,
    /// Whether the observer itself is connected.
    pub connected: bool,
    /// After how long without a sign an agent counts as unreachable.
    pub unreachable_after: Millis,
    /// After how long without a sign it counts as gone.
    pub gone_after: Millis,
    /// After how long without progress on what it holds an agent counts as quiet.
    pub quiet_after: Millis,
}

/// How an agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// It is there, and where it holds work, the log shows progress.
    Alive(Status),
    /// It is there, holds work, and the log shows no progress.
    Quiet {
        /// What it says of itself.
        status: Status,
        /// When the log last showed progress.
        since: Timestamp,
    },
    /// No sign for a while.
    Unreachable {
        /// The last sign.
        since: Timestamp,
    },
    /// No sign for long, or never one.
    Gone,
    /// It said that it leaves.
    Retired,
    /// It was shut out.
    Revoked,
    /// The observer is cut off: nothing can be said about others.
    Stale,
}

impl Liveness {
    /// Puts the log, presence and the observer's own connection together.
    ///
    /// What the log says for good (retired, revoked) holds also for an observer that is cut off. For the rest, one's own
    /// lost connection never shows as the death of others.
    pub fn of(
        agent: &AgentName,
        space: &CoordinationState,
        presence: Option<&Presence>,
        sight: &Sight,
    ) -> Self {
        if space.directory.revoked(agent).is_some() {
            return Self::Revoked;
        }
        match space.directory.get(agent).map(|listed| listed.standing) {
            Some(Standing::Revoked { .. }) => return Self::Revoked,
            Some(Standing::Retired { .. }) => return Self::Retired,
            Some(Standing::Active) | None => {}
        }
        if !sight.connected {
            return Self::Stale;
        }
        let Some(Presence { status, heard }) = presence else { return Self::Gone };
        let silence = Millis::between(*heard, sight.now);
        if silence > sight.gone_after {
            return Self::Gone;
        }
        if silence > sight.unreachable_after {
            return Self::Unreachable { since: *heard };
        }
        let holds = space.tasks.iter().filter_map(|(_, task)| task.hold());
        let heard = holds.filter(|hold| hold.owner == *agent).map(|hold| hold.heard).min();
        match heard {
            Some(since) if Millis::between(since, sight.now) > sight.quiet_after => {
                Self::Quiet { status: status.clone(), since }
            }
            Some(_) | None => Self::Alive(status.clone()),
        }
    }
}
