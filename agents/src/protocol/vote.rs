//! P9, votes: one vote each, by a rule that is told beforehand, with a result that every reader computes.
//!
//! See `docs/protocols/vote.md`.

mod event;
mod evolve;
mod state;
mod tally;

pub use event::{Called, Cast, Counts, Rule, SignedChoice, VoteEvent};
pub use evolve::{Command, Rejection};
pub use state::{Ballot, Vote, Votes, VotesState};
pub use tally::{VoteResult, tally};

#[cfg(test)]
mod tests;
