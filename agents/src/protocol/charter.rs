//! The charter of a space: who administers it, and what it asks of agents.
//!
//! Not one of the fifteen protocols, but what several of them stand on: who may revoke, stop, issue stakes and answer for
//! people. The first charter in the log holds; a later one needs an administrator. See `docs/protocols/charter.md`.

mod event;
mod state;

pub use event::{CharterEvent, Chartered};
pub use state::{CharterState, Charters, Command, Rejection};

#[cfg(test)]
mod tests;
