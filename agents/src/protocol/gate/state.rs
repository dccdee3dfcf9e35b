//! Questions to people, what they allowed, and what they stopped, as everybody folds it.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Asked, Granted};
use crate::protocol::time::LogTime;

/// P13: the human gate.
#[derive(Debug, Clone, Copy)]
pub struct Gate;

/// All questions, grants and stops.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateState {
    pub(super) questions: BTreeMap<EntityName, Question>,
    pub(super) grants: BTreeMap<EntityName, Grant>,
    pub(super) space: Option<Stop>,
    pub(super) stopped: BTreeMap<AgentName, Stop>,
}

/// A question to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who asks.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What.
    pub said: Box<Asked>,
    /// What came of it.
    pub reply: Reply,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Nobody has answered.
    Open,
    /// A person answered.
    Answered {
        /// Who.
        by: AgentName,
        /// Where.
        at: Position,
        /// What.
        answer: String,
    },
    /// A grant covered it.
    Covered {
        /// The grant.
        by: EntityName,
    },
    /// Whoever asked took it back.
    Cancelled {
        /// Where.
        at: Position,
    },
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open => f.write_str("nobody has answered"),
            Self::Answered { by, at, answer } => {
                write!(f, "{by} answered {answer:?} at position {at}")
            }
            Self::Covered { by } => write!(f, "the grant {by} covers it"),
            Self::Cancelled { at } => write!(f, "it was taken back at position {at}"),
        }
    }
}

/// What holds for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It waits.
    Wait,
    /// It has leave, by a grant.
    Leave,
    /// It was told this, by a person or because time passed.
    Told(&'a str),
    /// Time passed, and nothing was to hold then.
    Expired,
    /// The question was taken back.
    Cancelled,
}

/// Leave within limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who gave it.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// What was said.
    pub said: Granted,
    /// How much of it is used.
    pub used: u64,
    /// How often it was used.
    pub times: u32,
    /// Whether it was taken back.
    pub withdrawn: bool,
}

/// An emergency stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Who stopped it.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// Why.
    pub reason: String,
}

impl Question {
    /// Returns what holds for whoever asked, at a log time.
    pub fn answer(&self, time: LogTime) -> Answer<'_> {
        match &self.reply {
            Reply::Answered { answer, .. } => Answer::Told(answer),
            Reply::Covered { .. } => Answer::Leave,
            Reply::Cancelled { .. } => Answer::Cancelled,
            Reply::Open if self.said.until.is_some_and(|until| time.is_past(until)) => {
                self.said.otherwise.as_deref().map_or(Answer::Expired, Answer::Told)
            }
            Reply::Open => Answer::Wait,
        }
    }
}

impl Grant {
    /// Returns whether it covers so much for this agent at a log time.
    pub fn covers(&self, agent: &AgentName, scope: &str, amount: u64, time: LogTime) -> bool {
        let Granted { to, scope: granted, each, total, times, until } = &self.said;
        let left = total.map_or(u64::MAX, |total| total.saturating_sub(self.used));
        !self.withdrawn
            && !time.is_past(*until)
            && to.as_ref().is_none_or(|to| to == agent)
            && granted == scope
            && each.is_none_or(|each| amount <= each)
            && amount <= left
            && times.is_none_or(|times| self.times < times)
    }
}

impl GateState {
    /// Returns a question.
    pub fn question(&self, question: &EntityName) -> Option<&Question> {
        self.questions.get(question)
    }

    /// Returns all questions, in the order of their names.
    pub fn questions(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Question)> {
        self.questions.iter()
    }

    /// Returns a grant.
    pub fn grant(&self, grant: &EntityName) -> Option<&Grant> {
        self.grants.get(grant)
    }

    /// Returns all grants, in the order of their names.
    pub fn grants(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Grant)> {
        self.grants.iter()
    }

    /// Returns the questions that an agent waits on, at a log time, in the order of their names.
    pub fn waits<'a>(
        &'a self,
        agent: &'a AgentName,
        time: LogTime,
    ) -> impl Iterator<Item = (&'a EntityName, &'a Question)> {
        self.questions.iter().filter(move |(_, question)| {
            question.by == *agent && question.answer(time) == Answer::Wait
        })
    }

    /// Returns the stop of the whole space, if it is stopped.
    pub fn space_stop(&self) -> Option<&Stop> {
        self.space.as_ref()
    }

    /// Returns the agents that are stopped each for themselves, in the order of their names.
    pub fn stops(&self) -> impl ExactSizeIterator<Item = (&AgentName, &Stop)> {
        self.stopped.iter()
    }

    /// Returns what stops an agent: a stop of its own, or of the whole space.
    pub fn stop_of(&self, agent: &AgentName) -> Option<&Stop> {
        self.space.as_ref().or_else(|| self.stopped.get(agent))
    }
}
