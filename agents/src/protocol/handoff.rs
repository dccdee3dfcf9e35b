//! P8, handoff: work passed on with its reasons, so that nothing is lost when the giver goes.
//!
//! A handoff is complete in itself: whoever accepts it needs nobody's memory. Questions about it may be answered by
//! anyone who holds the context. See `docs/protocols/handoff.md`.

mod decide;
mod event;
mod evolve;
mod report;
mod state;

pub use decide::{Command, Rejection};
pub use event::{
    Accepted, Answered, Asked, Completed, Declined, DocumentLink, EventLink, HandoffEvent, Links,
    Offered, Reason, Why,
};
pub use report::{Hop, Retention, normalised};
pub use state::{Answer, Handoff, Handoffs, HandoffsState, Phase, Question};

#[cfg(test)]
mod tests;
