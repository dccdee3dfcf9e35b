//! What is said about actions.

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;

payloads! {
    /// What is said about actions. The entity is the action.
    ActionEvent {
        "action.intended" => Intended(Intended),
        "action.taken" => Taken(Taken),
        "action.compensated" => Compensated(Compensated),
    }
}

/// Something that one agent at a time can have: all of it, or from one moment to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// From when; absent means ever since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when, exclusive; absent means for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Resource {
    /// Returns whether there is no moment at which it is acted on.
    pub(super) fn is_never(&self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| until <= from)
    }

    /// Returns whether two claims meet: the same name at a common moment.
    pub fn meets(&self, other: &Self) -> bool {
        let before = |end: Option<Timestamp>, start: Option<Timestamp>| {
            end.zip(start).is_some_and(|(end, start)| end <= start)
        };
        self.name == other.name
            && !before(self.until, other.from)
            && !before(other.until, self.from)
    }
}

/// An agent is about to act. Others may defer to it; an irreversible act needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// On what.
    pub resources: Vec<Resource>,
    /// Until when the intent stands.
    pub until: Timestamp,
}

/// An agent acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// On what.
    pub resources: Vec<Resource>,
    /// What becomes of it where it meets another's act.
    pub class: Class,
    /// Who should hear of it if it is undone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affects: Vec<AgentName>,
}

/// What becomes of an act that meets another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Both stand: acts of this kind merge.
    Mergeable,
    /// The later one is undone.
    Compensable {
        /// How, for whoever carries it out.
        how: String,
    },
    /// It cannot be undone, so it must have been announced, and the announcement must hold.
    Irreversible {
        /// The position of the `action.intended`.
        fence: Position,
    },
}

/// An act was undone by its author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensated {
    /// The act that it gave way to; absent where it was undone for another reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gave_way_to: Option<EntityName>,
    /// Who is told: those affected, and the other act's author.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tells: Vec<AgentName>,
}
