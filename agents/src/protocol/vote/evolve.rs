//! The rules of votes.

use std::collections::{BTreeMap, BTreeSet};

use colony_core::{AgentName, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Called, Cast, Counts, Rule, SignedChoice, VoteEvent};
use super::state::{Ballot, Vote, Votes, VotesState};
use crate::protocol::reputation::Deed;
use crate::protocol::rules::{Context, Plan, Protocol};

/// What an agent may want.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Put a question to a vote.
    Call(EntityName, Box<Called>),
    /// Vote.
    Cast(EntityName, Cast),
}

/// What stands against an event or a command about a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// There is no such vote.
    #[error("no vote of this name was called")]
    Unknown,
    /// The name is taken.
    #[error("{by} called a vote of this name at position {at}")]
    Called {
        /// Who called it.
        by: AgentName,
        /// Where.
        at: Position,
    },
    /// The call contradicts itself.
    #[error("the call's {field} cannot hold: {}", why(field))]
    Call {
        /// Which field.
        field: String,
    },
    /// The agent has no vote.
    #[error("{agent} has no vote")]
    NotVoter {
        /// The agent.
        agent: AgentName,
    },
    /// There is no such option.
    #[error("{choice:?} is not an option")]
    NoOption {
        /// What was chosen.
        choice: String,
    },
    /// The agent has voted, and its first vote counts.
    #[error("{agent} voted {choice:?} at position {at}, and the first vote counts")]
    Voted {
        /// The agent.
        agent: AgentName,
        /// What it chose.
        choice: String,
        /// Where.
        at: Position,
    },
    /// The vote is over.
    #[error("votes counted until {until}; the log's time is {now}")]
    Over {
        /// Until when votes counted.
        until: Timestamp,
        /// The log time.
        now: Timestamp,
    },
    /// The signature is missing, or does not hold.
    #[error("the vote does not carry a signature of {agent} that holds")]
    Signature {
        /// The agent.
        agent: AgentName,
    },
}

/// Returns why a field of a call cannot hold.
fn why(field: &str) -> &'static str {
    match field {
        "voters" => "nobody could vote",
        "until" => "it is not in the future",
        "options" => "there is no choice: they must be two or more, and differ",
        "rule" => "it asks for no vote, or for more than there are voters",
        _ => "it contradicts the rest",
    }
}

impl Protocol for Votes {
    const NOUNS: &'static [&'static str] = &["vote"];
    type Event = VoteEvent;
    type Command = Command;
    type State = VotesState;
    type Rejection = Rejection;

    fn plan(
        _: &VotesState,
        command: Command,
        _: &Context<'_>,
    ) -> Result<Plan<VoteEvent>, Rejection> {
        Ok(match command {
            Command::Call(name, called) => Plan::one(name, VoteEvent::Called(called)),
            Command::Cast(name, cast) => Plan::one(name, VoteEvent::Cast(cast)),
        })
    }

    fn excerpt(state: &VotesState, plan: &Plan<VoteEvent>, _: &Context<'_>) -> VotesState {
        let entity = &plan.entity;
        VotesState(
            state.get(entity).map(|vote| (entity.clone(), vote.clone())).into_iter().collect(),
        )
    }

    fn evolve(
        state: &mut VotesState,
        entity: &EntityName,
        event: VoteEvent,
        context: &Context<'_>,
    ) -> Result<Vec<Deed>, Rejection> {
        match event {
            VoteEvent::Called(said) => call(state, entity, said, context)?,
            VoteEvent::Cast(said) => {
                let vote = state.0.get_mut(entity).ok_or(Rejection::Unknown)?;
                vote.cast(entity, said, context)?;
            }
        }
        Ok(Vec::new())
    }
}

fn call(
    state: &mut VotesState,
    entity: &EntityName,
    said: Box<Called>,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    if let Some(Vote { by, at, .. }) = state.get(entity) {
        return Err(Rejection::Called { by: by.clone(), at: *at });
    }
    let wrong = |field: &str| Err(Rejection::Call { field: field.to_owned() });
    if said.voters.is_empty() {
        return wrong("voters");
    }
    if said.until <= context.time.moment() {
        return wrong("until");
    }
    let distinct: BTreeSet<&String> = said.options.iter().collect();
    if said.options.len() == 1 || distinct.len() < said.options.len() {
        return wrong("options");
    }
    // Reputations are weighed where the vote is called, so that nobody can work on the weights while it runs.
    let weight = |voter: &AgentName| match &said.rule {
        Rule::Majority | Rule::AtLeast(_) => 1,
        Rule::Weighted(weights) => weights.get(voter).copied().unwrap_or(1),
        Rule::ByReputation => context.space.reputation.score(voter, context.time),
    };
    let weights = said.voters.keys().map(|voter| (voter.clone(), weight(voter))).collect();
    let possible = match &said.rule {
        Rule::AtLeast(count) => (1..=said.voters.len() as u64).contains(&u64::from(*count)),
        Rule::Majority | Rule::Weighted(_) | Rule::ByReputation => true,
    };
    if !possible {
        return wrong("rule");
    }
    let vote = Vote {
        by: context.author.clone(),
        at: context.position,
        since: context.time.moment(),
        said,
        weights,
        ballots: BTreeMap::new(),
    };
    state.0.insert(entity.clone(), vote);
    Ok(())
}

impl Vote {
    fn cast(
        &mut self,
        entity: &EntityName,
        said: Cast,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let agent = context.author;
        let Some(key) = self.said.voters.get(agent) else {
            return Err(Rejection::NotVoter { agent: agent.clone() });
        };
        if context.time.is_past(self.said.until) {
            let (until, now) = (self.said.until, context.time.moment());
            return Err(Rejection::Over { until, now });
        }
        if !self.options().any(|option| option == said.choice) {
            return Err(Rejection::NoOption { choice: said.choice });
        }
        if let Some(Ballot { choice, at }) = self.ballots.get(agent)
            && self.said.counts == Counts::First
        {
            let (choice, at) = (choice.clone(), *at);
            return Err(Rejection::Voted { agent: agent.clone(), choice, at });
        }
        if let Some(key) = key {
            let choice = said.choice.as_str();
            let signed = SignedChoice { vote: entity, called: self.at, voter: agent, choice };
            let digest = signed.digest();
            if !said.signature.is_some_and(|signature| signature.holds(key, &digest)) {
                return Err(Rejection::Signature { agent: agent.clone() });
            }
        }
        let ballot = Ballot { choice: said.choice, at: context.position };
        self.ballots.insert(agent.clone(), ballot);
        Ok(())
    }
}
