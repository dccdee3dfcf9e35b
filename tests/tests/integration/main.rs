//! What must survive, on real servers. Fails where no server can be had; nothing is skipped.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod cluster;
mod crash;
mod disk;
mod gate;
mod network;
mod permissions;
mod races;
mod readers;
mod sizes;
