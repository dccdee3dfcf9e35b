//! The same tasks done in each way of working together, on a virtual clock.
//!
//! A trial plays [crews](crate::ready::Crew) of the ready-made agents on a log in memory: entries are appended, delivered and folded in
//! virtual time, by the protocols' own rules. Nothing in it reads a clock or draws from anything but its seed, so that the same trial
//! gives the same outcome. What a message takes is a parameter ([`Latency`]), measured or given.

mod commits;
mod entry;
mod latency;
mod outcome;
mod peer;
mod random;
mod tasks;
mod world;

pub use commits::{CommitError, from_commits};
pub use latency::Latency;
pub use outcome::Outcome;
pub use tasks::{Synthetic, TaskSet, TrialTask};
pub use world::{Deaths, Trial, run};

#[cfg(test)]
mod tests;
