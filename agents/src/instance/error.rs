//! Why an instance cannot go on.

use colony_bus::lane::ConditionedError;
use colony_bus::log::ReadError;

/// Why an instance of an agent stopped, or did not start. What it had not stored, another instance does.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// The log does not take what the agent has to store.
    #[error("the log does not take what the agent has to store")]
    Append(#[source] ConditionedError),
    /// The agent's events are spread over another number of lanes.
    #[error(
        "the agent runs with its events spread over {actual} lanes, not over {asked}: the number is fixed once an agent has begun"
    )]
    Partitions {
        /// The number asked for.
        asked: u16,
        /// The number that it runs with.
        actual: u16,
    },
    /// The options make no sense.
    #[error("an agent has from 1 to {max} lanes, not {asked}")]
    NoPartitions {
        /// The number asked for.
        asked: u16,
        /// The largest number.
        max: u16,
    },
    /// What the agent does could not be stored in the time it was given to stop. Nothing is lost: it is done again.
    #[error("what was done could not be stored before the instance stopped")]
    Unsettled,
    /// A part of the agent panicked outside of its handler.
    #[error("the agent panicked outside of its handler")]
    Panicked,
}

impl InstanceError {
    /// Returns whether starting again may succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(error) => error.is_retryable(),
            Self::Append(error) => error.is_retryable(),
            Self::Unsettled => true,
            Self::Partitions { .. } | Self::NoPartitions { .. } | Self::Panicked => false,
        }
    }
}
