//! Drives the `colony` binary as users do, on real servers. Fails where no server can be had.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panic")]
#![expect(clippy::indexing_slicing, reason = "JSON of a known shape")]

mod capture;
mod checkpoints;
#[cfg(unix)]
mod commands;
mod credentials;
mod documents;
mod events;
mod import;
mod malformed;
mod presence;
#[cfg(unix)]
mod processes;
mod protocols;
mod readers;
mod refusals;
mod replays;
mod run;
mod tasks;
mod tax;
mod team;
mod tls;
mod up;
