//! Ready-made agents: workers, bidders, reviewers, conductors, arbiters, callers within a quota, and scribes.
//!
//! What one of them does is a [`Role`]: a function from what everybody knows ([`Space`]) and something new ([`News`]) to
//! what it does about it ([`Act`]). A role has neither clock nor log, so the same one runs in three ways:
//!
//! * [`Single`] makes an [`Agent`](crate::Agent) of it, for any number of [instances](crate::Instance): reactions are committed
//!   once, work is a recorded effect, and the whole can be replayed.
//! * A [`Crew`] holds many agents that share one fold, and [`Shift`] runs it in one process: a thousand agents read the log
//!   once.
//! * [`trial`](crate::trial) plays crews on a virtual clock.
//!
//! Who does what is decided by the protocols alone. Who *tries first* is told by the [`Rota`], which every reader folds alike,
//! so that a thousand idle agents append one claim for a task and not a thousand.

mod act;
mod arbiter;
mod assigned;
mod bidder;
mod caller;
mod client;
mod conductor;
mod crew;
mod reviewer;
mod role;
mod rota;
mod scribe;
mod settler;
mod shift;
mod single;
mod space;
mod work;
mod worker;

pub use act::{Act, Say};
pub use arbiter::{Arbiter, Judgement};
pub use assigned::Assigned;
pub use bidder::{Bidder, Pricing};
pub use caller::Caller;
pub use client::{Client, Planned};
pub use conductor::Conductor;
pub use crew::{Crew, Due};
pub use reviewer::{Review, Reviewer};
pub use role::{News, Role, View};
pub use rota::{Rota, Turn};
pub use scribe::Scribe;
pub use settler::Settler;
pub use shift::{Shift, ShiftError, ShiftOptions, ShiftStatus};
pub use single::Single;
pub use space::{Change, NewHold, Space};
pub use work::{Work, WorkError};
pub use worker::Worker;

#[cfg(test)]
mod tests;

/// Selects what crews read: what matters to protocols, and mails in which scopes are settled.
pub fn filter() -> colony_core::Filter {
    let mut filter = crate::protocol::Coordination::filter();
    filter
        .types
        .extend([settler::ASKED, settler::ANSWERED].iter().filter_map(|ty| ty.parse().ok()));
    filter
}
