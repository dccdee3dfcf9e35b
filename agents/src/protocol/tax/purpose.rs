//! What entries are for.

use std::collections::BTreeMap;

use colony_core::{Entry, Kind};
use serde::{Deserialize, Serialize};

use crate::protocol::coordination::types;

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Work: events of no protocol, changes of documents, effects, and deliveries.
    Work,
    /// Agreeing on who does what: offers, claims, bids, votes, contracts, budgets, announcements.
    Agreement,
    /// Passing on context: handoffs, questions and answers.
    Context,
    /// Finding out whether work is good: verdicts and disputes.
    Verification,
    /// Mail of no protocol.
    Talk,
    /// What the bus needs for itself: cursors, snapshots, heads.
    Bookkeeping,
}

impl Purpose {
    /// Returns what an entry is for.
    pub fn of(entry: &Entry) -> Self {
        match entry.kind() {
            Some(Kind::Document(_) | Kind::Effect(_)) => Self::Work,
            Some(Kind::Cursor | Kind::Snapshot(_)) | None => Self::Bookkeeping,
            Some(Kind::Event { ty, .. }) => Self::of_type(ty.as_str()).unwrap_or(Self::Work),
            Some(Kind::Mail { ty, .. }) => Self::of_type(ty.as_str()).unwrap_or(Self::Talk),
        }
    }

    fn of_type(ty: &str) -> Option<Self> {
        Some(match ty {
            "task.done" | "milestone.submitted" | "action.taken" | "handoff.completed" => {
                Self::Work
            }
            "task.verified" | "task.rejected" | "milestone.verified" | "milestone.failed"
            | "dispute.opened" | "dispute.voted" | "dispute.escalated" => Self::Verification,
            _ if ty.starts_with("handoff.") || ty.starts_with("clarification.") => Self::Context,
            _ if types().any(|known| known == ty) => Self::Agreement,
            _ => return None,
        })
    }
}

/// How much of something there was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Entries.
    pub entries: u64,
    /// Bytes of what they say.
    pub bytes: u64,
    /// Tokens of models, where effects report them.
    pub tokens: u64,
}

impl Amount {
    pub(super) fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.tokens = self.tokens.saturating_add(other.tokens);
    }

    pub(super) fn of(entry: &Entry) -> Self {
        let data = &entry.event().data;
        Self { entries: 1, bytes: data.len() as u64, tokens: tokens(entry) }
    }
}

/// Adds to the amount of a key.
pub(super) fn count<K: Ord + Clone>(amounts: &mut BTreeMap<K, Amount>, key: &K, amount: Amount) {
    match amounts.get_mut(key) {
        Some(known) => known.add(amount),
        None => drop(amounts.insert(key.clone(), amount)),
    }
}

/// Returns the tokens that an effect reports, in the shape in which models do: `usage.total_tokens`, or its parts.
fn tokens(entry: &Entry) -> u64 {
    #[derive(Default, Deserialize)]
    struct Reported {
        #[serde(default)]
        usage: Usage,
    }
    #[derive(Default, Deserialize)]
    struct Usage {
        total_tokens: Option<u64>,
        #[serde(default, alias = "prompt_tokens")]
        input_tokens: u64,
        #[serde(default, alias = "completion_tokens")]
        output_tokens: u64,
    }
    let Some(Kind::Effect(_)) = entry.kind() else { return 0 };
    let Reported { usage } = entry.event().data.to_value().unwrap_or_default();
    usage.total_tokens.unwrap_or(usage.input_tokens.saturating_add(usage.output_tokens))
}
