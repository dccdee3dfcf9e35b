//! What cannot work in a team's file.

use colony_core::name::NameError;
use colony_core::{AgentName, EntityName};

use super::{CLIENT, MAX_AGENTS};
use crate::protocol::Rejection;

/// Something that cannot work, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `agents[2].count`.
    pub place: String,
    /// What.
    pub problem: Problem,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// What cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is none of it.
    #[error("there must be at least one")]
    None,
    /// There are too many agents.
    #[error("{count} agents are more than one process runs, which is {MAX_AGENTS}")]
    TooMany {
        /// How many.
        count: u32,
    },
    /// A name is none.
    #[error("with its number, the name is none: {source}")]
    Name {
        /// Why.
        source: NameError,
    },
    /// Two agents have one name.
    #[error("there is another agent {name}")]
    Twice {
        /// The name.
        name: AgentName,
    },
    /// An agent has the name of the one that offers the tasks.
    #[error("{CLIENT} is who offers the team's tasks")]
    Client,
    /// A holder may not be silent at all.
    #[error("whoever holds a task must be allowed to be silent for a while")]
    NoTime,
    /// Evidence is asked for that nobody gives.
    #[error("{reviewer} asks for evidence, and nobody's work gives any")]
    Evidence {
        /// Who asks.
        reviewer: AgentName,
    },
    /// A rule stands against it.
    #[error("{rejection}")]
    Refused {
        /// The rule.
        rejection: Box<Rejection>,
    },
    /// There are several conductors.
    #[error("{count} conductors would hand out the same tasks")]
    Conductors {
        /// How many.
        count: u32,
    },
    /// A command is empty.
    #[error("the command is empty")]
    Command,
    /// A holder would lapse while it works.
    #[error(
        "a task takes {takes_ms} ms, and an agent of several instances may be silent for {silent_ms} ms only: it says nothing while it works"
    )]
    Silent {
        /// How long a task takes.
        takes_ms: u64,
        /// How long it may be silent.
        silent_ms: u64,
    },
    /// Agents of this kind have one instance.
    #[error(
        "who plans or hands out tasks has one instance: what it has said and not read back is known to that one only"
    )]
    OneInstance,
    /// A quota is not defined.
    #[error("the quota {quota} is not defined")]
    Quota {
        /// The quota.
        quota: EntityName,
    },
    /// Nobody has a skill.
    #[error("nobody has the skill {skill:?}")]
    Skill {
        /// The skill.
        skill: String,
    },
    /// There is no such task.
    #[error("there is no task {name}")]
    Task {
        /// The task.
        name: EntityName,
    },
    /// A task waits for itself.
    #[error("it waits for itself")]
    Circle,
}
