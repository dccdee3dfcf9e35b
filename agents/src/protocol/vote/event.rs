//! What is said in votes.

use std::collections::BTreeMap;

use colony_core::signature::PublicKey;
use colony_core::{AgentName, Digest, EntityName, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::protocol::payload::payloads;
use crate::protocol::signing::Signature;

payloads! {
    /// What is said in votes. The entity is the vote.
    VoteEvent {
        "vote.called" => Called(Box<Called>),
        "vote.cast" => Cast(Cast),
    }
}

/// A question is put to a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The question.
    pub question: String,
    /// What may be chosen; empty means `yes` and `no`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Who may vote, and the key that each must sign with; `null` for a vote that need not be signed.
    pub voters: BTreeMap<AgentName, Option<PublicKey>>,
    /// When an option has won.
    #[serde(default)]
    pub rule: Rule,
    /// Which of an agent's votes counts.
    #[serde(default)]
    pub counts: Counts,
    /// Until when votes count.
    pub until: Timestamp,
}

/// When an option has won.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// More than half of all who may vote chose it.
    #[default]
    Majority,
    /// So many chose it.
    AtLeast(u32),
    /// It has more than half of the weight of all who may vote. Who is not named weighs 1.
    Weighted(BTreeMap<AgentName, u32>),
    /// As weighted, each by its reputation where the vote was called.
    ByReputation,
}

/// Which of an agent's votes counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// The first; the result may be known before the end.
    #[default]
    First,
    /// The last; the result is known after the end.
    Last,
}

/// An agent's vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cast {
    /// The option.
    pub choice: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The signature over [`SignedChoice::digest`], where the call names a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// What the signature of a vote covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedChoice<'a> {
    /// The vote.
    pub vote: &'a EntityName,
    /// Where it was called.
    pub called: Position,
    /// The voter.
    pub voter: &'a AgentName,
    /// The option.
    pub choice: &'a str,
}

impl SignedChoice<'_> {
    /// Returns what is signed: SHA-256 over lines, each ended by `\n`: `colony.vote.v1`; the vote; the position of the
    /// call in decimal; the voter; the option. Names hold no line ends, and the option stands last.
    pub fn digest(&self) -> Digest {
        let Self { vote, called, voter, choice } = self;
        Digest::of(format!("colony.vote.v1\n{vote}\n{called}\n{voter}\n{choice}\n").as_bytes())
    }
}
