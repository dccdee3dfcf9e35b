//! Checkpoints: states of projections, kept so that a replay need not begin at the beginning.

use bytes::{Buf as _, Bytes};
use serde::{Deserialize, Serialize};

use super::{Fold, Projection};
use crate::digest::Digest;
use crate::lane::LaneChecker;
use crate::position::Position;

/// What the digest begins with: bytes of another format have another digest.
const FORMAT: &[u8] = b"colony.checkpoint.v2\0";

/// The state of a projection at a position of one log: a cache, deletable at any time.
///
/// It names the log that it was made from and the entry that was the last one in it, so that one of another log, or of the
/// same log before a restore or a loss, is never believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    head: Head,
    /// The ends of the lanes, and the state.
    content: Bytes,
}

/// What stands before the content, as JSON on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    log: String,
    projection: String,
    version: u32,
    position: Position,
    entry: Digest,
    unreadable: u64,
    digest: Digest,
}

/// Why a checkpoint is not believed, or cannot be made. Nothing is lost: the log is folded from the beginning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are no checkpoint.
    #[error("the bytes are not a checkpoint")]
    Malformed,
    /// Its digest does not match: it was damaged.
    #[error("the checkpoint was altered: its digest does not match")]
    Digest,
    /// It was made from another log.
    #[error("the checkpoint was made from the log {found:?}, not from {expected:?}")]
    Log {
        /// The log that is read.
        expected: String,
        /// The log that it was made from.
        found: String,
    },
    /// It is of another projection, or of another version of it.
    #[error(
        "the checkpoint is of {found:?} version {found_version}, not of {expected:?} version {expected_version}"
    )]
    Projection {
        /// The projection asked for.
        expected: String,
        /// Its version.
        expected_version: u32,
        /// The projection that it is of.
        found: String,
        /// The version of that.
        found_version: u32,
    },
    /// What stands at the position is not an entry.
    #[error("there is no entry at position {position} to know the log by")]
    NoEntry {
        /// Where the fold stands.
        position: Position,
    },
    /// The content is not a state of this projection.
    #[error("the state cannot be read")]
    State(#[source] rmp_serde::decode::Error),
    /// The state cannot be written.
    #[error("the state cannot be written")]
    Write(#[source] rmp_serde::encode::Error),
    /// The head cannot be written.
    #[error("the head cannot be written")]
    Head(#[source] serde_json::Error),
}

impl Checkpoint {
    pub(super) fn make<P: Projection>(fold: &Fold<P>, log: &str) -> Result<Self, CheckpointError> {
        let Fold { projection, state, lanes, position, last, unreadable } = fold;
        let entry = last.ok_or(CheckpointError::NoEntry { position: *position })?;
        let content = rmp_serde::to_vec(&(lanes, state)).map_err(CheckpointError::Write)?;
        let mut head = Head {
            log: log.to_owned(),
            projection: projection.name().to_owned(),
            version: projection.version(),
            position: *position,
            entry,
            unreadable: *unreadable,
            digest: Digest::of(&[]),
        };
        head.digest = digest(&head, &content);
        Ok(Self { head, content: content.into() })
    }

    pub(super) fn content_for<P: Projection>(
        &self,
        projection: &P,
        log: &str,
    ) -> Result<(LaneChecker, P::State), CheckpointError> {
        let Head { log: found, projection: found_name, version: found_version, .. } = &self.head;
        if found != log {
            return Err(CheckpointError::Log { expected: log.to_owned(), found: found.clone() });
        }
        if found_name != projection.name() || *found_version != projection.version() {
            return Err(CheckpointError::Projection {
                expected: projection.name().to_owned(),
                expected_version: projection.version(),
                found: found_name.clone(),
                found_version: *found_version,
            });
        }
        rmp_serde::from_slice(&self.content).map_err(CheckpointError::State)
    }

    /// Returns where the last entry in the state stands.
    pub fn position(&self) -> Position {
        self.head.position
    }

    /// Returns the digest of that entry.
    pub fn entry(&self) -> Digest {
        self.head.entry
    }

    /// Returns how many positions up to there hold something that is not an entry.
    pub fn unreadable(&self) -> u64 {
        self.head.unreadable
    }

    /// Writes the checkpoint: a line of JSON that names it, and its content.
    ///
    /// # Errors
    /// [`CheckpointError::Head`], which no checkpoint made or read here gives.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = serde_json::to_vec(&self.head).map_err(CheckpointError::Head)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.content);
        Ok(bytes)
    }

    /// Reads a checkpoint and checks its digest. Any bytes are safe to give.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] or [`CheckpointError::Digest`].
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, CheckpointError> {
        let mut content: Bytes = bytes.into();
        let end = content.iter().position(|b| *b == b'\n').ok_or(CheckpointError::Malformed)?;
        let head = content.split_to(end);
        content.advance(1);
        let head: Head = serde_json::from_slice(&head).map_err(|_| CheckpointError::Malformed)?;
        if digest(&head, &content) != head.digest {
            return Err(CheckpointError::Digest);
        }
        Ok(Self { head, content })
    }
}

/// Digests everything but the digest itself. Each text is preceded by its length, so that no two heads run together.
fn digest(head: &Head, content: &[u8]) -> Digest {
    let Head { log, projection, version, position, entry, unreadable, digest: _ } = head;
    let length = |text: &str| (text.len() as u64).to_be_bytes();
    Digest::of_pieces(&[
        FORMAT,
        &length(log),
        log.as_bytes(),
        &length(projection),
        projection.as_bytes(),
        &version.to_be_bytes(),
        &position.get().to_be_bytes(),
        entry.as_bytes(),
        &unreadable.to_be_bytes(),
        content,
    ])
}
