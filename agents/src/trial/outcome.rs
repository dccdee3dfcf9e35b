//! What came of a trial.

use serde::{Deserialize, Serialize};

use super::world::Deaths;
use crate::protocol::Millis;
use crate::protocol::advice::Mode;

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How the agents worked together.
    pub mode: Mode,
    /// How many workers there were.
    pub agents: usize,
    /// Who died on the way.
    pub deaths: Deaths,
    /// How many tasks there were.
    pub tasks: usize,
    /// How many of them were done.
    pub done: usize,
    /// How many were not: nobody was left who knew or would do them.
    pub lost: usize,
    /// How often an agent began a task that another one that was alive was at.
    pub doubled: usize,
    /// How long it took, in virtual time, until the last was done.
    pub took_ms: Millis,
    /// Tasks done in a second of virtual time.
    pub tasks_per_second: f64,
    /// From when a task could be begun to when somebody began, in the median, in microseconds.
    pub begin_p50_us: u64,
    /// The same, which 99 of 100 do not exceed.
    pub begin_p99_us: u64,
    /// How many events were appended.
    pub messages: u64,
    /// How many for each task done.
    pub messages_per_task: f64,
    /// How many events had no effect: claims that lost, mostly.
    pub ignored: u64,
    /// How often a result was rejected.
    pub rejected: u64,
    /// A digest of everything that was said, in order: the same for the same trial.
    pub trace: String,
    /// The seed.
    pub seed: u64,
}
