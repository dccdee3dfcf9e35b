//! Votes, as everybody folds them.

use std::collections::BTreeMap;

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Called, Counts, Rule};
use super::tally::{VoteResult, tally};
use crate::protocol::time::LogTime;

/// P9: questions put to a vote.
#[derive(Debug, Clone, Copy)]
pub struct Votes;

/// All votes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VotesState(pub(super) BTreeMap<EntityName, Vote>);

impl VotesState {
    /// Returns a vote.
    pub fn get(&self, vote: &EntityName) -> Option<&Vote> {
        self.0.get(vote)
    }

    /// Returns all votes, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&EntityName, &Vote)> {
        self.0.iter()
    }
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who called it.
    pub by: AgentName,
    /// Where.
    pub at: Position,
    /// When.
    pub since: Timestamp,
    /// What was said.
    pub said: Box<Called>,
    /// How much each voter weighs.
    pub weights: BTreeMap<AgentName, u32>,
    /// The votes that count, as yet.
    pub ballots: BTreeMap<AgentName, Ballot>,
}

/// A vote that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The option.
    pub choice: String,
    /// Where it was cast.
    pub at: Position,
}

impl Vote {
    /// Returns the options.
    pub fn options(&self) -> impl Iterator<Item = &str> {
        let usual: &[&str] = if self.said.options.is_empty() { &["yes", "no"] } else { &[] };
        self.said.options.iter().map(String::as_str).chain(usual.iter().copied())
    }

    /// Returns the result at a log time.
    ///
    /// Where the first vote counts, an option has won as soon as nothing can stop it. Where the last counts, nothing is
    /// settled before the end.
    pub fn result(&self, time: LogTime) -> VoteResult<'_> {
        let over = time.is_past(self.said.until);
        let settled = over || self.said.counts == Counts::First;
        let votes = self.ballots.iter().map(|(voter, ballot)| {
            (ballot.choice.as_str(), self.weights.get(voter).copied().unwrap_or(0))
        });
        tally(votes, self.needed(), settled, over)
    }

    /// Returns the weight with which an option has won.
    pub fn needed(&self) -> u64 {
        match self.said.rule {
            Rule::AtLeast(count) => u64::from(count),
            Rule::Majority | Rule::Weighted(_) | Rule::ByReputation => {
                self.weights.values().map(|weight| u64::from(*weight)).sum::<u64>() / 2 + 1
            }
        }
    }
}
