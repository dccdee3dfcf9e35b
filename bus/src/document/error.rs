//! Why a document could not be opened, edited or followed.

use colony_core::document::{EditError, ReadError as ViewError};

use crate::lane::WriteError;
use crate::log::{Outcome, ReadError};
use crate::query::EntryError;

/// Why a call on a document failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The edit was not made: the closure failed, or the place is not there.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A version or place is not there to be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// An entry of the log could not be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A write failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Edits made earlier could not be sent and wait in the replica; the edit at hand was not made.
    ///
    /// [`Document::flush`](super::Document::flush) tries again.
    #[error("edits made earlier could not be sent; no more are taken until they are")]
    Unsent(#[source] WriteError),
    /// A change broke the replica in a way that could not be undone. Open the document again.
    #[error("the replica is unusable since a change broke it; open the document again")]
    Broken,
    /// The log cannot be followed any further: what others change does not arrive. Open the document again.
    #[error("the document is no longer followed; open it again")]
    Unfollowed(#[source] Option<ReadError>),
    /// Changes are kept out of the replica, so it cannot stand for the log. Take them in first.
    #[error("changes are held back; take them in first")]
    Held,
    /// The document is too large for a snapshot.
    #[error("the document has {bytes} bytes, too many for a snapshot")]
    TooLarge {
        /// Its size, saved.
        bytes: usize,
    },
}

impl DocumentError {
    /// Returns what happened to the write that the call was to make.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Write(error) => error.outcome(),
            Self::Edit(_)
            | Self::View(_)
            | Self::Log(_)
            | Self::Entry(_)
            | Self::Unsent(_)
            | Self::Broken
            | Self::Unfollowed(_)
            | Self::Held
            | Self::TooLarge { .. } => Outcome::NotApplied,
        }
    }

    /// Returns whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Write(error) | Self::Unsent(error) => error.is_retryable(),
            Self::Log(error) | Self::Entry(EntryError::Read(error)) => error.is_retryable(),
            Self::Edit(_)
            | Self::View(_)
            | Self::Entry(EntryError::Unreadable { .. })
            | Self::Broken
            | Self::Unfollowed(_)
            | Self::Held
            | Self::TooLarge { .. } => false,
        }
    }
}
