//! What a message takes.

use serde::{Deserialize, Serialize};

/// What a message takes, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// From saying something to its being stored. Default: 200.
    pub append_us: u64,
    /// From being stored to being read by another process, on average; each is drawn between half of it and one and a half times as
    /// much. Default: 200.
    pub delivery_us: u64,
    /// What one agent needs to decide and say one thing. It does one at a time. Default: 50.
    pub decision_us: u64,
    /// What the log needs for one entry: one after the other. Default: 20.
    pub log_us: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { append_us: 200, delivery_us: 200, decision_us: 50, log_us: 20 }
    }
}
