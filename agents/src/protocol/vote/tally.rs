//! Counting votes.

use std::collections::BTreeMap;

/// What came of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VoteResult<'a> {
    /// Votes may still change it.
    Open {
        /// The weight of each option.
        counts: BTreeMap<&'a str, u64>,
    },
    /// An option has won.
    Decided {
        /// The option.
        choice: &'a str,
        /// The weight of each option.
        counts: BTreeMap<&'a str, u64>,
    },
    /// It is over, and no option has won.
    Undecided {
        /// The weight of each option.
        counts: BTreeMap<&'a str, u64>,
    },
}

impl<'a> VoteResult<'a> {
    /// Returns the option that has won, if one has.
    pub fn decided(&self) -> Option<&'a str> {
        match self {
            Self::Decided { choice, .. } => Some(choice),
            Self::Open { .. } | Self::Undecided { .. } => None,
        }
    }
}

/// Counts votes, each an option and its weight. An option has won with the weight `needed`; if several have (which a
/// majority rules out), the heaviest, and of equals the first by name.
///
/// `settled` says that the votes counted cannot change any more, `over` that none will come.
pub fn tally<'a>(
    votes: impl IntoIterator<Item = (&'a str, u32)>,
    needed: u64,
    settled: bool,
    over: bool,
) -> VoteResult<'a> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (choice, weight) in votes {
        *counts.entry(choice).or_default() += u64::from(weight);
    }
    let best = counts.iter().fold(None, |best: Option<(&str, u64)>, (choice, weight)| match best {
        Some((_, most)) if most >= *weight => best,
        Some(_) | None => Some((choice, *weight)),
    });
    match best {
        Some((choice, weight)) if settled && weight >= needed.max(1) => {
            VoteResult::Decided { choice, counts }
        }
        Some(_) | None if over => VoteResult::Undecided { counts },
        Some(_) | None => VoteResult::Open { counts },
    }
}
