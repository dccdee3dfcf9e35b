//! P6, quota: a shared budget, granted in log order, never exceeded, shared fairly.
//!
//! What an agent takes is a reservation; the position of its `quota.taken` is its name and its fence. See
//! `docs/protocols/quota.md`.

mod event;
mod evolve;
mod fairness;
mod state;

pub use event::{Defined, QuotaEvent, Returned, Taken};
pub use evolve::{Command, Rejection};
pub use fairness::max_min;
pub use state::{Quota, Quotas, QuotasState, Refusal, Reservation, Use, WARNINGS, Warned};

#[cfg(test)]
mod tests;
