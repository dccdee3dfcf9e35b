//! P1, tasks: who does what. The lowest valid claim owns the task; silence gives it back.
//!
//! A task goes through rounds. In each, at most one agent holds it, and the position of the event that made it the
//! holder is the **fence**: what a holder says carries its fence, and what carries an old one has no effect. See
//! `docs/protocols/task.md`.

mod board;
mod decide;
mod event;
mod evolve;
mod state;

pub use board::{Board, Card, Column};
pub use decide::{Command, Rejection};
pub use event::{
    Blocked, BlockedOn, Cancelled, Claimed, Done, Lapsed, Mode, Offered, Progressed, Rejected,
    Released, TaskEvent, Verified,
};
pub use state::{Block, Delivery, Hold, Offer, Phase, Task, Tasks, TasksState, Verdict};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
