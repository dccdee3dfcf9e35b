//! P10, optimistic action: act at once, find conflicts in the log, and make the later act good.
//!
//! The detector is the fold itself: two acts on the same thing at the same time are in conflict, and the one that stands
//! later owes its own compensation, once. See `docs/protocols/compensation.md`.

mod event;
mod evolve;
mod occupied;
mod state;

pub use event::{ActionEvent, Class, Compensated, Intended, Resource, Taken};
pub use evolve::{Command, Rejection};
pub use state::{Action, ActionsState, Compensation, Phase};

#[cfg(test)]
mod tests;
