//! P4 and P5, what is pure of them: whether a feed was complete, and what each side did while they were apart.
//!
//! See `docs/protocols/reunion.md`.

mod feed;
mod partition;

pub use feed::{FeedAudit, audit};
pub use partition::{Deed, Did, Meeting, Report, Touched, report};

#[cfg(test)]
mod tests;
