//! What must survive, on real servers. Fails where no server can be had; nothing is skipped.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

mod agents_once;
mod agents_whole;
mod busy;
mod claims;
mod cluster;
mod crash;
mod disk;
mod documents;
mod gate;
mod network;
mod permissions;
mod presence;
mod races;
mod readers;
mod sizes;
