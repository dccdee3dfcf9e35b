//! P12, reputation: how agents have stood by their word, folded from what the other protocols prove.
//!
//! A newcomer has nothing: no good name to lose, none to spend. Good deeds raise the score, bad ones lower it twice as
//! fast, and both fade. See `docs/protocols/reputation.md`.

mod event;
mod score;
mod state;

pub use event::{ReputationEvent, Reversed, Vouched, Withdrawn};
pub use score::{Deed, DeedKind, HALF_LIFE, Points, Tally};
pub use state::{Command, Loss, Record, Rejection, Remembered, Reputation, ReputationState, Vouch};

#[cfg(test)]
mod tests;
