//! Checkpoints: states of projections, kept so that a replay need not begin at the beginning.

use serde::{Deserialize, Serialize};

use super::Projection;
use crate::digest::Digest;
use crate::position::Position;

/// The state of a projection at a position of one log: a cache, deletable at any time.
///
/// It names the log that it was made from, so that one of another log, or of the same log before a restore, is
/// never believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    head: Head,
    state: Vec<u8>,
}

/// What stands before the state, as JSON on one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    log: String,
    projection: String,
    version: u32,
    position: Position,
    digest: Digest,
}

/// Why a checkpoint is not believed. Nothing is lost: the log is folded from the beginning.
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
    /// The state has no JSON form, or the JSON is no state.
    #[error("the state cannot be written or read")]
    State(#[source] serde_json::Error),
}

impl Checkpoint {
    pub(super) fn make<P: Projection>(
        projection: &P,
        log: &str,
        position: Position,
        state: &P::State,
    ) -> Result<Self, CheckpointError> {
        let state = serde_json::to_vec(state).map_err(CheckpointError::State)?;
        let mut head = Head {
            log: log.to_owned(),
            projection: projection.name().to_owned(),
            version: projection.version(),
            position,
            digest: Digest::of(&[]),
        };
        head.digest = digest(&head, &state);
        Ok(Self { head, state })
    }

    pub(super) fn state_for<P: Projection>(
        &self,
        projection: &P,
        log: &str,
    ) -> Result<P::State, CheckpointError> {
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
        serde_json::from_slice(&self.state).map_err(CheckpointError::State)
    }

    /// Returns where the last entry in the state stands.
    pub fn position(&self) -> Position {
        self.head.position
    }

    /// Writes the checkpoint: a line of JSON that names it, and the state.
    ///
    /// # Errors
    /// [`CheckpointError::State`], which no checkpoint made or read here gives.
    pub fn encode(&self) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = serde_json::to_vec(&self.head).map_err(CheckpointError::State)?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.state);
        Ok(bytes)
    }

    /// Reads a checkpoint and checks its digest. Any bytes are safe to give.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] or [`CheckpointError::Digest`].
    pub fn decode(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let end = bytes.iter().position(|b| *b == b'\n').ok_or(CheckpointError::Malformed)?;
        let (head, state) = bytes.split_at_checked(end).ok_or(CheckpointError::Malformed)?;
        let head: Head = serde_json::from_slice(head).map_err(|_| CheckpointError::Malformed)?;
        let state = state.get(1..).unwrap_or_default().to_vec();
        if digest(&head, &state) != head.digest {
            return Err(CheckpointError::Digest);
        }
        Ok(Self { head, state })
    }
}

/// Digests everything but the digest itself. Each text is preceded by its length, so that no two heads run together.
fn digest(head: &Head, state: &[u8]) -> Digest {
    let Head { log, projection, version, position, digest: _ } = head;
    let mut bytes = b"colony.checkpoint.v1\0".to_vec();
    for text in [log, projection] {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&version.to_be_bytes());
    bytes.extend_from_slice(&position.get().to_be_bytes());
    bytes.extend_from_slice(state);
    Digest::of(&bytes)
}
