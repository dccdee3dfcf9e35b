//! P2, bidding: who gets a task, by a rule that every reader computes. There is no auctioneer.
//!
//! An auction belongs to a task that was offered in bid mode, so its events are `task.bid`, `task.bid_revealed` and
//! `task.closed`, and its state is a phase of the task. See `docs/protocols/bidding.md`.

mod award;
mod event;
mod state;

pub use award::Ranked;
pub use event::{AwardRule, Bid, BidRevealed, Closed, Commitment, Offering, Terms, Weights};
pub use state::{Auction, BidState, Rejection};

#[cfg(test)]
mod tests;
