//! P13, the human gate: ask, wait, answer, allow within limits, stop. All of it stands in the log, so nothing is lost with
//! the process that asked.
//!
//! See `docs/protocols/gate.md`.

mod event;
mod evolve;
mod state;

pub use event::{Answered, Asked, Cancelled, GateEvent, Granted, Resumed, Stopped, Withdrawn};
pub use evolve::{Command, Rejection, open_to_stopped};
pub use state::{Answer, Gate, GateState, Grant, Question, Reply, Stop};

#[cfg(test)]
mod tests;
