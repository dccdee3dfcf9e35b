//! What suites on real servers share: servers that can be hurt, writers, readers, and an audit of what a log holds.
//!
//! Everything here fails by panic, with a message that says what was expected: it is for tests only.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness fails by panic"
)]

mod audit;
mod follower;
mod load;
mod proxy;
mod race;
mod seed;
mod servers;
mod typist;

pub use self::{
    audit::Audit,
    follower::{Follower, continue_after},
    load::{Hold, Load, Progress, Said, draft},
    proxy::Proxy,
    race::{Race, RaceReport, race},
    seed::Seed,
    servers::{Backup, Cluster, One, agent, lane, options, raw, server, space, within},
    typist::{Typist, begin_notes, converged, notes, notes_of, shown, text},
};
