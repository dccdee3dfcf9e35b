//! What is told while a server is fetched.

use crate::version::ServerVersion;

/// One step of fetching a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Another process is fetching the same server; this one waits for it.
    Waiting {
        /// The version that is fetched.
        version: ServerVersion,
    },
    /// Bytes are arriving. Told several times a second.
    Downloading {
        /// The version that is fetched.
        version: ServerVersion,
        /// Bytes on disk so far.
        done: u64,
        /// Bytes in all, where that is known beforehand.
        total: Option<u64>,
    },
    /// The download is complete and is compared with its checksum.
    Verifying {
        /// The version that is fetched.
        version: ServerVersion,
    },
    /// The server is being written to the cache.
    Installing {
        /// The version that is fetched.
        version: ServerVersion,
    },
}

/// Is told how fetching goes, for instance to draw a bar.
///
/// Nothing is told when a server is found without fetching. An implementation must not block: it
/// is called from the task that fetches.
pub trait Progress: Send + Sync {
    /// Takes note of a step.
    fn step(&self, step: Step);
}

/// Ignores all progress.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _step: Step) {}
}
