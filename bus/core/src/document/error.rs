//! Why a document could not be read, edited, fed or loaded.

use automerge as am;

use super::change::DecodeError;
use super::heads::{ActorId, ChangeHash};
use super::path::Path;
use super::value::Kind;

/// Why a read failed. Nothing changes by reading, so every one may be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing stands at the path.
    #[error("nothing stands at `{path}`")]
    NotFound {
        /// The path as asked, or the part of it that is missing.
        path: Path,
    },
    /// Something else stands at the path.
    #[error("`{path}` is {actual}, not {expected}")]
    WrongKind {
        /// The path as asked, or the part of it that differs.
        path: Path,
        /// What the call is about.
        expected: Kind,
        /// What stands there.
        actual: Kind,
    },
    /// The position is not a place in the list or text.
    #[error("position {index} is beyond the length {length} of `{path}`")]
    OutOfBounds {
        /// The list or text.
        path: Path,
        /// The first position that does not exist.
        index: usize,
        /// How long the list or text is.
        length: usize,
    },
    /// A step into a list is not a decimal index.
    #[error("`{step}` is not an index into the list `{path}`")]
    NotAnIndex {
        /// The list.
        path: Path,
        /// The step as given.
        step: String,
    },
    /// The version names changes that this replica does not have.
    #[error("{} changes of the version are unknown here", missing.len())]
    UnknownHeads {
        /// The changes that are not here (yet).
        missing: Vec<ChangeHash>,
    },
    /// Values are nested more deeply than [`Path::MAX_DEPTH`].
    #[error("values are nested more than {limit} deep")]
    TooDeep {
        /// [`Path::MAX_DEPTH`].
        limit: usize,
    },
    /// The text is not a cursor, or the cursor is not one of this list or text.
    #[error("`{cursor}` is not a cursor into `{path}`")]
    Cursor {
        /// The cursor as given.
        cursor: String,
        /// The list or text.
        path: Path,
    },
    /// The document does not have the shape of the type.
    #[error("the document does not have the shape of the type")]
    Hydrate(#[source] Box<autosurgeon::HydrateError>),
    /// The document library refused.
    #[error("the document library refused")]
    Library(#[source] LibraryError),
}

/// Why an edit failed. Whatever the reason, the document is as it was before the edit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// A place could not be found or read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The root map can be filled but not replaced or deleted.
    #[error("the root of a document can be filled, but not replaced or deleted")]
    Root,
    /// The value could not be reconciled with what stands there.
    #[error("the value cannot be reconciled with the document")]
    Reconcile(#[source] Box<autosurgeon::ReconcileError>),
    /// The document is unusable: see [`ApplyError::Poisoned`].
    #[error("the document is unusable since a change broke it; load it again")]
    Poisoned,
}

/// Why changes could not be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Too many changes wait for others. Those before this one were applied or parked, this one and those after it
    /// were not; offering all of them again once [`Replica::missing`](super::Replica::missing) has arrived is safe.
    #[error("{count} changes ({bytes} bytes) wait for changes that have not arrived")]
    TooManyParked {
        /// How many wait.
        count: usize,
        /// Their size in bytes.
        bytes: usize,
    },
    /// A change broke the library in a way that could not be undone. The replica answers reads but takes nothing
    /// more; load it again from its last snapshot and the log.
    #[error("the document is unusable since a change broke it; load it again")]
    Poisoned,
}

/// Why bytes could not be opened as a document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The framing or one of the changes after the document is bad.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The document itself is bad, or is not the one that its heads name.
    #[error("the document cannot be opened")]
    Library(#[source] LibraryError),
    /// The library gave up without a reason.
    #[error("the document is malformed")]
    Malformed,
    /// The changes after the document could not be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// One of the changes after the document was refused.
    #[error("a change after the document was refused")]
    Refused(#[source] Refusal),
}

/// Why a well-formed change is not taken into a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another change of this actor has this number: two writers share an actor, or one lost its memory.
    #[error("actor {actor} already has a change numbered {seq}")]
    DuplicateNumber {
        /// The actor.
        actor: ActorId,
        /// The number that two changes claim.
        seq: u64,
    },
    /// The number does not follow that of the actor's last change, although the change claims to have seen all it
    /// depends on.
    #[error("change {actual} of actor {actor} follows change {last}")]
    NumberGap {
        /// The actor.
        actor: ActorId,
        /// The number of the actor's last change here.
        last: u64,
        /// The number that the change claims.
        actual: u64,
    },
    /// Its operations do not come after those it depends on, or their numbers are out of range.
    #[error("the operations are numbered from {actual}, expected at least {expected}")]
    OperationNumber {
        /// The least allowed.
        expected: u64,
        /// What the change has.
        actual: u64,
    },
    /// An operation refers to something that is not in the version it was made on.
    #[error("operation {index} refers to something that does not exist")]
    DanglingReference {
        /// Which operation of the change, from 0.
        index: usize,
    },
    /// It depends on a change that was refused.
    #[error("it depends on change {hash}, which was refused")]
    Dependency {
        /// The refused change.
        hash: ChangeHash,
    },
    /// The library failed on it. The change was taken out again.
    #[error("the document library failed on the change")]
    Broken,
}

/// An error of the document library.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LibraryError(Box<am::AutomergeError>);

impl From<am::AutomergeError> for LibraryError {
    fn from(error: am::AutomergeError) -> Self {
        Self(Box::new(error))
    }
}

impl From<am::AutomergeError> for ReadError {
    fn from(error: am::AutomergeError) -> Self {
        Self::Library(error.into())
    }
}

impl From<am::AutomergeError> for EditError {
    fn from(error: am::AutomergeError) -> Self {
        Self::Read(error.into())
    }
}
