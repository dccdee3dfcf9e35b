//! P15, the coordination tax: what it cost that many worked, measured from any log.
//!
//! A [`Meter`] takes the entries of a log and makes a [`Report`]: work and coordination apart; what context, waiting and
//! verification cost; what was done again; the critical path. See `docs/protocols/tax.md`.

mod meter;
mod path;
mod purpose;
mod report;
mod waits;

pub use meter::{Clock, Meter};
pub use path::{Leg, Step};
pub use purpose::{Amount, Purpose};
pub use report::{Channels, Handovers, OnPath, Passage, Report, Rework, Span};
pub use waits::{Wait, WaitKind};

#[cfg(test)]
mod tests;
