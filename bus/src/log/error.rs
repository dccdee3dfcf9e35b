//! What can go wrong with a log, and what happened to the data.

use colony_core::Position;

use super::Record;

/// What an error means for the write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing was written, and nothing will be.
    NotApplied,
    /// It was written.
    Applied,
    /// It may have been written, in whole or in part, or may yet be.
    Unknown,
}

/// Why an append failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A condition did not hold: somebody else was first.
    #[error("the log has moved on under {scope}: expected its last entry at {expected}")]
    Conflict {
        /// The subject or lane.
        scope: String,
        /// The position expected.
        expected: Position,
        /// The record that won, where it could be read.
        winner: Option<Box<Record>>,
    },
    /// A record is larger than the log accepts.
    #[error(
        "the entry has {actual} bytes, the server accepts {max}; nothing was stored: put large content into a document, which is stored in pieces, or raise the server's max_payload"
    )]
    TooLarge {
        /// Bytes of subject and payload.
        actual: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// An atomic unit has more records than the log accepts.
    #[error("{actual} entries in one atomic append, the server accepts {max}; nothing was stored")]
    TooMany {
        /// Records in the unit.
        actual: usize,
        /// Records accepted.
        max: usize,
    },
    /// The server does not let us write there.
    #[error(
        "the server does not allow these credentials to publish to {subject}; nothing was stored"
    )]
    Denied {
        /// The subject.
        subject: String,
    },
    /// The server has no room.
    #[error(
        "the server has no room left to store ({description}); nothing of this entry was stored: free disk space or raise the storage limit"
    )]
    Full {
        /// What the server said.
        description: String,
    },
    /// The server refused for another reason.
    #[error("the server refused the append with code {code}: {description}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// What the server said.
        description: String,
    },
    /// The server has more unfinished batches than it takes, or gave this one up because it took too long.
    #[error(
        "the server did not take the batch ({description}); nothing was stored: try again in a moment"
    )]
    Busy {
        /// What the server said.
        description: String,
    },
    /// The space has no server that takes writes at present.
    #[error(
        "the space cannot be reached or has no leader at present; nothing was stored: try again in a moment"
    )]
    Unavailable,
    /// No answer came.
    #[error(
        "no acknowledgement came within {waited_ms} ms; the entry may have been stored: read the log to know"
    )]
    Unanswered {
        /// How long was waited.
        waited_ms: u64,
    },
    /// Part of an ordered unit was stored before an error.
    #[error("stored {applied} of {total} entries, then failed")]
    Interrupted {
        /// Records known to be stored.
        applied: usize,
        /// Records of the unit.
        total: usize,
        /// Why it ended.
        #[source]
        source: Box<AppendError>,
    },
    /// The log was closed.
    #[error("the log is closed; nothing was stored")]
    Closed,
}

impl AppendError {
    /// Returns what happened to the write.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Conflict { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Denied { .. }
            | Self::Full { .. }
            | Self::Refused { .. }
            | Self::Busy { .. }
            | Self::Unavailable
            | Self::Closed => Outcome::NotApplied,
            Self::Unanswered { .. } | Self::Interrupted { .. } => Outcome::Unknown,
        }
    }

    /// Returns whether the same append may succeed later, and appending it again is right once the outcome is
    /// known to be [`Outcome::NotApplied`].
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Busy { .. } | Self::Unanswered { .. } | Self::Unavailable => {
                true
            }
            Self::Interrupted { source, .. } => source.is_retryable(),
            Self::Conflict { .. }
            | Self::TooLarge { .. }
            | Self::TooMany { .. }
            | Self::Denied { .. }
            | Self::Refused { .. }
            | Self::Closed => false,
        }
    }
}

/// Why reading failed. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The server could not be reached in time.
    #[error("the server did not answer within {waited_ms} ms")]
    Unanswered {
        /// How long was waited.
        waited_ms: u64,
    },
    /// The server refused.
    #[error("the server refused to read with code {code}: {description}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// What the server said.
        description: String,
    },
    /// The server does not let us read.
    #[error("the server does not allow these credentials to use {subject}")]
    Denied {
        /// The subject.
        subject: String,
    },
    /// What the server sent is not what it should be.
    #[error("the server sent an answer that makes no sense: {what}")]
    Malformed {
        /// What was wrong.
        what: &'static str,
    },
    /// Entries that were stored are gone: the log ends before what was already read.
    #[error(
        "the log ends at {tail}, before position {seen} that was already read: the server lost entries or was restored from a backup"
    )]
    Lost {
        /// What was already read.
        seen: Position,
        /// Where the log ends now.
        tail: Position,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl ReadError {
    /// Returns whether the same read may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unanswered { .. } => true,
            Self::Refused { .. }
            | Self::Denied { .. }
            | Self::Malformed { .. }
            | Self::Lost { .. }
            | Self::Closed => false,
        }
    }
}

/// Why a space could not be opened. Nothing was changed there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server answers.
    #[error(
        "no NATS server answers at {url}: start one with `colony up`, or name another with --server"
    )]
    Unreachable {
        /// The addresses tried.
        url: String,
        /// What the client reports.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not accept the credentials.
    #[error("the server at {url} does not accept these credentials")]
    Credentials {
        /// The addresses tried.
        url: String,
    },
    /// The credentials file or key cannot be used.
    #[error("the key cannot be used: {what}")]
    Key {
        /// What is wrong with it.
        what: String,
    },
    /// The server has no JetStream.
    #[error(
        "the server at {url} runs without JetStream: start it with `-js` or a `jetstream {{}}` block, or use `colony up`"
    )]
    NoJetStream {
        /// The addresses tried.
        url: String,
    },
    /// The server is too old.
    #[error(
        "nats-server {version} is too old: Colony needs {minimum} or newer (JetStream API level {required}, this one has {actual}). Older servers silently ignore what they do not know, so nothing was created. `colony up` starts a server that is new enough"
    )]
    TooOld {
        /// The server's version.
        version: String,
        /// The oldest version that works.
        minimum: &'static str,
        /// The API level needed.
        required: u32,
        /// The API level found.
        actual: u32,
    },
    /// The stream exists with a configuration that Colony cannot work with.
    #[error(
        "the stream {stream} has {field} = {actual}, Colony needs {expected}: it was made by something else or changed since; use another space or restore the setting"
    )]
    Configuration {
        /// The stream.
        stream: String,
        /// Which setting.
        field: &'static str,
        /// What is needed.
        expected: String,
        /// What the server has.
        actual: String,
    },
    /// The stream does not exist and these credentials may not create it.
    #[error(
        "the space {space} does not exist on the server, and these credentials may not create it: let an administrator run `colony status --space {space}` once"
    )]
    NoSpace {
        /// The space.
        space: String,
    },
    /// The server answered with an error.
    #[error("the server refused with code {code}: {description}")]
    Refused {
        /// JetStream's error code.
        code: u64,
        /// What the server said.
        description: String,
    },
    /// The server stopped answering.
    #[error("the server at {url} did not answer in time")]
    Unanswered {
        /// The addresses tried.
        url: String,
    },
}
