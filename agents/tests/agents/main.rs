//! Agents on a log in memory: the runtime, documents in reactions, handlers that are commands, and taking part in protocols.

#![expect(clippy::unwrap_used, reason = "tests fail by panic")]

#[cfg(unix)]
mod command;
mod desk;
mod documents;
mod runtime;
