//! Handoffs, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{EventLink, Offered};
use crate::protocol::json::Json;

/// P8: work passed on.
#[derive(Debug, Clone, Copy)]
pub struct Handoffs;

/// All handoffs, and the questions about them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandoffsState {
    pub(super) handoffs: BTreeMap<EntityName, Handoff>,
    pub(super) questions: BTreeMap<EntityName, Question>,
}

/// One handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// Who passes it on.
    pub by: AgentName,
    /// Where it was offered.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What was said.
    pub said: Box<Offered>,
    /// How far it is.
    pub phase: Phase,
}

/// How far a handoff is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It can be accepted.
    Offered {
        /// The one agent that may, for now.
        only: Option<AgentName>,
    },
    /// An agent has it.
    Accepted {
        /// The agent.
        by: AgentName,
        /// The position of its acceptance.
        fence: Position,
        /// Until when it has it alone.
        until: Option<Timestamp>,
    },
    /// The agent that had it passed it on.
    PassedOn {
        /// The agent.
        by: AgentName,
        /// The handoff with which it did.
        to: EntityName,
    },
    /// It is done.
    Completed {
        /// By whom.
        by: AgentName,
        /// Where that was said.
        at: Position,
        /// What came of it.
        result: Option<Json>,
    },
}

/// A question about a handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The handoff.
    pub handoff: EntityName,
    /// Who asks.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What is asked.
    pub question: String,
    /// The answers, in log order; the first is the one that counts.
    pub answers: Vec<Answer>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who answers.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// What.
    pub answer: String,
    /// What it rests on.
    pub sources: Vec<EventLink>,
}

impl HandoffsState {
    /// Returns a handoff.
    pub fn get(&self, handoff: &EntityName) -> Option<&Handoff> {
        self.handoffs.get(handoff)
    }

    /// Returns all handoffs, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Handoff)> {
        self.handoffs.iter()
    }

    /// Returns a question.
    pub fn question(&self, question: &EntityName) -> Option<&Question> {
        self.questions.get(question)
    }

    /// Returns the questions about a handoff, in the order of their names.
    pub fn questions_about<'a>(
        &'a self,
        handoff: &'a EntityName,
    ) -> impl Iterator<Item = (&'a EntityName, &'a Question)> {
        self.questions.iter().filter(move |(_, question)| question.handoff == *handoff)
    }

    /// Returns the questions that nobody has answered, in the order of their names: work for anyone who knows.
    pub fn open_questions(&self) -> impl Iterator<Item = (&EntityName, &Question)> {
        self.questions.iter().filter(|(_, question)| question.answers.is_empty())
    }
}
